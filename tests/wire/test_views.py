"""What policies may know of a request, whichever dialect it is in, and how it is changed for another target."""

import json
from decimal import Decimal
from types import SimpleNamespace

import pytest
from agents import AgentOutputSchema, ModelSettings, ModelTracing, function_tool
from openai.types import CompletionUsage
from pydantic import BaseModel

from hanzo_agents import Attempt, Usage
from hanzo_agents._agents.view import ModelView
from hanzo_agents._wire.compose import ENCODER
from hanzo_agents._wire.dialects.chat import CHAT, takes_reasoning_settings
from hanzo_agents._wire.dialects.embeddings import EMBEDDINGS
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents._wire.facts import estimate_tokens, note_headers, note_usage, usage_of


class Answer(BaseModel):
    n: int


@function_tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def model_view(given="x", *, tools=(), schema=None, **more):
    settings = more.pop("settings", ModelSettings())
    fields = {"previous_response_id": None, "conversation_id": None, "prompt": None, **more}
    return ModelView("Be brief.", given, settings, list(tools), schema, [], ModelTracing.DISABLED, **fields)


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}
VIEWS = {
    "chat": CHAT.view(
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE, SOUND]},
            ],
            "tools": [{"type": "function", "function": {"name": "add"}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "a"}},
            "max_tokens": 9,
        }
    ),
    "responses": RESPONSES.view(
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": "data:,"},
                        {"type": "input_audio", "input_audio": {}},
                    ],
                }
            ],
            "tools": [{"type": "function", "name": "add"}],
            "text": {"format": {"type": "json_schema", "name": "a"}},
            "max_output_tokens": 9,
        }
    ),
    "model": model_view(
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": "data:,"},
                    {"type": "input_audio", "input_audio": {}},
                ],
            }
        ],
        tools=[add],
        schema=AgentOutputSchema(Answer),
        settings=ModelSettings(max_tokens=9),
    ),
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_every_dialect_tells_the_same(view):
    assert view.operation in VIEWS
    assert "What is this?" in view.text
    assert "Be brief." in view.text
    assert view.needs == {"tools", "json_schema", "vision", "audio"}
    assert view.max_output == 9
    assert view.messages[-1]["role"] == "user"
    assert view.stateful is False
    assert view.with_max_output(5).max_output == 5
    assert view.max_output == 9, "a view is never changed in place"


PLAIN = {
    "chat": CHAT.view({"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}),
    "responses": RESPONSES.view({"model": "m", "input": "Hello!"}),
    "model": model_view("Hello!"),
}


@pytest.mark.parametrize("view", PLAIN.values(), ids=PLAIN)
def test_a_plain_request_needs_nothing(view):
    assert view.needs == frozenset()
    assert view.max_output is None
    assert view.messages[-1] == {"role": "user", "content": "Hello!"}
    assert view.with_max_output(7).max_output == 7
    assert view.tool_call_ids() == set()
    assert "Hello!" in view.text


def test_embeddings_need_nothing_and_say_nothing():
    view = EMBEDDINGS.view({"model": "e", "input": ["a", "b"]})
    assert (view.text, view.needs, view.max_output, view.stateful, tuple(view.messages)) == (
        "a\nb",
        frozenset(),
        0,
        False,
        (),
    )
    assert view.with_model("f").model == "f"
    assert view.with_model(None).model == "e"
    assert view.with_max_output(5) is view
    assert EMBEDDINGS.view({"input": "a"}).text == "a"
    assert EMBEDDINGS.view({"input": [1, 2]}).text == ""


def test_tool_calls_count_as_text_and_their_ids_are_known():
    chat = CHAT.view(
        {
            "messages": [
                {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": "{}"}}]}
            ]
        }
    )
    item = {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'}
    for view in (chat, RESPONSES.view({"input": [item]}), model_view([item])):
        assert view.tool_call_ids() == {"c1"}
    assert "add" in chat.text
    assert '{"a": 1}' in RESPONSES.view({"input": [item]}).text
    assert '{"a": 1}' in model_view([item]).text


@pytest.mark.parametrize(
    ("view", "stateful"),
    [
        (RESPONSES.view({"previous_response_id": "r"}), True),
        (RESPONSES.view({"conversation": "c"}), True),
        (RESPONSES.view({"prompt": {"id": "p"}}), True),
        (RESPONSES.view({"background": True}), True),
        (RESPONSES.view({"background": False, "previous_response_id": None}), False),
        (model_view(previous_response_id="r"), True),
        (model_view(conversation_id="c"), True),
        (model_view(prompt={"id": "p"}), True),
        (model_view(), False),
    ],
)
def test_state_at_one_provider_is_seen(view, stateful):
    assert view.stateful is stateful


def test_another_model_gets_no_settings_that_it_does_not_take():
    chat = CHAT.view(
        {"model": "gpt-5", "messages": [], "reasoning_effort": "low", "verbosity": "low", "temperature": 1}
    )
    assert dict(chat.with_model("llama").body) == {"model": "llama", "messages": [], "temperature": 1}
    assert chat.with_model("o3").body["reasoning_effort"] == "low"
    responses = RESPONSES.view({"model": "gpt-5", "input": "x", "reasoning": {"effort": "low"}})
    assert "reasoning" not in responses.with_model("llama").body
    assert responses.with_model("openai/gpt-5-mini").body["reasoning"] == {"effort": "low"}


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gpt-5", True),
        ("openai/gpt-5.2", True),
        ("o1", True),
        ("azure/o3-mini", True),
        ("gpt-4o", False),
        ("llama-3", False),
        ("foo1", False),
    ],
)
def test_which_models_take_reasoning_settings(model, takes):
    assert takes_reasoning_settings(model) is takes


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("\u4f60", 1), ("\ud800", 1)]
)
def test_tokens_are_estimated_by_bytes(text, tokens):
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (None, None),
        (CompletionUsage(prompt_tokens=1, completion_tokens=2, total_tokens=3), Usage(1, 2)),
        (SimpleNamespace(input_tokens=1, output_tokens=2), Usage(1, 2)),
        (SimpleNamespace(prompt_tokens=1), Usage(1, 0)),
        (SimpleNamespace(prompt_tokens=-1, completion_tokens=2), None),
        (SimpleNamespace(prompt_tokens="many", completion_tokens=2), None),
        (SimpleNamespace(prompt_tokens=True, completion_tokens=2), None),
        (SimpleNamespace(prompt_tokens=float("nan"), completion_tokens=2), None),
        (
            SimpleNamespace(
                prompt_tokens=9, completion_tokens=8, prompt_tokens_details=SimpleNamespace(cached_tokens=3),
                completion_tokens_details=SimpleNamespace(reasoning_tokens=4),
            ),
            Usage(9, 8, "reported", 3, 4),
        ),
    ],
)  # fmt: skip
def test_usage_that_makes_no_sense_is_none(raw, usage):
    assert usage_of(raw) == usage


def test_a_price_in_the_usage_counts_when_no_header_said_one():
    attempt = Attempt(1, "m", 0.0)
    note_usage(attempt, Usage(1, 2), SimpleNamespace(cost=0.5))
    assert attempt.cost.amount == Decimal("0.5")
    note_usage(attempt, Usage(1, 2), SimpleNamespace(cost=9))
    assert attempt.cost.amount == Decimal("0.5")


def test_the_routers_own_id_stands_in_for_a_missing_request_id():
    attempt = Attempt(1, "m", 0.0)
    note_headers(attempt, {"x-litellm-call-id": "call-7"})
    assert attempt.request_id == "call-7"


@pytest.mark.parametrize("price", [True, None, "Infinity", "-0.1"])
def test_a_price_that_is_none_is_no_price(price):
    attempt = Attempt(1, "m", 0.0)
    note_usage(attempt, Usage(1, 2), SimpleNamespace(cost=price))
    assert attempt.cost.amount is None


def test_what_a_model_is_told_counts_as_text_tools_and_schemas_too():
    schema = {"type": "object", "properties": {"city_of_the_answer": {"type": "string"}}}
    answer = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    chat = CHAT.view({"model": "m", "messages": [], "response_format": answer})
    responses = RESPONSES.view({"model": "m", "input": [], "text": {"format": {**answer, "schema": schema}}})
    assert "city_of_the_answer" in chat.text
    assert "city_of_the_answer" in responses.text


def test_how_many_answers_and_which_tokens_are_asked_for():
    assert CHAT.view({"messages": [], "n": 3}).choices == 3
    assert [CHAT.view({"messages": [], "n": n}).choices for n in (None, 0, -1, "many", True)] == [1] * 5
    assert [CHAT.view({"messages": [], "n": n}).choices for n in ("50", 50.0)] == [50, 50], "read so by servers"
    assert RESPONSES.view({"input": "x"}).choices == 1
    assert EMBEDDINGS.view({"input": [1, 2, 3]}).given_tokens == 3
    assert EMBEDDINGS.view({"input": [[1, 2, 3], [4]]}).given_tokens == 4
    assert EMBEDDINGS.view({"input": ["a", "b"]}).given_tokens == 0


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        (CHAT, {"model": "m", "messages": [{"role": "user", "content": "é"}]}),
        (CHAT, {"model": "m", "messages": [], "max_tokens": 9}),
        (CHAT, {"model": "m", "messages": [], "max_completion_tokens": None}),
        (RESPONSES, {"model": "m", "input": "x"}),
    ],
)
def test_a_limit_is_put_into_the_bytes_that_are_there(dialect, body):
    content = ENCODER.encode(body).encode()
    limited = dialect.view(body, content).with_max_output(5)
    assert limited.content is None or json.loads(limited.content) == limited.body
    assert (limited.content is None) == ("max_tokens" in body or "max_completion_tokens" in body)
    assert dialect.view(body).with_max_output(5).content is None
