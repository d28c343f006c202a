"""AsyncHanzo as its users meet it: one owner of retries, checked replies, and the rest of the OpenAI client intact."""

import asyncio
import json
from decimal import Decimal

import httpx2
import openai
import pytest
from upstream import (
    HANG,
    HELLO,
    KEY,
    ROLE,
    URL,
    Upstream,
    call_chunks,
    chunk,
    completion,
    response,
    response_events,
    sse,
    status,
    text_chunks,
    value,
)

from hanzo_agents import (
    AsyncHanzo,
    ConfigError,
    Deadline,
    DeadlineExceeded,
    Fallback,
    InvalidResponse,
    Retry,
    RetryBudget,
    Stack,
    StreamTruncated,
    Trace,
    track,
)
from hanzo_agents.testing.clock import FakeClock


async def ask(client, **more):
    return await client.chat.completions.create(messages=[HELLO], **more)


# --- retries have one owner ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "hits"),
    [
        ({}, 3), ({"max_retries": 0}, 1), ({"max_retries": 4}, 5), ({"policies": []}, 1), ({"policies": Stack()}, 1),
        ({"policies": [Retry(attempts=2)]}, 2), ({"policies": [Deadline()]}, 3),
    ],
    ids=str,
)  # fmt: skip
async def test_how_often_a_failing_router_is_asked(settings, hits):
    upstream = Upstream(status(503))
    with FakeClock(auto=True) as clock, pytest.raises(openai.InternalServerError):
        await ask(upstream.client(**settings))
    assert upstream.hits == hits
    assert len(clock.sleeps) == hits - 1


async def test_no_retries_asked_for_means_one_request_whatever_the_policies():
    upstream = Upstream(status(503))
    client = upstream.client(fallbacks=["b", "c"]).with_options(max_retries=0)
    with pytest.raises(openai.InternalServerError):
        await ask(client)
    assert upstream.hits == 1


async def test_another_number_of_retries_replaces_our_own():
    upstream = Upstream(status(503))
    with FakeClock(auto=True), pytest.raises(openai.InternalServerError):
        await ask(upstream.client().with_options(max_retries=1))
    assert upstream.hits == 2


async def test_another_number_of_retries_keeps_the_rest_of_the_retry():
    budget = RetryBudget(capacity=3)
    upstream = Upstream(status(503))
    client = upstream.client(policies=[Retry(base_delay=0, budget=budget)])
    for _ in range(10):
        with pytest.raises(openai.InternalServerError):
            await ask(client.with_options(max_retries=1))
    assert upstream.hits == 13
    assert budget.tokens == 0


async def test_policies_come_along_with_every_copy():
    upstream = Upstream(status(503))
    client = (
        upstream.client(policies=[Retry(attempts=2)]).with_options(timeout=5).copy(default_headers={"X-A": "a"})
    )
    with FakeClock(auto=True), pytest.raises(openai.InternalServerError):
        await ask(client)
    assert upstream.hits == 2
    assert upstream.requests[0].headers["x-a"] == "a"
    assert upstream.requests[0].extensions["timeout"]["read"] == 5


def test_the_order_of_policies_is_theirs():
    client = AsyncHanzo(URL, KEY, model="m", policies=[Retry(), Trace(), Deadline()], fallbacks=["b"])
    assert repr(client.stack) == "Stack(Trace, Deadline, Fallback, Retry)"
    assert repr(AsyncHanzo(URL, KEY, model="m", policies=[]).stack) == "Stack()"
    exact = Stack(Deadline(), Trace(), Retry())
    assert AsyncHanzo(URL, KEY, model="m", policies=exact).stack is exact


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"policies": [Retry(), Retry()]}, "twice"),
        ({"policies": [Retry]}, "a class"),
        ({"policies": Retry()}, "list"),
        ({"policies": [Fallback(to=["b"])], "fallbacks": ["c"]}, "fallbacks"),
        ({"fallbacks": "gpt-4"}, "list of model names"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_retries": True}, "max_retries"),
        ({"max_response_bytes": 0}, "max_response_bytes"),
        ({"websocket_base_url": "wss://x"}, "websocket_base_url"),
        ({"no_such": 1}, "no_such"),
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(settings, why):
    with pytest.raises((ConfigError, TypeError), match=why):
        AsyncHanzo(URL, KEY, model="m", **settings)


# --- time ---------------------------------------------------------------------------------------------------------


async def never(_request):
    await asyncio.Event().wait()


async def test_a_router_that_hangs_is_left_at_the_deadline():
    with FakeClock() as clock:
        task = asyncio.create_task(ask(Upstream(never).client()))
        await clock.run_for(599)
        assert not task.done()
        await clock.run_for(1)
        with pytest.raises(DeadlineExceeded):
            await task


async def test_a_stream_that_stalls_is_left_after_its_idle_time():
    upstream = Upstream(sse(ROLE, chunk({"content": "a"}), HANG))

    async def read():
        return [c.choices[0].delta.content async for c in await ask(upstream.client(), stream=True)]

    with FakeClock() as clock, track() as journals:
        task = asyncio.create_task(read())
        await clock.run_for(121)
        with pytest.raises(DeadlineExceeded, match="120 s without an event"):
            await task
    assert isinstance(journals[0].error, DeadlineExceeded)
    assert upstream.replies[0].extensions["body"].closed


async def test_a_stream_that_never_says_anything_useful_is_left_at_the_deadline():
    upstream = Upstream(sse(ROLE, b": ping\n\n", HANG))
    with FakeClock() as clock:
        task = asyncio.create_task(ask(upstream.client(policies=[Deadline(total=30)]), stream=True))
        await clock.run_for(30)
        with pytest.raises(DeadlineExceeded):
            await task
    assert upstream.replies[0].extensions["body"].closed


# --- replies ------------------------------------------------------------------------------------------------------


async def test_a_stream_hands_on_its_usage_on_the_last_chunk():
    upstream = Upstream(sse(*text_chunks("a", "b")))
    chunks = [c async for c in await ask(upstream.client(), stream=True)]
    assert all(c.choices for c in chunks), "who did not ask for usage gets no chunk without choices"
    assert [c.usage is not None for c in chunks] == [False] * (len(chunks) - 1) + [True]
    assert upstream.bodies[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("options", [{"include_usage": False}, {"include_usage": True}, None])
async def test_the_callers_own_stream_options_are_sent(options):
    upstream = Upstream(sse(*text_chunks("a", usage=None)))
    _ = [c async for c in await ask(upstream.client(), stream=True, stream_options=options)]
    assert upstream.bodies[0]["stream_options"] == options


@pytest.mark.parametrize("stream", [False, True])
async def test_missing_usage_is_estimated_and_says_so(stream):
    upstream = Upstream(
        sse(*text_chunks("12345678", usage=None)) if stream else completion("12345678", usage=None)
    )
    with track() as journals:
        got = await ask(upstream.client(), stream=stream)
        usage = [c async for c in got][-1].usage if stream else got.usage
    assert usage.completion_tokens == 2
    assert usage.prompt_tokens > 0
    assert usage.estimated is True
    assert journals[0].attempts[0].usage.basis == "estimated"


async def test_reported_usage_says_nothing_of_estimates():
    got = await ask(Upstream().client())
    assert not hasattr(got.usage, "estimated")


async def test_what_the_router_says_in_headers_is_tracked():
    upstream = Upstream(
        status(503),
        value(
            completion(), x_litellm_response_cost="0.00012", x_litellm_model_group="group", x_request_id="req-9"
        ),
    )
    with FakeClock(auto=True) as clock, track() as journals:
        await ask(upstream.client(policies=[Retry(jitter=lambda: 0.5)]))
    (journal,) = journals
    failed, answered = journal.attempts
    assert (failed.status_code, failed.number, failed.accepted) == (503, 1, None)
    assert (answered.number, answered.model, answered.request_id) == (2, "group", "req-9")
    assert answered.cost.amount == Decimal("0.00012")
    assert answered.cost.basis == "reported"
    assert journal.answered is answered
    assert clock.sleeps == [0.25]
    assert answered.started - failed.ended == 0.25
    assert journal.ended == clock.now()


async def test_a_cache_hit_of_the_router_costs_nothing():
    upstream = Upstream(value(completion(), x_litellm_response_cost="0.5", x_litellm_cache_key="k"))
    with track() as journals:
        await ask(upstream.client())
    (attempt,) = journals[0].attempts
    assert attempt.cache_hit
    assert attempt.cost.amount == 0


@pytest.mark.parametrize("cost", ["NaN", "inf", "-1", "free", ""], ids=repr)
async def test_a_price_that_is_none_is_unknown_not_zero(cost):
    with track() as journals:
        await ask(Upstream(value(completion(), x_litellm_response_cost=cost)).client())
    assert journals[0].attempts[0].cost.amount is None
    assert journals[0].cost.basis == "unknown"


async def test_blocks_of_track_nest_and_reach_into_tasks():
    client = Upstream().client()
    with track() as outer:
        await ask(client)
        with track() as inner:
            await asyncio.gather(ask(client), ask(client))
    await ask(client)
    assert (len(outer), len(inner)) == (3, 2)


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (lambda: sse(ROLE, chunk({"content": "a"}), done=False), StreamTruncated, "stream_truncated"),
        (lambda: sse(done=True), StreamTruncated, "stream_truncated"),
        (lambda: sse(ROLE, chunk({"content": "a"}), {"error": {"message": "x", "code": 429}}), InvalidResponse, None),
        (lambda: sse(*call_chunks("c1", "f", '{"a"')[:-2], chunk(finish="length")), InvalidResponse, "tool_arguments_truncated"),
        (completion, InvalidResponse, "invalid_response"),
        (lambda: status(200, {"error": {"message": "x", "type": "overloaded_error"}}), InvalidResponse, "overloaded_error"),
    ],
    ids=["cut", "empty", "error event", "tool call cut by length", "a plain JSON body", "an error body"],
)  # fmt: skip
async def test_streams_that_are_no_answer(reply, kind, code):
    client = Upstream(reply()).client(policies=[])
    with pytest.raises(kind) as caught:
        async for _ in await ask(client, stream=True):
            pass
    if code:
        assert caught.value.code == code
    assert caught.value.request_id == "req-1"


async def test_every_choice_must_end():
    one = [chunk(choices=[{"index": i, "delta": {"content": "a"}, "finish_reason": None}]) for i in (0, 1)]
    end = chunk(finish="stop")
    client = Upstream(sse(*one, end)).client(policies=[])
    with pytest.raises(StreamTruncated):
        async for _ in await ask(client, stream=True, n=2):
            pass


async def test_a_reply_larger_than_the_limit_is_abandoned():
    big = completion("x" * 5000)
    for reply, stream in ((big, False), (sse(*text_chunks("x" * 5000)), True)):
        client = Upstream(reply).client(policies=[], max_response_bytes=2000)
        with pytest.raises(InvalidResponse, match="2000 bytes") as caught:  # noqa: PT012
            got = await ask(client, stream=stream)
            async for _ in got:
                pass
        assert caught.value.code == "response_too_large"


async def test_redirects_are_refused():
    upstream = Upstream(httpx2.Response(307, headers={"location": "https://elsewhere.test/v1/chat/completions"}))
    with pytest.raises(
        InvalidResponse, match=r"router\.test answered with a redirect \(307\) to elsewhere\.test"
    ) as caught:
        await ask(upstream.client())
    assert caught.value.code == "redirect"
    assert {r.url.host for r in upstream.requests} == {"router.test"}


async def test_a_redirect_is_an_answer_not_a_weather():
    """Asking again gets the same redirect."""
    upstream = Upstream(httpx2.Response(308, headers={"location": "https://elsewhere.test/"}))
    with FakeClock(auto=True), pytest.raises(InvalidResponse):
        await ask(upstream.client())
    assert upstream.hits == 1


# --- the rest of the client ---------------------------------------------------------------------------------------

MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]}


async def test_listings_keep_the_retries_that_the_wire_no_longer_makes():
    upstream = Upstream(status(503), httpx2.ReadError("reset"), MODELS)
    with FakeClock(auto=True) as clock, track() as journals:
        page = await upstream.client().models.list()
    assert [model.id for model in page.data] == ["m"]
    assert len(clock.sleeps) == 2
    assert journals[0].operation == "/models"


async def test_other_posts_are_repeated_only_when_nothing_was_sent():
    upstream = Upstream(status(503))
    with FakeClock(auto=True), pytest.raises(openai.InternalServerError):
        await upstream.client().images.generate(prompt="x")
    assert upstream.hits == 1
    upstream = Upstream(httpx2.ConnectError("refused"), {"created": 1, "data": []})
    with FakeClock(auto=True):
        await upstream.client().images.generate(prompt="x")
    assert upstream.hits == 2


async def test_other_requests_have_the_deadline_too():
    with FakeClock() as clock:
        client = Upstream(never).client(policies=[Deadline(total=5)])
        task = asyncio.create_task(client.models.retrieve("m"))
        await clock.run_for(5)
        with pytest.raises(DeadlineExceeded):
            await task


async def test_a_single_call_of_another_kind_is_single():
    upstream = Upstream(status(503))
    with FakeClock(auto=True), pytest.raises(openai.InternalServerError):
        await upstream.client().with_options(max_retries=0).models.list()
    assert upstream.hits == 1


def test_what_would_pass_the_policies_by_is_refused():
    client = Upstream().client()
    with pytest.raises(ConfigError, match="WebSocket"):
        client.realtime  # noqa: B018
    with pytest.raises(ConfigError, match="WebSocket"):
        client.beta.realtime  # noqa: B018
    for opening in (client.responses.connect, client.beta.responses.connect):
        with pytest.raises(ConfigError, match="WebSocket"):
            opening()


async def test_beta_chat_is_the_clients_own():
    upstream = Upstream(completion("yes"))
    reply = await upstream.client(model="own").beta.chat.completions.create(messages=[HELLO])
    assert (reply.choices[0].message.content, upstream.bodies[0]["model"]) == ("yes", "own")
    assert len(reply.attempts) == 1


async def test_the_model_may_be_left_out():
    upstream = Upstream(completion(), response())
    client = upstream.client(model="own")
    await ask(client)
    await client.responses.create(input="x")
    assert [body["model"] for body in upstream.bodies] == ["own", "own"]


async def test_without_any_model_the_call_is_refused_by_name():
    upstream = Upstream()
    client = AsyncHanzo(URL, KEY, http_client=upstream.http)
    for call in (lambda: ask(client), lambda: client.responses.create(input="x")):
        with pytest.raises(ConfigError, match="model: expected"):
            await call()
    assert upstream.hits == 0


async def test_a_callable_key_is_asked_for_each_time():
    keys = iter(["sk-first-key", "sk-second-key"])

    async def key():
        return next(keys)

    upstream = Upstream()
    client = AsyncHanzo(URL, key, model="m", http_client=upstream.http)
    await ask(client)
    await ask(client)
    assert [r.headers["authorization"] for r in upstream.requests] == [
        "Bearer sk-first-key",
        "Bearer sk-second-key",
    ]


async def test_a_callable_key_is_in_no_error_either():
    async def key():
        return KEY

    upstream = Upstream(status(401, {"error": {"message": f"bad {KEY}"}}))
    with pytest.raises(openai.AuthenticationError) as caught:
        await ask(AsyncHanzo(URL, key, model="m", policies=[], http_client=upstream.http))
    assert KEY not in str(caught.value)


async def test_httpx_clients_work_as_well():
    httpx = pytest.importorskip("httpx")
    seen = []

    def answer(request):
        seen.append(request)
        if json.loads(request.content).get("stream"):
            events = b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in text_chunks("a"))
            return httpx.Response(200, content=events, headers={"content-type": "text/event-stream"})
        return httpx.Response(200, json=completion())

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        client = AsyncHanzo(URL, KEY, model="m", http_client=http)
        assert (await ask(client)).choices[0].message.content == "Hello!"
        assert [c.choices[0].delta.content async for c in await ask(client, stream=True)][1] == "a"


async def test_a_client_given_as_http_client_stays_open():
    upstream = Upstream()
    async with upstream.client() as client:
        await ask(client)
    assert not upstream.http.is_closed
    await ask(upstream.client())


async def test_closing_twice_is_harmless():
    client = AsyncHanzo(URL, KEY, model="m")
    await client.close()
    await client.close()


async def test_a_plain_function_is_a_policy():
    seen = []

    async def watch(call, send):
        seen.append((call.attempt, str(call.target), call.view.operation, call.view.text))
        return await send(call)

    upstream = Upstream(status(503), completion())
    with FakeClock(auto=True):
        await ask(upstream.client(policies=[watch]))
    assert seen == [(1, "m", "chat", "Hello!"), (2, "m", "chat", "Hello!")]


async def test_a_guard_is_asked_before_every_send():
    asked = []

    async def guarding(call, send):
        return await send(call.guard(lambda call: asked.append(call.attempt)))

    guarding.place = 15
    upstream = Upstream(status(503), completion())
    with FakeClock(auto=True):
        await ask(upstream.client(policies=Stack(guarding, Retry())))
    assert asked == [1, 2]


async def test_a_guard_that_refuses_stops_the_send():
    from hanzo_agents.errors import CircuitOpen

    def refuse(_call):
        raise CircuitOpen("open", retry_after=3)

    async def guarding(call, send):
        return await send(call.guard(refuse))

    upstream = Upstream()
    with track() as journals, pytest.raises(CircuitOpen):
        await ask(upstream.client(policies=[guarding]))
    assert upstream.hits == 0
    (attempt,) = journals[0].attempts
    assert not attempt.sent
    assert (journals[0].cost.amount, journals[0].cost.basis) == (0, "reported")


async def test_responses_streams_end_with_a_terminal_event():
    upstream = Upstream(sse(*response_events()[:-1], done=False))
    with pytest.raises(StreamTruncated):
        async for _ in await upstream.client(policies=[]).responses.create(input="x", stream=True):
            pass


# --- failures that are read ---------------------------------------------------------------------------------------


async def test_an_error_page_without_end_is_not_read_to_its_end():
    big = httpx2.Response(500, content=b"x" * ((1 << 20) + 1))
    with pytest.raises(openai.InternalServerError) as caught:
        await ask(Upstream(big).client(policies=[]))
    assert len(str(caught.value)) < 1000


async def test_an_error_whose_body_is_cut_is_still_that_error():
    from upstream import Body

    body = Body([b'{"error": {"mess', httpx2.ReadError("reset")])
    reply = httpx2.Response(503, headers={"content-type": "application/json"}, stream=body)
    with pytest.raises(openai.InternalServerError) as caught:
        await ask(Upstream(reply).client(policies=[]))
    assert caught.value.status_code == 503
    assert body.closed


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": 429, "message": "slow"}, 429), ({"code": "503", "message": "x"}, 503), ({"status": 529}, 529),
        ({"type": "rate_limit_error"}, 429), ({"type": "overloaded_error"}, 529), ("just words", None),
        ({"code": "own"}, None), ({"code": True}, None), ({"code": 200}, None), (["x"], None),
        ({"detail": "words"}, None),
    ],
    ids=str,
)  # fmt: skip
async def test_the_status_inside_a_success_is_found(error, code):
    with pytest.raises(InvalidResponse, match="reported an error inside a success") as caught:
        await ask(Upstream({"error": error}).client(policies=[]))
    assert caught.value.status_code == code


async def test_an_error_beside_an_answer_is_an_error():
    with pytest.raises(InvalidResponse, match="late"):
        await ask(Upstream(completion(error={"message": "late"})).client(policies=[]))


async def test_a_failed_response_is_an_error():
    failed = response(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"})
    with pytest.raises(InvalidResponse, match="slow") as caught:
        await Upstream(failed).client(policies=[]).responses.create(input="x")
    assert caught.value.status_code == 429
    with pytest.raises(InvalidResponse):
        await Upstream(response(status="failed", error=None)).client(policies=[]).responses.create(input="x")


async def test_a_background_response_is_an_answer_before_it_has_output():
    queued = {**response(usage=None), "status": "queued", "output": []}
    got = await Upstream(queued).client(policies=[]).responses.create(input="x", background=True)
    assert got.status == "queued"
    assert got.usage is None


async def test_a_streamed_reply_can_be_read_raw_from_its_first_byte():
    """Acceptance has read the beginning already; who reads bytes gets them too."""
    events = text_chunks("a", "b")
    upstream = Upstream(sse(*events))
    with track() as journals:
        async with upstream.client(policies=[]).chat.completions.with_streaming_response.create(
            model="m", messages=[HELLO], stream=True
        ) as got:
            lines = [line async for line in got.iter_lines() if line]
    assert [json.loads(line.removeprefix("data: ")) for line in lines[:-1]] == events
    assert lines[-1] == "data: [DONE]"
    assert journals[0].ended is not None


async def test_a_raw_stream_that_nobody_reads_is_closed_with_its_block():
    reply = sse(*text_chunks("a", "b"))
    with track() as journals:
        async with (
            Upstream(reply)
            .client(policies=[])
            .chat.completions.with_streaming_response.create(model="m", messages=[HELLO], stream=True)
        ):
            pass
    assert reply.extensions["body"].closed
    assert journals[0].ended is not None


async def test_a_guard_stops_a_foreign_model_too():
    from agents import ModelSettings, ModelTracing
    from agents.testing import ScriptedModel

    from hanzo_agents import wrap
    from hanzo_agents.errors import CircuitOpen

    def refuse(_call):
        raise CircuitOpen("open")

    async def guarding(call, send):
        return await send(call.guard(refuse))

    inner = ScriptedModel([])
    with track() as journals, pytest.raises(CircuitOpen):
        await wrap(inner, guarding).get_response(None, "x", ModelSettings(), [], None, [], ModelTracing.DISABLED)
    assert inner.calls == ()
    assert not journals[0].attempts[0].sent


async def test_a_stream_read_twice_is_over_the_second_time():
    stream = await ask(Upstream(sse(*text_chunks("a"))).client(), stream=True)
    assert len([c async for c in stream]) == 3
    assert [c async for c in stream] == []
