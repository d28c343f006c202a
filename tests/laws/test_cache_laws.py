"""What holds of the cache whatever is asked and answered."""

import asyncio
import json
import unicodedata
from dataclasses import fields

import pytest
from agents import FunctionTool, ModelSettings, ModelTracing, handoff
from agents.agent import Agent
from agents.agent_output import AgentOutputSchema
from agents.model_settings import MCPToolChoice
from agents.retry import ModelRetrySettings
from agents.testing import ScriptedModel
from calls import make_call
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response
from openai.types.shared import Reasoning
from pydantic import BaseModel
from upstream import HELLO, Upstream, completion, response

from hanzo_agents import Cache, Stack, Target
from hanzo_agents._agents.codec import ModelCodec
from hanzo_agents._agents.spelling import HANDOFF_LEFT_OUT, SETTINGS_LEFT_OUT, TOOL_LEFT_OUT
from hanzo_agents._agents.view import ModelView
from hanzo_agents._kernel.canonical import joined, without_call_ids
from hanzo_agents._wire.dialects.chat_replay import ChatAssembly, chat_chunks
from hanzo_agents._wire.dialects.responses_replay import response_events
from hanzo_agents._wire.dialects.responses_stream import ResponseEvents, event_class
from hanzo_agents._wire.keeping.asked import LEFT_OUT, LEFT_OUT_HEADERS, asked_of
from hanzo_agents.stores.entries.flights import ALONE, Flights, Lead
from hanzo_agents.testing.clock import FakeClock

text = st.text(max_size=20)
leaf = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | text
plain = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
messages = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": text}, optional={"name": text}),
    max_size=3,
)
bodies = st.fixed_dictionaries(
    {"model": text, "messages": messages},
    optional={
        "seed": st.integers(0, 9),
        "stop": text | st.lists(text, max_size=2),
        "tools": st.lists(plain, max_size=2),
        "response_format": plain,
        "x_of_a_provider": plain,
    },
)


def asked(body, *, headers=(), query=None, scope=b"here", path="/chat/completions"):
    question = asked_of(scope, path, body, headers, query)
    assert question.obstacle is None
    return question.asked


def shuffled(value, random):
    if isinstance(value, dict):
        items = list(value.items())
        random.shuffle(items)
        return {name: shuffled(inner, random) for name, inner in items}
    if isinstance(value, list):
        return [shuffled(inner, random) for inner in value]
    return value


def spelled(value):
    """As JSON, in one order: 1, 1.0 and true are three different things there."""
    return json.dumps(value, sort_keys=True)


@given(bodies, st.randoms())
def test_the_order_of_fields_does_not_matter(body, random):
    assert asked(body) == asked(shuffled(body, random))


@given(bodies, bodies)
def test_different_requests_are_different_questions(one, other):
    assert (asked(one) == asked(other)) == (spelled(one) == spelled(other))


@given(bodies, st.sampled_from(["model", "messages", "seed", "stop", "tools", "response_format", "new"]), plain)
def test_whatever_is_changed_counts(body, name, value):
    changed = {**body, name: value}
    assume(spelled(changed) != spelled(body))
    assert asked(changed) != asked(body)


@given(bodies, st.dictionaries(st.sampled_from(sorted(LEFT_OUT)), text, max_size=4))
def test_what_is_left_out_does_not(body, more):
    assert asked({**body, **more}) == asked(body)


@given(bodies, st.sampled_from(sorted(LEFT_OUT_HEADERS)), st.text("abc", max_size=5))
def test_nor_the_headers_that_are_left_out(body, name, value):
    assert asked(body, headers=[(name.title(), value), ("X-Stainless-Anything", value)]) == asked(body)


@given(st.lists(st.tuples(st.sampled_from(["x-a", "x-b", "X-A"]), st.text("ab", max_size=3)), max_size=3))
def test_every_other_header_counts(headers):
    lowered = sorted((name.lower(), value) for name, value in headers)
    assert (asked({}, headers=headers) == asked({})) == (not lowered)
    assert asked({}, headers=headers) == asked({}, headers=lowered)


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_parts_do_not_run_into_each_other(one, other):
    assert (joined(one) == joined(other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a|b", "a\0b"),
        ("a\n", "a"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
        ("1:a", "1:a1:a"),
        ("\ud800", "?"),
        ("x" * 10_000_000, "x" * 9_999_999),
        ("../a", "a"),
        ("None", None),
    ],
    ids=["separators", "newline", "normal forms", "lengths", "surrogates", "huge", "path", "none"],
)
def test_tenants_are_kept_apart(one, other):
    class Codec:
        def question(self, call):
            return asked_of(b"here", "/chat/completions", {"model": "m"}, (), None)

    def key(tenant):
        found, question = (
            Cache(tenant=lambda _: tenant or None)._key(make_call(codec=Codec()))
            if tenant
            else (Cache()._key(make_call(codec=Secret())))
        )
        assert question.obstacle is None
        return found

    class Secret(Codec):
        def question(self, call):
            question = super().question(call)
            question.secret = b"s"
            return question

    assert key(one) != key(other)
    assert key(one) == key(one)


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_two_tenants(one, other):
    assume(one and other)

    class Codec:
        def question(self, call):
            return asked_of(b"here", "/chat/completions", {"model": "m"}, (), None)

    keys = [Cache(tenant=tenant)._key(make_call(codec=Codec()))[0] for tenant in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@given(st.permutations(["a", "b", "c"]), st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
def test_ids_of_calls_count_only_as_ties(names, outputs):
    renamed = dict(zip(["a", "b", "c"], names, strict=True))

    def conversation(name):
        calls = [{"id": name(i), "type": "function", "function": {"name": i}} for i in "abc"]
        return [
            {"role": "assistant", "tool_calls": calls},
            *({"role": "tool", "tool_call_id": name(i)} for i in outputs),
        ]

    same = without_call_ids(conversation(lambda i: i))
    assert without_call_ids(conversation(lambda i: renamed[i] + "-new")) == same
    if outputs and len(set(outputs)) < 3:
        spare = next(i for i in "abc" if i not in outputs)
        swapped = conversation(lambda i: i)
        swapped[1]["tool_call_id"] = spare
        assert without_call_ids(swapped) != same


# Answers: what comes out is what went in.

usage = st.fixed_dictionaries(
    {
        "prompt_tokens": st.integers(0, 9),
        "completion_tokens": st.integers(0, 9),
        "total_tokens": st.integers(0, 18),
    }
)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text("abc", min_size=1, max_size=4),
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": st.text("fg", min_size=1, max_size=3), "arguments": text}),
        },
        optional={"extra_content": st.just({"google": {"thought_signature": "s"}})},
    ),
    min_size=1,
    max_size=3,
)
message = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": text},
    optional={
        "refusal": st.none(),
        "reasoning_content": text,
        "tool_calls": calls,
        "annotations": st.just(
            [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
                }
            ]
        ),
        "reasoning_details": st.lists(st.fixed_dictionaries({"text": text}), max_size=2),
    },
)
logprobs = st.none() | st.fixed_dictionaries(
    {
        "content": st.lists(
            st.just({"token": "t", "bytes": [1], "logprob": -1.0, "top_logprobs": []}), max_size=2
        ),
        "refusal": st.none(),
    }
)
choice = st.fixed_dictionaries(
    {"message": message, "finish_reason": st.sampled_from(["stop", "tool_calls"])},
    optional={"logprobs": logprobs, "stop_reason": st.none() | text},
)
completions = st.builds(
    lambda choices, top: {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{**c, "index": n} for n, c in enumerate(choices)], **top,
    },
    st.lists(choice, min_size=1, max_size=2),
    st.fixed_dictionaries(
        {"usage": usage}, optional={"system_fingerprint": st.none() | text, "provider": text, "service_tier": st.none()}
    ),
)  # fmt: skip


def assembled(chunks):
    assembly = ChatAssembly()
    for piece in chunks:
        assembly.feed(ChatCompletionChunk.model_validate(piece))
    whole = assembly.whole()
    return None if whole is None else json.loads(whole)


@given(completions, st.booleans())
def test_a_chat_answer_told_as_a_stream_is_the_same_answer(answer, apart):
    assert assembled(chat_chunks(answer, usage_apart=apart)) == answer


@given(completions)
def test_the_sdk_makes_the_same_of_the_stream(answer):
    state = ChatCompletionStreamState()
    for piece in chat_chunks(answer, usage_apart=True):
        state.handle_chunk(ChatCompletionChunk.model_validate(piece))
    final = state.get_final_completion()
    whole = ChatCompletion.model_validate(answer)
    assert [c.message.content or "" for c in final.choices] == [c.message.content or "" for c in whole.choices]
    assert [c.finish_reason for c in final.choices] == [c.finish_reason for c in whole.choices]
    for ours, theirs in zip(whole.choices, final.choices, strict=True):
        assert [(c.id, c.function.name, c.function.arguments) for c in ours.message.tool_calls or ()] == [
            (c.id, c.function.name, c.function.arguments) for c in theirs.message.tool_calls or ()
        ]
    assert final.usage == whole.usage


@given(st.data(), completions)
def test_however_a_stream_is_cut_up(data, answer):
    pieces = []
    for piece in chat_chunks(answer, usage_apart=True):
        pieces.append(piece)
        for c in piece["choices"]:
            delta = c["delta"]
            if delta.get("content") and not c.get("logprobs"):
                at = data.draw(st.integers(0, len(delta["content"])))
                rest, delta["content"] = delta["content"][at:], delta["content"][:at]
                pieces.append({**piece, "choices": [{"index": c["index"], "delta": {"content": rest}}]})
            for call in delta.get("tool_calls") or ():
                said = call["function"]["arguments"]
                at = data.draw(st.integers(0, len(said)))
                call["function"] = {**call["function"], "arguments": said[:at]}
                more = {"index": call["index"], "function": {"arguments": said[at:]}}
                pieces.append({**piece, "choices": [{"index": c["index"], "delta": {"tool_calls": [more]}}]})
    whole = assembled(pieces)
    assert whole == answer
    assert assembled(chat_chunks(whole, usage_apart=False)) == answer


@given(completions, st.data())
def test_part_of_a_stream_is_no_answer(answer, data):
    chunks = list(chat_chunks(answer, usage_apart=True))
    assert assembled(chunks[: data.draw(st.integers(0, len(chunks) - 1))]) is None


part = st.fixed_dictionaries(
    {
        "type": st.just("output_text"),
        "text": text,
        "annotations": st.lists(
            st.just({"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}),
            max_size=1,
        ),
    },
    optional={"logprobs": st.just([])},
)
item = st.one_of(
    st.builds(
        lambda parts, n: {"id": f"msg_{n}", "type": "message", "role": "assistant", "status": "completed", "content": parts},
        st.lists(part, min_size=1, max_size=2),
        st.integers(0, 99),
    ),
    st.builds(
        lambda name, said, n: {
            "id": f"fc_{n}", "type": "function_call", "status": "completed", "call_id": f"call_{n}", "name": name, "arguments": said,
        },
        st.text("fg", min_size=1, max_size=3), text, st.integers(0, 99),
    ),
    st.builds(
        lambda said, n: {"id": f"ctc_{n}", "type": "custom_tool_call", "call_id": f"call_{n}", "name": "n", "input": said},
        text, st.integers(0, 99),
    ),
    st.builds(
        lambda summary, content, n: {
            "id": f"rs_{n}", "type": "reasoning", "encrypted_content": "e",
            "summary": [{"type": "summary_text", "text": s} for s in summary],
            **({} if content is None else {"content": [{"type": "reasoning_text", "text": s} for s in content]}),
        },
        st.lists(text, max_size=2), st.none() | st.lists(text, max_size=2), st.integers(0, 99),
    ),
)  # fmt: skip


def strictly(body):
    """With what this SDK's schema requires and few routers send."""
    body["usage"]["input_tokens_details"]["cache_write_tokens"] = 0
    return body


@given(st.lists(item, min_size=1, max_size=4))
def test_a_response_told_as_a_stream(output):
    """Events of the SDK's own types, in their order, that make what they end with."""
    body = strictly(response(*output))
    events = [event_class(told).model_validate(told, strict=True) for told in response_events(body)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response == Response.model_validate(body)
    said, open_items, open_parts, done = {}, set(), set(), []
    for event in events[2:-1]:
        kind = event.type
        if kind == "response.output_item.added":
            assert not open_items
            open_items.add(event.output_index)
        elif kind == "response.output_item.done":
            open_items.remove(event.output_index)
            assert not open_parts
            done.append(event.item)
        else:
            assert event.output_index in open_items
            assert event.item_id == output[event.output_index]["id"]
            if kind in {"response.content_part.added", "response.reasoning_summary_part.added"}:
                open_parts.add(1)
            elif kind in {"response.content_part.done", "response.reasoning_summary_part.done"}:
                open_parts.remove(1)
            elif kind.endswith(".delta"):
                said.setdefault(event.output_index, []).append(event.delta)
    assert done == events[-1].response.output
    for index, told in enumerate(output):
        pieces = [p["text"] for p in told.get("summary", [])] + [p["text"] for p in told.get("content", [])]
        whole = told.get("arguments", told.get("input", "".join(pieces)))
        assert "".join(said.get(index, [])) == whole


@given(st.lists(item, min_size=1, max_size=3))
def test_our_own_reader_takes_a_replay(output):
    check = ResponseEvents(set, lambda _: None)
    for told in response_events(strictly(response(*output))):
        check.feed(event_class(told).model_validate(told))
    check.end()
    assert check.complete


# Settings: whatever is new counts, or is left out for a reason.

SAMPLES = {
    "temperature": 0.0,
    "top_p": 0.5,
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "truncation": "auto",
    "max_tokens": 7,
    "reasoning": Reasoning(effort="low"),
    "verbosity": "low",
    "metadata": {"tags": "eu"},
    "store": False,
    "prompt_cache_retention": "24h",
    "include_usage": True,
    "response_include": ["reasoning.encrypted_content"],
    "top_logprobs": 2,
    "extra_query": {"q": "1"},
    "extra_body": {"b": 1},
    "extra_headers": {"x-h": "1"},
    "extra_args": {"seed": 1},
    "retry": ModelRetrySettings(max_retries=2),
    "context_management": [{"type": "compaction", "compact_threshold": 1000}],
    "prompt_cache_options": {},
    "preserve_raw_usage": True,
    "timeout": 5.0,
}


def question(model=None, **changed):
    """The question of a call at the Model seam."""
    arguments = {
        "system_instructions": "Be brief.", "input": "Hi", "model_settings": ModelSettings(), "tools": [],
        "output_schema": None, "handoffs": [], "tracing": ModelTracing.DISABLED, **changed,
    }  # fmt: skip
    call = make_call(Target(model or MODEL), view=ModelView(**arguments))
    return ModelCodec(Stack()).question(call)


MODEL = ScriptedModel([])


def key_of(**changed):
    found = question(**changed)
    assert found.obstacle is None, found.obstacle
    return found.asked


def test_the_samples_know_every_setting():
    assert set(SAMPLES) == {field.name for field in fields(ModelSettings)}
    assert set(SETTINGS_LEFT_OUT) <= set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_setting_counts_but_for_those_with_a_reason(name):
    changed = key_of(model_settings=ModelSettings(**{name: SAMPLES[name]}))
    assert (changed == key_of()) == (name in SETTINGS_LEFT_OUT and name != "metadata")


@pytest.mark.parametrize("holder", ["extra_body", "extra_args", "extra_headers", "extra_query"])
def test_and_whatever_is_in_the_extras(holder):
    one, other = (key_of(model_settings=ModelSettings(**{holder: {"x-y": said}})) for said in ("1", "2"))
    assert len({one, other, key_of()}) == 3


@pytest.mark.parametrize("holder", ["extra_body", "extra_args"])
def test_but_not_what_is_injected(holder):
    injected = ModelSettings(**{holder: {"prompt_cache_key": "run-1"}})
    other = ModelSettings(**{holder: {"prompt_cache_key": "run-2"}})
    assert key_of(model_settings=injected) == key_of(model_settings=other)


def test_trace_headers_do_not_count():
    one, other = (
        key_of(model_settings=ModelSettings(extra_headers={"traceparent": said, "x-a": "1"})) for said in "12"
    )
    assert one == other


def a_tool(**changed):
    async def run(_context, _arguments):
        return ""

    given = {"name": "f", "description": "d", "params_json_schema": {"type": "object"}, "on_invoke_tool": run}
    return FunctionTool(**{**given, **changed})


TOOL_SAMPLES = {
    "name": "g",
    "description": "another",
    "params_json_schema": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    "strict_json_schema": False,
    "defer_loading": True,
    "allowed_callers": ["programmatic"],
    "output_json_schema": {"type": "object"},
    "_tool_namespace": "n",
    "_tool_namespace_description": "n",
}


def test_the_samples_know_every_field_of_a_tool():
    assert set(TOOL_SAMPLES) | set(TOOL_LEFT_OUT) == {field.name for field in fields(FunctionTool)}


@pytest.mark.parametrize("name", TOOL_SAMPLES)
def test_everything_that_a_model_is_told_of_a_tool_counts(name):
    tool = a_tool()
    object.__setattr__(tool, name, TOOL_SAMPLES[name])
    assert key_of(tools=[tool]) != key_of(tools=[a_tool()])
    assert key_of(tools=[a_tool()]) == key_of(tools=[a_tool()])


def test_what_runs_a_tool_does_not():
    assert key_of(tools=[a_tool(is_enabled=lambda *_: True, needs_approval=True)]) == key_of(tools=[a_tool()])


def test_handoffs_count():
    one, other = (handoff(Agent(name=name)) for name in ("A", "B"))
    assert len({key_of(), key_of(handoffs=[one]), key_of(handoffs=[other]), key_of(handoffs=[one, other])}) == 4
    told = {"tool_name", "tool_description", "input_json_schema", "agent_name", "strict_json_schema"}
    assert told | set(HANDOFF_LEFT_OUT) == {field.name for field in fields(type(one))}


def test_the_output_that_is_wanted_counts():
    class City(BaseModel):
        name: str

    class Town(BaseModel):
        name: str
        size: int

    kinds = [
        None,
        AgentOutputSchema(City),
        AgentOutputSchema(Town),
        AgentOutputSchema(City, strict_json_schema=False),
    ]
    assert len({key_of(output_schema=kind) for kind in kinds}) == 4
    assert key_of(output_schema=AgentOutputSchema(str)) == key_of()


@pytest.mark.parametrize(
    "changed",
    [
        {"system_instructions": None},
        {"system_instructions": "Be long."},
        {"input": "Ho"},
        {"input": [{"role": "user", "content": "Hi"}]},
        {
            "input": [
                {"role": "user", "content": "Hi"},
                {"type": "function_call_output", "call_id": "1", "output": "2"},
            ]
        },
        {"model": ScriptedModel([])},
        {"model_settings": ModelSettings(tool_choice=MCPToolChoice(server_label="s", name="n"))},
        {"model_settings": ModelSettings(tool_choice=MCPToolChoice(server_label="s", name="o"))},
    ],
    ids=str,
)
def test_every_argument_counts(changed):
    assert key_of(**changed) != key_of()


def test_what_cannot_be_spelled_is_not_cached():
    assert "cannot be spelled" in question(model_settings=ModelSettings(extra_body={"x": object()})).obstacle
    assert "store" in question(model_settings=ModelSettings(store=True)).obstacle


WIRE_LEFT_OUT = {"retry", "timeout", "include_usage", "prompt_cache_retention", "prompt_cache_options"}


@pytest.mark.parametrize("name", SAMPLES)
async def test_at_the_wire_a_setting_counts_when_it_is_sent(name):
    """Through the provider: what reaches the wire is what counts."""
    from agents import RunConfig, Runner

    sent = {}
    for cached in (False, True):
        upstream = Upstream(completion("Hi"))
        cache = Cache(max_temperature=None)
        provider = upstream.provider(policies=[cache] if cached else [])
        for model_settings in (ModelSettings(), ModelSettings(**{name: SAMPLES[name]})):
            agent = Agent(name="A", model="m", model_settings=model_settings)
            await Runner.run(agent, "Hi", run_config=RunConfig(model_provider=provider))
        sent[cached] = upstream.requests
    one, other = sent[False]
    differs = (one.content, str(one.url), one.headers.get("x-h")) != (
        other.content, str(other.url), other.headers.get("x-h"),
    )  # fmt: skip
    counts = len(sent[True]) == 2
    assert counts == (differs and name not in WIRE_LEFT_OUT)


# Flights: nobody is left behind.


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["fail", "cancel", "land", "none", "leave"]), min_size=1, max_size=25),
    st.integers(1, 12),
)
def test_everybody_who_waits_gets_an_outcome(steps, many):
    async def main():
        flights = Flights()
        with FakeClock() as clock:
            leads = [flights.board(b"k")]
            tasks = [asyncio.create_task(flights.board(b"k").wait(clock)) for _ in range(many)]
            await clock.settle()
            taken = set()
            for step in [*steps, *(["fail"] * (2 * many))]:
                for number, task in enumerate(tasks):
                    if (
                        task.done()
                        and not task.cancelled()
                        and number not in taken
                        and isinstance(task.result(), Lead)
                    ):
                        taken.add(number)
                        leads.append(task.result())
                waiting = [task for task in tasks if not task.done()]
                if step == "leave" and waiting:
                    waiting[len(waiting) // 2].cancel()
                elif leads:
                    lead = leads.pop(0)
                    if step in {"fail", "cancel"}:
                        lead.failed(harmless=step == "cancel")
                    else:
                        lead.landed(b"x" if step == "land" else None)
                await clock.settle()
                heirs = [t for n, t in enumerate(tasks) if n not in taken and t.done() and not t.cancelled()]
                asking = leads or any(isinstance(task.result(), Lead) for task in heirs)
                assert asking or all(task.done() for task in tasks)
            for task in tasks:
                assert task.done()
                assert (
                    task.cancelled()
                    or task.result() == b"x"
                    or task.result() is ALONE
                    or isinstance(task.result(), Lead)
                )
        assert len(flights) == 0

    asyncio.run(main())


@given(bodies)
@settings(max_examples=25)
def test_a_hit_is_what_was_answered(body):
    assume(body["model"].strip())

    async def main():
        upstream = Upstream(completion("Hi"))
        client = upstream.client(policies=[Cache()])
        body.setdefault("messages", [HELLO])
        first = await client.post("/chat/completions", body=body, cast_to=ChatCompletion)
        second = await client.post("/chat/completions", body=body, cast_to=ChatCompletion)
        assert first == second
        assert upstream.hits == 1

    asyncio.run(main())
