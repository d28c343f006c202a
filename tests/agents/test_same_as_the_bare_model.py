"""With no policies and no faults a run through HanzoModelProvider is the run of the bare SDK model.

Same events, items, output, usage and spans; value and stream; Chat Completions and Responses. The one exception is
asked for by the design: streams are asked for their usage, so both sides ask here.
"""

import copy
import json

import pytest
from agents import (
    Agent,
    ModelProvider,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from pydantic import BaseModel
from recorded_spans import recorded_spans
from upstream import (
    KEY,
    URL,
    Upstream,
    call_chunks,
    call_item,
    chunk,
    completion,
    message_item,
    response,
    response_events,
    sse,
    text_chunks,
)


class Weather(BaseModel):
    city: str
    degrees: int


@function_tool
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def specialist():
    return Agent(name="Specialist", model="m", handoff_description="knows", instructions="Know.")


PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        ],
    }
]
REASONING_ITEM = {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}


def reasoned():
    body = completion("345")
    body["choices"][0]["message"]["reasoning_content"] = "Hm."
    return body


# agent, input, then for each API the replies as values and as streams
SCENARIOS = {
    "text": (
        lambda: Agent(name="A", model="m", instructions="Be brief."), "Hello!",
        [completion("Hi.")], [text_chunks("H", "i.")],
        [response(text="Hi.")], [response_events(text="Hi.")],
    ),
    "tools": (
        lambda: Agent(name="A", model="m", tools=[multiply]), "15 * 23?",
        [completion(None, calls=[("c1", "multiply", '{"a": 15, "b": 23}')]), completion("345")],
        [call_chunks("c1", "multiply", '{"a": 15,', ' "b": 23}'), text_chunks("3", "45")],
        [response(call_item("c1", "multiply", '{"a": 15, "b": 23}')), response(text="345")],
        [response_events(call_item("c1", "multiply", '{"a": 15, "b": 23}')), response_events(text="345")],
    ),
    "two tools at once": (
        lambda: Agent(name="A", model="m", tools=[multiply]), "15 * 23? 2 * 2?",
        [completion(None, calls=[("c1", "multiply", '{"a": 15, "b": 23}'), ("c2", "multiply", '{"a": 2, "b": 2}')]),
         completion("345, 4")],
        [[*call_chunks("c1", "multiply", '{"a": 15, "b": 23}', usage=None)[:-1],
          chunk({"tool_calls": [{"index": 1, "id": "c2", "type": "function",
                                 "function": {"name": "multiply", "arguments": '{"a": 2, "b": 2}'}}]}),
          chunk(finish="tool_calls"), chunk(choices=[], usage=(3, 2))], text_chunks("345, 4")],
        [response(call_item("c1", "multiply", '{"a": 15, "b": 23}'),
                  call_item("c2", "multiply", '{"a": 2, "b": 2}', "fc_2")), response(text="345, 4")],
        [response_events(call_item("c1", "multiply", '{"a": 15, "b": 23}'),
                         call_item("c2", "multiply", '{"a": 2, "b": 2}', "fc_2")), response_events(text="345, 4")],
    ),
    "handoff": (
        lambda: Agent(name="A", model="m", handoffs=[specialist()]), "Who knows?",
        [completion(None, calls=[("c1", "transfer_to_specialist", "{}")]), completion("I.")],
        [call_chunks("c1", "transfer_to_specialist", "{}"), text_chunks("I.")],
        [response(call_item("c1", "transfer_to_specialist", "{}")), response(text="I.")],
        [response_events(call_item("c1", "transfer_to_specialist", "{}")), response_events(text="I.")],
    ),
    "structured output": (
        lambda: Agent(name="A", model="m", output_type=Weather), "Weather?",
        [completion('{"city": "Paris", "degrees": 20}')], [text_chunks('{"city": "Paris",', ' "degrees": 20}')],
        [response(text='{"city": "Paris", "degrees": 20}')], [response_events(text='{"city": "Paris", "degrees": 20}')],
    ),
    "image": (
        lambda: Agent(name="A", model="m"), PICTURE,
        [completion("A dot.")], [text_chunks("A dot.")],
        [response(text="A dot.")], [response_events(text="A dot.")],
    ),
    "reasoning": (
        lambda: Agent(name="A", model="m", model_settings=ModelSettings(max_tokens=100)), "15 * 23?",
        [reasoned()],
        [[chunk({"role": "assistant", "reasoning_content": "H"}), chunk({"reasoning_content": "m."}),
          *text_chunks("345")[1:]]],
        [response(REASONING_ITEM, message_item("345"))], [response_events(REASONING_ITEM, message_item("345"))],
    ),
    "settings": (
        lambda: Agent(name="A", model="m", model_settings=ModelSettings(
            temperature=0.5, top_p=0.9, max_tokens=50, parallel_tool_calls=False, metadata={"a": "b"}, store=False,
            extra_headers={"X-A": "a"}, extra_query={"q": "1"}, extra_body={"own": 1}, extra_args={"user": "u"})), "Hello!",
        [completion("Hi.")], [text_chunks("Hi.")],
        [response(text="Hi.")], [response_events(text="Hi.")],
    ),
}  # fmt: skip


class Bare(ModelProvider):
    def __init__(self, api, upstream):
        client = AsyncOpenAI(base_url=URL, api_key=KEY, http_client=upstream.http, max_retries=0)
        kind = OpenAIChatCompletionsModel if api == "chat" else OpenAIResponsesModel
        self.model = kind("m", client)

    def get_model(self, model_name):
        return self.model


def provider_of(kind, api, upstream):
    return Bare(api, upstream) if kind == "bare" else upstream.provider(api=api, policies=[])


def without_ids(value):
    """JSON without what is minted anew on every run."""
    if isinstance(value, dict):
        return {
            key: "?" if key in {"id", "item_id", "created_at", "sequence_number_"} else without_ids(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [without_ids(inner) for inner in value]
    return value


async def run(kind, scenario, api, *, stream):
    agent, given, chat_values, chat_streams, values, streams = SCENARIOS[scenario]
    if stream:
        replies = [sse(*events, done=api == "chat") for events in (chat_streams if api == "chat" else streams)]
    else:
        replies = chat_values if api == "chat" else values
    upstream = Upstream(*replies)
    agent = agent()
    if stream:
        asks = agent.model_settings.resolve(ModelSettings(include_usage=True))
        agent = agent.clone(model_settings=asks, handoffs=[h.clone(model_settings=asks) for h in agent.handoffs])
    config = RunConfig(model_provider=provider_of(kind, api, upstream))
    seen = []
    with recorded_spans() as spans:
        if stream:
            result = Runner.run_streamed(agent, copy.deepcopy(given), run_config=config)
            async for event in result.stream_events():
                if event.type == "raw_response_event":
                    seen.append(
                        (
                            type(event.data).__name__.removeprefix("Hanzo"),
                            without_ids(event.data.model_dump(warnings=False)),
                        )
                    )
                else:
                    seen.append((event.type, getattr(event, "name", None)))
        else:
            result = await Runner.run(agent, copy.deepcopy(given), run_config=config)
    return {
        "output": result.final_output,
        "last agent": result.last_agent.name,
        "items": [item.type for item in result.new_items],
        "history": without_ids(result.to_input_list()),
        "usage": result.context_wrapper.usage,
        "requests": [r.usage for r in result.raw_responses],
        "request ids": [r.request_id for r in result.raw_responses],
        "events": seen,
        "spans": without_ids([list(span) for span in spans.shape()]),
        "open spans": spans.started - len(spans.spans),
        "sent": [
            (str(r.url), r.content if not stream else sorted(json.loads(r.content).items(), key=str))
            for r in upstream.requests
        ],
    }


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_run_is_the_same(scenario, api, stream):
    bare = await run("bare", scenario, api, stream=stream)
    ours = await run("ours", scenario, api, stream=stream)
    for what, expected in bare.items():
        assert ours[what] == expected, what
    assert bare["output"], "the scenario must come to something"
    assert bare["open spans"] == 0


async def test_a_stream_that_was_not_asked_for_usage_reports_it_nevertheless():
    """Host trap 3: on a router the bare model reports zero tokens for every stream."""

    async def tokens(kind):
        upstream = Upstream(sse(*text_chunks("Hi.", usage=(30, 12))))
        result = Runner.run_streamed(
            Agent(name="A", model="m"),
            "Hello!",
            run_config=RunConfig(model_provider=provider_of(kind, "chat", upstream)),
        )
        async for _ in result.stream_events():
            pass
        asked = upstream.bodies[0].get("stream_options")
        return asked, result.context_wrapper.usage.total_tokens

    assert await tokens("bare") == (None, 42)  # this upstream sends it unasked; real ones do not
    assert await tokens("ours") == ({"include_usage": True}, 42)
