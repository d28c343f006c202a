"""`tests/typing/api.py` is checked by mypy and pyright, and the types it shows are those of the SDK."""

import inspect
import runpy
from pathlib import Path

from openai.resources.chat.completions import AsyncCompletions

from hanzo_agents import AsyncHanzo
from hanzo_agents._wire.arguments import ChatArguments

API = Path(__file__).parent / "typing" / "api.py"


def test_the_example_of_the_api_names_only_what_exists():
    # Its imports and definitions run; the bodies of its functions do not.
    assert callable(runpy.run_path(str(API))["agents_run"])


def test_chat_takes_the_keywords_of_the_sdk():
    sdk = set(inspect.signature(AsyncCompletions.create).parameters)
    assert set(ChatArguments.__annotations__) | {"self", "messages", "stream"} == sdk


def test_chat_requires_no_keyword_but_the_messages():
    assert not ChatArguments.__required_keys__


def test_create_is_still_a_documented_coroutine_function():
    client = AsyncHanzo("http://127.0.0.1:1/v1", "k")
    for create in (client.chat.completions.create, client.responses.create):
        assert inspect.iscoroutinefunction(create)
        assert inspect.getdoc(create) == "As `openai`'s, sent through the policies."
