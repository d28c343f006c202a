"""`semantic_cache=True` and its companions: the policies they mean."""

import pytest
from semantic_scenes import Router
from upstream import KEY, URL

from hanzo_agents import AsyncHanzo, Cache, ConfigError, Hanzo, LexicalGate, SemanticCache
from hanzo_agents._kernel.stack import Place


def made_by(**keywords):
    client = AsyncHanzo(URL, KEY, model="m", **keywords)
    return {type(policy).__name__: policy for policy in client.stack}


def test_both_caches_share_a_store():
    made = made_by(enable_cache=True, semantic_cache=True, similarity_threshold=0.9, cache_ttl=60)
    assert made["SemanticCache"].store is made["Cache"].store
    assert (made["SemanticCache"].threshold, made["SemanticCache"].ttl) == (0.9, 60)
    assert isinstance(made["SemanticCache"].gate, LexicalGate)
    assert not made["SemanticCache"].shadow
    assert "SemanticCache" not in made_by(enable_cache=True)
    assert "SemanticCache" not in made_by(enable_cache=True, semantic_cache=False)


def test_it_may_be_switched_on_and_off_while_the_client_lives():
    client = Hanzo(URL, KEY, model="m")
    client.configure_cache(semantic_cache=True)
    places = [policy.place for policy in client.asynchronous.stack]
    assert places == sorted(places)
    assert Place.SEMANTIC in places
    store = next(p.store for p in client.asynchronous.stack if isinstance(p, Cache))
    client.configure_cache(similarity_threshold=0.8)
    (semantic,) = (p for p in client.asynchronous.stack if isinstance(p, SemanticCache))
    assert semantic.threshold == 0.8
    assert semantic.store is store
    client.configure_cache(semantic_cache=False, similarity_threshold=None)
    assert Place.SEMANTIC not in [policy.place for policy in client.asynchronous.stack]


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"semantic_cache": True}, "^semantic_cache: has no effect without enable_cache=True$"),
        ({"enable_cache": True, "similarity_threshold": 0.9}, "^similarity_threshold: has no effect without semantic_cache=True$"),
        ({"enable_cache": True, "semantic_cache": True, "similarity_threshold": 0}, "^similarity_threshold: "),
        ({"enable_cache": True, "semantic_cache": "yes"}, "^semantic_cache: expected True or False"),
        (
            {"enable_cache": True, "semantic_cache": True, "policies": [SemanticCache(embed=len)]},
            "^semantic_cache: policies already hold a SemanticCache",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_said(keywords, match):
    with pytest.raises(ConfigError, match=match):
        AsyncHanzo(URL, KEY, model="m", **keywords)


def test_a_cache_that_was_given_as_a_policy_is_not_reconfigured():
    client = Router().client(SemanticCache(embed=len))
    with pytest.raises(ConfigError, match="policies hold a SemanticCache"):
        client.configure_cache(cache_ttl=5)
