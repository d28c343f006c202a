"""The seams of `openai.OpenAI` that the synchronous client stands on."""

import inspect

import httpx2
import pytest
from openai import OpenAI, Stream
from openai.resources import Embeddings
from openai.resources.chat import Chat
from openai.resources.chat.completions import Completions
from openai.resources.responses import Responses
from openai.types import Model


def client():
    return OpenAI(api_key="k", base_url="https://router.test/v1")


def test_every_resource_passes_one_funnel():
    signature = inspect.signature(OpenAI.request)
    assert list(signature.parameters) == ["self", "cast_to", "options", "stream", "stream_cls"]
    seen = []

    class Watched(OpenAI):
        def request(self, cast_to, options, *, stream=False, stream_cls=None):
            seen.append((options.method, options.url))
            raise RuntimeError

    watched = Watched(api_key="k", base_url="https://router.test/v1")
    for ask in (
        lambda: watched.chat.completions.create(model="m", messages=[]),
        lambda: watched.responses.create(model="m", input="x"),
        lambda: watched.embeddings.create(model="m", input="x"),
        watched.models.list,
        lambda: watched.files.create(file=b"x", purpose="user_data"),
    ):
        with pytest.raises(RuntimeError):
            ask()
    assert seen == [
        ("post", "/chat/completions"), ("post", "/responses"), ("post", "/embeddings"), ("get", "/models"), ("post", "/files"),
    ]  # fmt: skip


def test_a_response_is_made_into_what_was_asked_for_by_one_method():
    """`_process_response`, in the caller's thread, for requests beside the three that policies know."""
    parameters = inspect.signature(OpenAI._process_response).parameters
    assert {"cast_to", "options", "response", "stream", "stream_cls"} <= set(parameters)
    from openai._models import FinalRequestOptions

    reply = httpx2.Response(
        200,
        json={"id": "m", "object": "model", "created": 1, "owned_by": "x"},
        request=httpx2.Request("GET", "https://router.test/v1/models/m"),
    )
    options = FinalRequestOptions(method="get", url="/models/m")
    made = client()._process_response(
        cast_to=Model, options=options, response=reply, stream=False, stream_cls=None
    )
    assert made.id == "m"


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (OpenAI, ["request", "copy", "with_options", "user_agent", "chat", "responses", "embeddings", "realtime", "close", "is_closed"]),
        (Stream, ["__next__", "__iter__", "close", "__enter__", "__exit__"]),
        (Chat, ["completions"]),
        (Completions, ["create", "parse", "stream"]),
        (Responses, ["create", "parse", "stream", "connect"]),
        (Embeddings, ["create"]),
    ],
)  # fmt: skip
def test_every_method_that_we_override_is_there_to_be_overridden(owner, names):
    assert [name for name in names if not hasattr(owner, name)] == []


@pytest.mark.parametrize(
    "name",
    ["api_key", "admin_api_key", "organization", "project", "webhook_secret", "timeout", "max_retries", "_base_url", "_custom_headers", "_custom_query"],
)  # fmt: skip
def test_the_attributes_that_both_clients_share_are_attributes(name):
    assert name in vars(client())


def test_a_response_that_has_been_read_says_so():
    read = httpx2.Response(200, content=b"x")
    assert read._content == b"x"
    assert not hasattr(httpx2.Response(200, stream=httpx2.ByteStream(b"x")), "_content")
