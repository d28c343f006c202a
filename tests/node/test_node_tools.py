"""Tool calls in Chat Completions: forced, and decided by the node."""

from __future__ import annotations

import json

import openai
import pytest
from node_tools import BILLING, MULTIPLY, REFUND, WEATHER, chat_tool, function


def ask(text):
    return [{"role": "user", "content": text}]


def call_of(done):
    (choice,) = done.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls
    assert call.id.startswith("call_")
    return call.function.name, json.loads(call.function.arguments)


CALLS = [
    ([MULTIPLY], "What is 15 * 23? Use the multiply tool.", ("multiply", {"a": 15, "b": 23})),
    ([MULTIPLY], "Use the multiply tool to compute 15 times 23.", ("multiply", {"a": 15, "b": 23})),
    ([MULTIPLY], "Please multiply 7 by 8", ("multiply", {"a": 7, "b": 8})),
    ([WEATHER, MULTIPLY], "How much is 12 x 144?", ("multiply", {"a": 12, "b": 144})),
    ([WEATHER, MULTIPLY], "What's the weather in Paris?", ("get_weather", {"city": "Paris"})),
    ([WEATHER], "Will it rain in Berlin tomorrow?", ("get_weather", {"city": "Berlin"})),
    ([REFUND, BILLING], "I want my money back for my order.", ("transfer_to_refund_agent", {})),
    ([REFUND, BILLING], "Where is my invoice?", ("transfer_to_billing", {})),
]

TEXTS = [
    ([MULTIPLY], "Hello!"),
    ([MULTIPLY], "What is the capital of France?"),
    ([MULTIPLY, WEATHER], "Who wrote Hamlet?"),
    ([WEATHER], "Tell me a joke."),
    ([REFUND], "Hello there!"),
]


@pytest.mark.parametrize(("tools", "text", "expected"), CALLS)
def test_auto_calls_when_the_message_asks_for_it(client, model, tools, text, expected):
    done = client.chat.completions.create(
        model=model, messages=ask(text), tools=[chat_tool(each) for each in tools]
    )
    assert call_of(done) == expected
    assert done.usage.prompt_tokens > 0


@pytest.mark.parametrize(("tools", "text"), TEXTS)
def test_auto_talks_when_it_does_not(client, model, tools, text):
    done = client.chat.completions.create(
        model=model, messages=ask(text), tools=[chat_tool(each) for each in tools], max_tokens=24
    )
    assert done.choices[0].message.tool_calls is None
    assert done.choices[0].message.content


@pytest.mark.parametrize("question", ["What is 15 * 23? Use the multiply tool.", "What is 15 times 23?"])
def test_the_result_of_a_tool_is_told(client, model, question):
    messages = ask(question)
    tools = [chat_tool(MULTIPLY)]
    first = client.chat.completions.create(model=model, messages=messages, tools=tools)
    call = first.choices[0].message.tool_calls[0]
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "345"},
    ]
    second = client.chat.completions.create(model=model, messages=messages, tools=tools)
    assert second.choices[0].message.tool_calls is None
    assert "345" in second.choices[0].message.content


def test_none_never_calls(client, model):
    done = client.chat.completions.create(
        model=model, messages=ask(CALLS[0][1]), tools=[chat_tool(MULTIPLY)], tool_choice="none", max_tokens=8
    )
    assert done.choices[0].message.tool_calls is None


def test_required_always_calls_the_fitting_tool(client, model):
    tools = [chat_tool(MULTIPLY), chat_tool(WEATHER)]
    done = client.chat.completions.create(
        model=model, messages=ask("What's the weather in Paris?"), tools=tools, tool_choice="required"
    )
    assert call_of(done) == ("get_weather", {"city": "Paris"})
    done = client.chat.completions.create(model=model, messages=ask("Hello"), tools=tools, tool_choice="required")
    assert call_of(done)[0] in {"multiply", "get_weather"}


def test_a_named_function_is_called_whatever_is_said(client, model):
    done = client.chat.completions.create(
        model=model,
        messages=ask("Hello"),
        tools=[chat_tool(MULTIPLY), chat_tool(REFUND)],
        tool_choice={"type": "function", "function": {"name": "transfer_to_refund_agent"}},
        stop=["{"],
    )
    assert call_of(done) == ("transfer_to_refund_agent", {})


def test_allowed_tools_bound_the_choice(client, model):
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}
    done = client.chat.completions.create(
        model=model,
        messages=ask("What is 15 * 23?"),
        tools=[chat_tool(MULTIPLY), chat_tool(WEATHER)],
        tool_choice={"type": "allowed_tools", "allowed_tools": allowed},
    )
    assert call_of(done)[0] == "get_weather"


def test_a_tool_that_is_not_there_cannot_be_forced(client, model):
    with pytest.raises(openai.BadRequestError, match="multiply"):
        client.chat.completions.create(
            model=model,
            messages=ask("Hi"),
            tools=[chat_tool(MULTIPLY)],
            tool_choice={"type": "function", "function": {"name": "divide"}},
        )


def test_a_forced_call_is_streamed_in_deltas(client, model):
    chunks = [
        chunk.choices[0]
        for chunk in client.chat.completions.create(
            model=model,
            messages=ask(CALLS[0][1]),
            tools=[chat_tool(MULTIPLY)],
            tool_choice="required",
            stream=True,
        )
    ]
    deltas = [chunk.delta.tool_calls[0] for chunk in chunks if chunk.delta.tool_calls]
    assert deltas[0].function.name == "multiply"
    assert deltas[0].id
    assert all(delta.id is None and delta.index == 0 for delta in deltas[1:])
    assert len(deltas) > 3
    assert json.loads("".join(delta.function.arguments for delta in deltas)) == {"a": 15, "b": 23}
    assert chunks[-1].finish_reason == "tool_calls"


def test_a_decided_call_is_streamed(client, model):
    chunks = [
        chunk.choices[0]
        for chunk in client.chat.completions.create(
            model=model, messages=ask(CALLS[0][1]), tools=[chat_tool(MULTIPLY)], stream=True
        )
    ]
    deltas = [chunk.delta.tool_calls[0] for chunk in chunks if chunk.delta.tool_calls]
    assert json.loads("".join(delta.function.arguments or "" for delta in deltas)) == {"a": 15, "b": 23}
    assert chunks[-1].finish_reason == "tool_calls"


def test_arguments_cut_by_max_tokens_end_with_length(client, model):
    done = client.chat.completions.create(
        model=model, messages=ask("Hi"), tools=[chat_tool(MULTIPLY)], tool_choice="required", max_tokens=3
    )
    assert done.choices[0].finish_reason == "length"


def test_ids_are_unique(client, model):
    ids = set()
    for _ in range(3):
        done = client.chat.completions.create(
            model=model, messages=ask("Hi"), tools=[chat_tool(REFUND)], tool_choice="required"
        )
        ids.add(done.choices[0].message.tool_calls[0].id)
    assert len(ids) == 3


def test_nested_schemas_with_references_are_obeyed(client, model):
    point = {
        "type": "object",
        "properties": {"x": {"type": "integer"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    plot = function("plot", "Plot a point.", {"point": {"$ref": "#/$defs/Point"}})
    plot["parameters"]["$defs"] = {"Point": point}
    tools = [chat_tool(plot), chat_tool(MULTIPLY)]
    done = client.chat.completions.create(
        model=model,
        messages=ask("Plot the point with x 5."),
        tools=tools,
        tool_choice={"type": "function", "function": {"name": "plot"}},
    )
    assert call_of(done) == ("plot", {"point": {"x": 5}})


def test_parameters_that_cannot_be_enforced_are_refused(client, model):
    broken = function("broken", "Broken.", {"a": {"$ref": "#/$defs/nowhere"}})
    for choice in ("auto", "required"):
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model=model, messages=ask("Hi"), tools=[chat_tool(broken)], tool_choice=choice
            )
        assert caught.value.param == "tools[0].function.parameters"


def test_another_agents_tools_are_decided_afresh_after_a_handoff(client, model):
    handoff = {"name": "transfer_to_math", "arguments": "{}"}
    messages = [
        *ask("What is 15 * 23?"),
        {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": handoff}]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"assistant": "Math"}'},
    ]
    done = client.chat.completions.create(model=model, messages=messages, tools=[chat_tool(MULTIPLY)])
    assert call_of(done) == ("multiply", {"a": 15, "b": 23})
