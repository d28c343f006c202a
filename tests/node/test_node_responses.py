"""POST /v1/responses."""

from __future__ import annotations

import json

from node_tools import MULTIPLY, REFUND, response_tool

QUESTION = "What is 15 * 23? Use the multiply tool."
MESSAGE_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]
CALL_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
]


def kinds(events):
    """The types of the events in order, a run of equal ones once."""
    found = []
    for event in events:
        if not found or found[-1] != event.type:
            found.append(event.type)
    return found


def test_answers_text(client, model):
    done = client.responses.create(model=model, input="What is 2+2?", metadata={"a": "b"})
    assert "4" in done.output_text
    assert done.status == "completed"
    assert done.metadata == {"a": "b"}
    assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens > 0


def test_instructions_and_items_are_read(client, model):
    done = client.responses.create(
        model=model,
        instructions="You are a helpful assistant.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "What is the capital of France?"}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
        ],
    )
    assert "Paris" in done.output_text


def test_the_event_sequence_of_a_text(client, model):
    events = list(client.responses.create(model=model, input="What is 2+2?", stream=True))
    assert kinds(events) == MESSAGE_EVENTS
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text
    assert "4" in text
    assert events[0].response.output == []


def test_the_event_sequence_of_a_call_and_its_result(client, model):
    tools = [response_tool(MULTIPLY)]
    events = list(client.responses.create(model=model, input=QUESTION, tools=tools, stream=True))
    assert kinds(events) == CALL_EVENTS
    (call,) = events[-1].response.output
    assert (call.name, json.loads(call.arguments)) == ("multiply", {"a": 15, "b": 23})
    done = client.responses.create(
        model=model,
        tools=tools,
        input=[
            {"role": "user", "content": QUESTION},
            call.model_dump(),
            {"type": "function_call_output", "call_id": call.call_id, "output": "345"},
        ],
    )
    assert "345" in done.output_text


def test_a_forced_call_streams_its_arguments(client, model):
    events = list(
        client.responses.create(
            model=model,
            input=QUESTION,
            tools=[response_tool(MULTIPLY), response_tool(REFUND)],
            tool_choice={"type": "function", "name": "multiply"},
            stream=True,
        )
    )
    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(deltas) > 3
    assert "".join(deltas) == events[-1].response.output[0].arguments


def test_an_answer_that_is_cut_is_incomplete(client, model):
    events = list(client.responses.create(model=model, input="Tell me a story.", max_output_tokens=3, stream=True))
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "max_output_tokens"


def test_a_json_schema_is_obeyed(client, model):
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "integer"}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    done = client.responses.create(
        model=model,
        input="What is 2+2?",
        text={"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}},
    )
    assert isinstance(json.loads(done.output_text)["answer"], int)
