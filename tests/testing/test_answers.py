"""What the answers say, read by the plain openai client."""

from dataclasses import replace

import openai
import pytest

from hanzo_agents.testing.fault_server import DIALECTS, Answer, FaultServer, ToolCall, Usage, answers, faults

MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
        yield client


def ask(client):
    return client.chat.completions.create(model="m", messages=MESSAGES)


def listen(client, *, usage=False):
    more = {"stream_options": {"include_usage": True}} if usage else {}
    return list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **more))


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_text(server, client):
    server.script("Hi there")
    answer = ask(client)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hi there", "stop")
    assert (answer.model, answer.usage.total_tokens) == ("m", 17)


def test_text_streamed(server, client):
    server.script(answers.text("Hi there", pieces=4))
    chunks = listen(client)
    assert text_of(chunks) == "Hi there"
    assert len([chunk for chunk in chunks if chunk.choices[0].delta.content]) == 4
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_usage_is_streamed_when_it_is_asked_for(server, client):
    server.script("a", "a", answers.text("a", always_usage=True), answers.text("a", usage=None))
    assert [chunk.usage for chunk in listen(client) if chunk.usage] == []
    assert listen(client, usage=True)[-1].usage.total_tokens == 17
    assert listen(client)[-1].usage.total_tokens == 17
    assert [chunk.usage for chunk in listen(client, usage=True) if chunk.usage] == []


def test_usage_in_detail(server, client):
    server.script(answers.text(usage=Usage(100, 50, cached=80, reasoning=40, cost=0.01)))
    usage = ask(client).usage
    assert (usage.prompt_tokens_details.cached_tokens, usage.completion_tokens_details.reasoning_tokens) == (
        80,
        40,
    )
    assert usage.cost == 0.01


def test_usage_may_lie(server, client):
    server.script(answers.text(usage=Usage(-1, -2)), answers.text(usage=None))
    assert ask(client).usage.prompt_tokens == -1
    assert ask(client).usage is None


def test_reasoning_comes_first(server, client):
    server.script(answers.text("38", reasoning="15 and 23"), answers.text("38", reasoning="15 and 23"))
    assert ask(client).choices[0].message.reasoning_content == "15 and 23"
    deltas = [chunk.choices[0].delta.model_dump(exclude_none=True) for chunk in listen(client)]
    kinds = [next(iter(delta), "") for delta in deltas[1:]]
    assert kinds == ["reasoning_content", "reasoning_content", "content", "content", ""]


def test_refusal(server, client):
    server.script(answers.refusal("No."), answers.refusal("No."))
    assert ask(client).choices[0].message.refusal == "No."
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in listen(client)) == "No."


def test_tool_calls(server, client):
    server.script(
        answers.tool_call("add", {"a": 1}), answers.tool_calls(ToolCall("add"), ToolCall("mul", id="mine"))
    )
    (call,) = ask(client).choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("add", '{"a": 1}')
    first, second = ask(client).choices[0].message.tool_calls
    assert (first.id, second.id) == ("call_2_0", "mine")


def test_tool_calls_streamed(server, client):
    server.script(answers.tool_calls(ToolCall("add", {"a": 1}), ToolCall("mul", {"b": 2})))
    with client.chat.completions.stream(model="m", messages=MESSAGES) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.arguments for call in message.tool_calls] == ['{"a": 1}', '{"b": 2}']


def test_tool_calls_as_upstreams_get_them_wrong(server, client):
    odd = answers.tool_calls(ToolCall("add", "{broken", id=""), ToolCall("add", id="", index=None))
    server.script(odd, odd)
    assert [call.id for call in ask(client).choices[0].message.tool_calls] == ["", ""]
    deltas = [call for chunk in listen(client) for call in chunk.choices[0].delta.tool_calls or ()]
    assert deltas[0].id == ""
    assert "".join(call.function.arguments for call in deltas[:3]) == "{broken"
    assert "index" not in deltas[-1].model_fields_set


def test_tool_calls_broken_off(server, client):
    server.script(faults.tool_call_cut(), faults.tool_call_too_long())
    cut = listen(client)
    assert cut[-1].choices[0].finish_reason is None
    assert cut[-1].choices[0].delta.tool_calls[0].function.arguments == '{"a": 15,'
    assert listen(client)[-1].choices[0].finish_reason == "length"


def test_ids_are_never_reused(server, client):
    server.script(answers.tool_call("add"), repeat=True)
    replies = [ask(client) for _ in range(3)]
    assert len({reply.id for reply in replies}) == 3
    assert len({reply.choices[0].message.tool_calls[0].id for reply in replies}) == 3


def test_headers_of_the_router(server, client):
    headers = answers.router_headers(cost="0.0021", model_group="gpt-4", request_id="req-x")
    server.script(answers.text(headers=headers), "plain")
    raw = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    assert raw.headers["x-litellm-response-cost"] == "0.0021"
    assert raw.headers["x-litellm-model-group"] == "gpt-4"
    assert raw.headers.get_list("x-request-id") == ["req-x"]
    assert ask(client)._request_id == "req-2"


# The client takes a comment after an event that had an id for an empty event, and fails to parse it.
@pytest.mark.parametrize("name", sorted(DIALECTS.keys() - {"everything"}))
def test_dialects(server, client, name):
    server.script(answers.text("Grüße ✓", dialect=DIALECTS[name]))
    assert text_of(listen(client)) == "Grüße ✓"


def test_one_event_of_a_megabyte(server, client):
    server.script(answers.text("x" * 1_000_000, pieces=1))
    assert len(text_of(listen(client))) == 1_000_000


def test_an_answer_can_be_changed(server, client):
    server.script(replace(answers.text("Hi"), model="another", finish_reason="length"))
    answer = ask(client)
    assert (answer.model, answer.choices[0].finish_reason) == ("another", "length")


def test_embeddings_as_numbers_and_packed(server, client):
    server.script(answers.embeddings([1.0, -0.5], [0.25, 2.0]), repeat=True, path="/v1/embeddings")
    packed = client.embeddings.create(model="m", input=["a", "b"])
    plain = client.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
    for reply in (packed, plain):
        assert [entry.embedding for entry in reply.data] == [[1.0, -0.5], [0.25, 2.0]]
    assert plain.usage.prompt_tokens == 12


def test_models(server, client):
    server.script(answers.models("a", "b"), path="/v1/models")
    assert [model.id for model in client.models.list()] == ["a", "b"]


def test_any_json_and_any_events(server, client):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": "raw"}, "finish_reason": "stop"}
    server.script(answers.events([{**chunk, "choices": [choice]}, "[DONE]"]), answers.json({"error": "x"}))
    assert text_of(listen(client)) == "raw"
    assert ask(client).error == "x"


class TestResponses:
    @pytest.fixture
    def full(self):
        return answers.message(text="38", reasoning="15 and 23", tool_calls=[ToolCall("add", {"a": 1})])

    def test_value(self, server, client, full):
        server.script(full, path="/v1/responses")
        answer = client.responses.create(model="m", input="Hi")
        assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
        assert (answer.output_text, answer.status, answer.usage.total_tokens) == ("38", "completed", 17)

    def test_stream(self, server, client, full):
        server.script(full, path="/v1/responses")
        with client.responses.stream(model="m", input="Hi") as stream:
            events = list(stream)
            final = stream.get_final_response()
        assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]
        assert final.output_text == "38"
        assert final.output[2].arguments == '{"a": 1}'
        assert [event.sequence_number for event in events] == sorted(event.sequence_number for event in events)
        assert events[0].type == "response.created"

    def test_refusal(self, server, client):
        server.script(answers.refusal("No."), path="/v1/responses")
        with client.responses.stream(model="m", input="Hi") as stream:
            assert "".join(event.delta for event in stream if event.type == "response.refusal.delta") == "No."

    @pytest.mark.parametrize("stream", [False, True])
    def test_incomplete(self, server, client, stream):
        server.script(answers.text("cut sh", finish_reason="length"), path="/v1/responses")
        if stream:
            *_, last = client.responses.create(model="m", input="Hi", stream=True)
            assert last.type == "response.incomplete"
            answer = last.response
        else:
            answer = client.responses.create(model="m", input="Hi")
        assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")

    def test_a_stream_without_an_end(self, server, client):
        server.script(faults.no_finish_reason(), path="/v1/responses")
        *_, last = client.responses.create(model="m", input="Hi", stream=True)
        assert last.type == "response.output_item.done"

    def test_usage_missing(self, server, client):
        server.script(answers.text(usage=None), path="/v1/responses")
        assert client.responses.create(model="m", input="Hi").usage is None


def test_defaults_are_plain_to_see():
    assert answers.text("hi") == Answer(text="hi")
