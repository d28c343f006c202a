"""Tokens as providers count them, also through routers: input includes cached and written, output includes reasoning."""

from types import SimpleNamespace

import pytest
from agents.usage import Usage as AgentsUsage
from openai.types import CompletionUsage
from openai.types.create_embedding_response import Usage as EmbeddingUsage
from openai.types.responses import ResponseUsage

from hanzo_agents import Usage
from hanzo_agents._wire.facts import usage_of


def chat(tokens_in=1000, tokens_out=50, **more):
    fields = {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
    return CompletionUsage.model_validate(fields | more)


def responses(**fields):
    return ResponseUsage.model_construct(**fields)


def details(**fields):
    return {"prompt_tokens_details": fields}


def usage(tokens_in=1000, tokens_out=50, *, cached=0, written=0, reasoned=0):
    return Usage(tokens_in, tokens_out, "reported", cached, reasoned, written)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (chat(), usage()),
        (chat(**details(cached_tokens=200)), usage(cached=200)),
        (chat(**details(cached_tokens=200, cache_write_tokens=300)), usage(cached=200, written=300)),
        # recorded from the router in front of Anthropic
        (
            chat(
                **details(cached_tokens=700, cache_creation_tokens=200),
                cache_creation_input_tokens=200, cache_read_input_tokens=700,
            ),
            usage(cached=700, written=200),
        ),
        (chat(cache_creation_input_tokens=200, cache_read_input_tokens=700), usage(cached=700, written=200)),
        (chat(**details(cached_tokens=0), cache_read_input_tokens=700), usage(cached=700)),
        (chat(prompt_cache_hit_tokens=600, prompt_cache_miss_tokens=400), usage(cached=600)),  # DeepSeek
        (chat(cached_tokens=600), usage(cached=600)),  # Moonshot
        # A gateway that leaves the parts out of the whole.
        (chat(100, **details(cached_tokens=700)), usage(800, cached=700)),
        (chat(100, cache_read_input_tokens=700, cache_creation_input_tokens=200), usage(cached=700, written=200)),
        # Anthropic's own shape counts them apart.
        (
            responses(input_tokens=100, output_tokens=50, cache_read_input_tokens=700, cache_creation_input_tokens=200),
            usage(cached=700, written=200),
        ),
        (
            responses(input_tokens=100, output_tokens=50, cache_read_input_tokens=7, cache_creation_input_tokens=2),
            usage(109, cached=7, written=2),
        ),
        # Reasoning inside the output, as OpenAI counts, and apart from it, as xAI and Google do.
        (chat(10, 50, completion_tokens_details={"reasoning_tokens": 30}), usage(10, reasoned=30)),
        (
            chat(10, 50, completion_tokens_details={"reasoning_tokens": 30}, total_tokens=90),
            usage(10, 80, reasoned=30),
        ),
        (chat(10, 5, completion_tokens_details={"reasoning_tokens": 30}, total_tokens=0), usage(10, 35, reasoned=30)),
        (AgentsUsage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15), usage(10, 5)),
        (EmbeddingUsage(prompt_tokens=7, total_tokens=7), usage(7, 0)),
        (SimpleNamespace(input_tokens=1, output_tokens=2), usage(1, 2)),
    ],
)  # fmt: skip
def test_shapes(raw, read):
    assert usage_of(raw) == read


@pytest.mark.parametrize("junk", [-1, "7", 1.5, True, None, [], {}], ids=repr)
def test_parts_that_make_no_sense_count_as_none(junk):
    raw = SimpleNamespace(
        prompt_tokens=10, completion_tokens=5, cache_read_input_tokens=junk, cache_creation_input_tokens=junk,
        prompt_tokens_details=SimpleNamespace(cached_tokens=junk, cache_write_tokens=junk),
        completion_tokens_details=SimpleNamespace(reasoning_tokens=junk),
    )  # fmt: skip
    assert usage_of(raw) == usage(10, 5)


@pytest.mark.parametrize("raw", [5, "tokens", [], object()], ids=repr)
def test_what_is_no_usage_is_none(raw):
    assert usage_of(raw) is None
