"""What advisers and judges are sent, in every dialect: more text, and nothing that only the answerer may have."""

import pytest
from agents import AgentOutputSchema, ModelSettings, ModelTracing, function_tool
from pydantic import BaseModel

from hanzo_agents._agents.view import ModelView
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.responses import RESPONSES


class Answer(BaseModel):
    n: int


@function_tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
CALLS = [
    {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
    {"id": "2", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}},
]
CHAT_LOOP = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "1 + 2?"},
    {"role": "assistant", "content": "Let me see.", "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "1", "content": "3"},
    {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "4"}]},
]
ITEMS = [
    {"role": "user", "content": "1 + 2?"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "Let me see."}]},
    {"type": "function_call", "call_id": "1", "name": "add", "arguments": '{"a": 1}'},
    {"type": "function_call", "call_id": "2", "name": "add", "arguments": '{"a": 2}'},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {"type": "function_call_output", "call_id": "1", "output": "3"},
    {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "4"}]},
]  # fmt: skip
FORM = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}


def chat(messages=None, **more):
    return CHAT.view({"model": "m", "messages": messages or CHAT_LOOP, **more})


def responses(given=None, **more):
    return RESPONSES.view({"model": "m", "instructions": "Be brief.", "input": given or ITEMS, **more})


def model(given=None, **fields):
    settings = fields.pop("settings", ModelSettings())
    return ModelView(
        "Be brief.", given or ITEMS, settings, [add], AgentOutputSchema(Answer), [], ModelTracing.DISABLED
    )


def test_chat_calls_are_put_into_words():
    body = chat().advised(part="advises").body
    assert body["messages"] == [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "1 + 2?"},
        {
            "role": "assistant",
            "content": 'Let me see.\n\n[called add({"a": 1})]\n\n[called add({"a": 2})]',
        },
        {"role": "user", "content": "[add returned] 3\n\n[add returned] 4"},
    ]


@pytest.mark.parametrize("view", [responses(), model()], ids=["responses", "model"])
def test_items_are_put_into_words_and_what_one_provider_knows_left_out(view):
    advised = view.advised(part="advises")
    given = advised.body["input"] if hasattr(advised, "body") else advised.input
    assert given == [
        ITEMS[0],
        ITEMS[2],
        {"role": "assistant", "content": '[called add({"a": 1})]\n\n[called add({"a": 2})]'},
        {"role": "user", "content": "[add returned] 3\n\n[add returned] 4"},
    ]


@pytest.mark.parametrize("view", [chat(), responses(), model()], ids=["chat", "responses", "model"])
def test_a_conversation_that_ends_with_results_is_a_tool_loop(view):
    assert view.in_tool_loop
    assert not view.advised(message="More.").in_tool_loop


@pytest.mark.parametrize(
    "view", [chat([{"role": "user", "content": "Hello!"}]), responses("Hello!"), model("Hello!")]
)
def test_a_question_is_none(view):
    assert not view.in_tool_loop


SETTINGS = {
    "tools": [{"type": "function", "function": {"name": "add", "description": "Add."}}], "tool_choice": "required",
    "parallel_tool_calls": False, "response_format": FORM, "n": 2, "logprobs": True, "top_logprobs": 2,
    "web_search_options": {}, "max_tokens": 5, "temperature": 0.5, "stop": ["x"], "seed": 7, "user": "u",
}  # fmt: skip


def test_what_is_attached_to_a_chat_request_goes_by_the_part():
    view = chat(**SETTINGS)
    assert view.offered == ["add: Add."]
    assert set(view.advised(part="answers", message="x").body) == {"model", "messages", *SETTINGS}
    advised = view.advised(part="advises")
    assert set(advised.body) == {"model", "messages", "max_tokens", "temperature", "stop", "seed", "user"}
    assert advised.needs == frozenset()
    assert set(view.advised(part="judges").body) == {"model", "messages", "seed", "user"}


@pytest.mark.parametrize("form", ["guided_json", "guided_choice", "structured_outputs", "grammar", "format"])
def test_the_form_that_local_servers_are_given_binds_only_the_answer(form):
    view = chat(**{form: {"type": "object"}, "min_tokens": 500})
    assert form in view.advised(part="answers").body
    assert form not in view.advised(part="advises").body
    assert set(view.advised(part="judges").body) == {"model", "messages"}


def test_to_a_responses_request():
    settings = {
        "tools": [{"type": "web_search"}, {"type": "function", "name": "add", "description": "Add."}],
        "max_tool_calls": 3, "text": {"format": {"type": "json_schema"}, "verbosity": "low"}, "max_output_tokens": 5,
        "temperature": 0.5, "include": ["x"], "store": True,
    }  # fmt: skip
    view = responses(**settings)
    assert view.offered == ["web_search", "add: Add."]
    advised = view.advised(part="advises").body
    assert set(advised) == {"model", "instructions", "input", "text", "max_output_tokens", "temperature", "store"}
    assert advised["text"] == {"verbosity": "low"}
    judged = view.advised(part="judges").body
    assert set(judged) == {"model", "instructions", "input", "store"}
    assert view.advised(message="x").body["store"] is True
    assert advised["store"] is judged["store"] is False


def test_and_to_a_models_call():
    settings = ModelSettings(
        tool_choice="required", parallel_tool_calls=False, max_tokens=5, temperature=0.5, metadata={"a": "b"}, store=True,
        extra_body={"response_format": FORM, "user": "u"}, extra_args={"n": 3}, response_include=["reasoning.encrypted_content"],
    )  # fmt: skip
    view = model(settings=settings)
    assert view.offered == ["add: Add."]
    advised = view.advised(part="advises")
    assert (advised.tools, advised.handoffs, advised.output_schema) == ([], [], None)
    kept = advised.model_settings
    assert (kept.tool_choice, kept.parallel_tool_calls, kept.response_include) == (None, None, None)
    assert (kept.max_tokens, kept.temperature, kept.metadata, kept.store) == (5, 0.5, {"a": "b"}, False)
    assert (kept.extra_body, kept.extra_args) == ({"user": "u"}, None)
    judged = view.advised(part="judges").model_settings
    assert (judged.max_tokens, judged.temperature, judged.metadata) == (None, None, {"a": "b"})
    assert view.advised(instructions="More.").model_settings is settings


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([{"role": "user", "content": "Hi"}], [{"role": "user", "content": "Hi\n\nMore."}]),
        (
            [{"role": "user", "content": [IMAGE]}],
            [{"role": "user", "content": [IMAGE, {"type": "text", "text": "More."}]}],
        ),
        (
            [{"role": "assistant", "content": "Hi"}],
            [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "More."}],
        ),
        (CHAT_LOOP, [*CHAT_LOOP, {"role": "user", "content": "More."}]),
    ],
)
def test_a_message_goes_to_the_end_of_what_the_user_said(before, after):
    view = chat(before)
    assert view.advised(message="More.").body["messages"] == after
    assert view.body["messages"] == before, "a view is never changed in place"


def test_in_responses_too():
    assert responses("Hi").advised(message="More.").body["input"] == [{"role": "user", "content": "Hi\n\nMore."}]
    seen = [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]
    (message,) = responses(seen).advised(message="More.").body["input"]
    assert message["content"][-1] == {"type": "input_text", "text": "More."}
    assert model(ITEMS).advised(message="More.").input == [*ITEMS, {"role": "user", "content": "More."}]


@pytest.mark.parametrize(
    ("before", "system"),
    [
        ([{"role": "system", "content": "Old."}], "Old.\n\nNew."),
        ([{"role": "developer", "content": "Old."}], "Old.\n\nNew."),
        ([{"role": "user", "content": "Hi"}], "New."),
    ],
)
def test_instructions_join_those_there_are(before, system):
    messages = chat(before).advised(instructions="New.").body["messages"]
    assert messages[0]["content"] == system
    assert responses("Hi").advised(instructions="New.").body["instructions"] == "Be brief.\n\nNew."
    assert model("Hi").advised(instructions="New.").system_instructions == "Be brief.\n\nNew."
    assert model("Hi").advised(instructions="New.").input == "Hi"
    bare = RESPONSES.view({"input": "Hi"}).advised(instructions="New.").body
    assert bare == {"input": "Hi", "instructions": "New."}


def test_calls_of_the_old_kind_are_understood():
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
    ]
    view = chat(messages, functions=[{"name": "f", "description": "F."}])
    assert view.offered == ["f: F."]
    assert view.in_tool_loop
    assert view.advised(part="advises").body["messages"][1:] == [
        {"role": "assistant", "content": "[called f({})]"},
        {"role": "user", "content": "[f returned] 1"},
    ]
