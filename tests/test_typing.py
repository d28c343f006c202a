"""`tests/typing/api.py` is checked by mypy and pyright, and the types it shows are those of the SDK."""

import inspect
import runpy
from pathlib import Path

from openai.resources import AsyncEmbeddings
from openai.resources.chat.completions import AsyncCompletions
from openai.resources.responses import AsyncResponses

from hanzo_agents import AsyncHanzo
from hanzo_agents._wire.arguments import (
    ChatArguments,
    EmbeddingsArguments,
    ResponsesArguments,
    ResponsesStreamArguments,
    Wishes,
)

API = Path(__file__).parent / "typing" / "api.py"


def test_the_example_of_the_api_names_only_what_exists():
    # Its imports and definitions run; the bodies of its functions do not.
    assert callable(runpy.run_path(str(API))["agents_run"])


WISHES = set(Wishes.__annotations__)
"""What `create` takes besides, and does not send."""


def test_chat_takes_the_keywords_of_the_sdk():
    sdk = set(inspect.signature(AsyncCompletions.create).parameters)
    assert (set(ChatArguments.__annotations__) - WISHES) | {"self", "stream"} == sdk


def parameters_of(method):
    return set(inspect.signature(method).parameters) - {"self", "stream"}


def test_responses_and_embeddings_take_the_keywords_of_the_sdk():
    assert set(ResponsesArguments.__annotations__) - WISHES == parameters_of(AsyncResponses.create)
    assert (set(ResponsesStreamArguments.__annotations__) - WISHES) | {
        "response_id",
        "text_format",
        "starting_after",
    } == parameters_of(AsyncResponses.stream)
    assert set(EmbeddingsArguments.__annotations__) == parameters_of(AsyncEmbeddings.create)


def test_both_clients_have_the_same_methods():
    """Those of the resources that are ours, with the same keywords."""
    from hanzo_agents._wire import resources
    from hanzo_agents._wire.sync import resources as sync_resources

    for one, other in (
        (resources.HanzoCompletions, sync_resources.SyncCompletions),
        (resources.HanzoResponses, sync_resources.SyncResponses),
        (resources.HanzoEmbeddings, sync_resources.SyncEmbeddings),
    ):
        methods = [name for name in vars(one) if callable(vars(one)[name]) and not name.startswith("_")]
        assert methods == [
            name for name in vars(other) if callable(vars(other)[name]) and not name.startswith("_")
        ]
        for name in methods:
            assert list(inspect.signature(getattr(one, name)).parameters) == list(
                inspect.signature(getattr(other, name)).parameters
            )


def test_chat_requires_no_keyword_but_the_messages():
    required = [name for name, kind in ChatArguments.__annotations__.items() if "Required[" in str(kind)]
    assert required == ["messages"]


def test_create_is_still_a_documented_coroutine_function():
    client = AsyncHanzo("http://127.0.0.1:1/v1", "k")
    for create in (client.chat.completions.create, client.responses.create):
        assert inspect.iscoroutinefunction(create)
        assert inspect.getdoc(create) == "As `openai`'s, sent through the policies."
