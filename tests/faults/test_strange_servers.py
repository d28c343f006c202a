"""Servers that answer in ways of their own: what breaks off where nobody looks, what is whole and does not end."""

import gzip
import json

import openai
import pytest
from upstream import ROLE, chunk, completion, response, response_events, text_chunks

from hanzo_agents import AsyncHanzo, Deadline, Fallback, Retry, track
from hanzo_agents._wire import stream as wire_stream
from hanzo_agents.errors import AllProvidersFailed, InvalidResponse, StreamTruncated
from hanzo_agents.testing.fault_server import ByMode, Close, Http, Pause, Reset, Send, answers

KEY = "sk-canary-0123456789"  # the key of the stage
HELLO = [{"role": "user", "content": "Hello!"}]
JSON = (("content-type", "application/json"),)
EVENTS = (("content-type", "text/event-stream"),)
RESPONSES = "/v1/responses"
TWICE = Retry(attempts=2, base_delay=0)


def sse(*events):
    parts = [e if isinstance(e, bytes) else b"data: " + json.dumps(e).encode() + b"\n\n" for e in events]
    return b"".join(parts)


def streamed(*events, then=()):
    return Http(headers=EVENTS, body=(Send(sse(*events)), *then), framing="chunked")


DONE = b"data: [DONE]\n\n"


@pytest.fixture
def brief(monkeypatch):
    """What may follow a whole answer is waited for only a moment."""
    monkeypatch.setattr(wire_stream, "GRACE", 0.05)


@pytest.fixture
async def connect(stage):
    """Makes clients before the stage's server, closed after the test."""
    made = []

    def connect(*policies, **settings):
        client = AsyncHanzo(
            settings.pop("base_url", stage.server.base_url), KEY,
            **{"model": "m", "policies": list(policies), **settings},
        )  # fmt: skip
        made.append(client)
        return client

    yield connect
    for client in made:
        await client.close()


async def text_of(stream):
    return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])


async def ask(client, **more):
    return await text_of(await client.chat.completions.create(messages=HELLO, stream=True, **more))


# --- a stream was asked for, and half of something else came (C2) -------------------------------------------------

KINDS = ["application/json", "application/problem+json", "text/html; charset=utf-8", "text/plain"]
BREAKS = {
    "reset": (Reset(),),
    "closed": (Close(),),
}


RESET = (Reset(),)


def half(kind, end=RESET):
    return Http(headers=(("content-type", kind),), body=(Send(b'{"choi'), *end), framing="chunked", complete=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", BREAKS.values(), ids=BREAKS)
async def test_half_a_page_for_a_stream_is_a_lost_connection(stage, connect, kind, end):
    stage.server.script(half(kind, end))
    with pytest.raises(openai.APIConnectionError) as caught, track() as journals:
        await ask(connect())
    assert "authorization" not in caught.value.request.headers
    assert KEY not in repr(vars(caught.value))
    (attempt,) = journals[0].attempts
    assert attempt.sent
    assert attempt.error is caught.value


@pytest.mark.parametrize("kind", KINDS)
async def test_half_a_page_for_a_stream_is_asked_for_again(stage, connect, kind):
    stage.server.script(half(kind), "Second")
    assert await ask(connect(TWICE)) == "Second"
    assert stage.server.hits == 2


async def test_half_a_page_for_a_stream_falls_back(stage, connect):
    stage.server.model("m").script(half("application/json"), repeat=True)
    stage.server.model("n").script("Spare")
    assert await ask(connect(fallbacks=["n"])) == "Spare"


async def test_a_page_that_stalls_is_a_timeout(stage, connect):
    stage.server.script(half("application/json", (Pause(),)), "Second")
    client = connect(timeout=0.05)
    with pytest.raises(openai.APITimeoutError):
        await ask(client)
    assert await ask(client.with_options(timeout=30)) == "Second"


async def test_half_a_page_in_a_run_is_mended(stage):
    stage.server.script(half("application/json"), "Second")
    heard = await stage.ask(stage.hanzo(TWICE), stream=True)
    assert (heard.text, heard.error) == ("Second", None)


async def test_half_a_page_for_a_stream_of_responses(stage, connect):
    stage.server.script(half("application/json"), path=RESPONSES)
    with pytest.raises(openai.APIConnectionError):
        await connect().responses.create(input="Hello!", stream=True)


# --- raw responses of bodies without a length (C3) -----------------------------------------------------------------

WHOLE = json.dumps(completion("Hello!")).encode()
BODIES = {
    "length": Http(headers=JSON, body=(Send(WHOLE),)),
    "chunked": Http(headers=JSON, body=(Send(WHOLE[:20]), Send(WHOLE[20:])), framing="chunked"),
    "until it closes": Http(headers=JSON, body=(Send(WHOLE),), framing="close"),
    "gzip": Http(headers=(*JSON, ("content-encoding", "gzip")), body=(Send(gzip.compress(WHOLE)),)),
    "gzip, chunked": Http(
        headers=(*JSON, ("content-encoding", "gzip")), body=(Send(gzip.compress(WHOLE)),), framing="chunked"
    ),
}
EACH_BODY = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)


@EACH_BODY
async def test_a_raw_response_can_be_read(stage, connect, body):
    stage.server.script(body)
    raw = await connect().chat.completions.with_raw_response.create(messages=HELLO)
    assert json.loads(raw.text) == json.loads(WHOLE)
    assert raw.content == WHOLE
    assert raw.http_response.json() == json.loads(WHOLE)
    assert raw.parse().choices[0].message.content == "Hello!"


READ_WAYS = {
    "json": lambda raw: raw.json(),
    "text": lambda raw: _loaded(raw.text()),
    "read": lambda raw: _loaded(raw.read()),
    "iter_bytes": lambda raw: _joined(raw.iter_bytes()),
    "iter_text": lambda raw: _joined(raw.iter_text()),
    "iter_lines": lambda raw: _joined(raw.iter_lines()),
}


async def _loaded(text):
    return json.loads(await text)


async def _joined(parts):
    whole = [part async for part in parts]
    return json.loads(whole[0][:0].join(whole))


@EACH_BODY
@pytest.mark.parametrize("way", READ_WAYS)
async def test_a_response_given_to_read_can_be_read_in_every_way(stage, connect, body, way):
    stage.server.script(body)
    async with connect().chat.completions.with_streaming_response.create(messages=HELLO) as raw:
        assert await READ_WAYS[way](raw) == json.loads(WHOLE)


async def test_a_raw_response_of_responses_can_be_read(stage, connect):
    whole = json.dumps(response()).encode()
    stage.server.script(Http(headers=JSON, body=(Send(whole),), framing="chunked"), path=RESPONSES)
    raw = await connect().responses.with_raw_response.create(input="Hello!")
    assert json.loads(raw.text) == json.loads(whole)
    assert raw.parse().output_text == "Hello!"


SAID = sse(b": hello\n\n", *text_chunks("Hel", "lo!"), DONE)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("pieces", [1, 7, 100_000])
async def test_the_lines_of_a_stream_come_from_its_first_byte(stage, connect, packed, pieces):
    """The stack has read up to the first useful event; whoever reads raw still gets all of it, once."""
    body = gzip.compress(SAID) if packed else SAID
    sent = tuple(Send(body[at : at + pieces]) for at in range(0, len(body), pieces))
    headers = (*EVENTS, ("content-encoding", "gzip")) if packed else EVENTS
    stage.server.script(Http(headers=headers, body=sent, framing="chunked"))
    create = connect().chat.completions.with_streaming_response.create
    async with create(messages=HELLO, stream=True) as raw:
        lines = [line async for line in raw.iter_lines()]
    assert lines == SAID.decode().splitlines()


async def test_the_bytes_of_a_stream_come_from_its_first_byte(stage, connect):
    stage.server.script(streamed(SAID))
    create = connect().chat.completions.with_streaming_response.create
    async with create(messages=HELLO, stream=True) as raw:
        assert b"".join([part async for part in raw.iter_bytes()]) == SAID


async def test_the_lines_of_a_stream_of_responses_come_from_its_first_byte(stage, connect):
    said = sse(*response_events())
    stage.server.script(streamed(said), path=RESPONSES)
    create = connect().responses.with_streaming_response.create
    async with create(input="Hello!", stream=True) as raw:
        assert [line async for line in raw.iter_lines()] == said.decode().splitlines()


async def test_a_raw_stream_can_be_parsed_instead(stage, connect):
    stage.server.script(streamed(SAID), streamed(SAID))
    completions = connect().chat.completions
    async with completions.with_streaming_response.create(messages=HELLO, stream=True) as raw:
        assert await text_of(await raw.parse()) == "Hello!"
    raw = await completions.with_raw_response.create(messages=HELLO, stream=True)
    assert await text_of(raw.parse()) == "Hello!"


async def test_a_raw_stream_that_is_left_lets_its_connection_go(stage, connect):
    stage.server.script(streamed(*text_chunks("Hel", "lo!")[:2], then=(Pause(),)))
    create = connect().chat.completions.with_streaming_response.create
    with track() as journals:
        async with create(messages=HELLO, stream=True) as raw:
            async for _ in raw.iter_lines():
                break
    await stage.server.until(lambda: stage.server.open_connections == 0)
    assert journals[0].ended is not None
    assert journals[0].attempts[0].ended is not None


# --- the answer is whole, and the connection stays open (C4) --------------------------------------------------------

OPEN_ENDS = {
    "after [DONE]": (*text_chunks("whole"), DONE),
    "after [DONE] without usage": (*text_chunks("whole", usage=None), DONE),
    "after the usage": text_chunks("whole"),
    "after the finish_reason": text_chunks("whole", usage=None),
    "with usage beside the finish_reason": (ROLE, chunk({"content": "whole"}, finish="stop", usage=(3, 2))),
    "in the middle of a comment": (*text_chunks("whole"), b": keep-al"),
    "in the middle of [DONE]": (*text_chunks("whole"), b"data: [DO"),
}
LIMITS = {"no policies": (), "a deadline": (Deadline(total=30, idle=20),)}


@pytest.mark.parametrize("policies", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("events", OPEN_ENDS.values(), ids=OPEN_ENDS)
async def test_a_whole_answer_does_not_wait_for_the_server_to_close(stage, connect, brief, events, policies):
    stage.server.script(streamed(*events, then=(Pause(),)))
    with track() as journals:
        assert await ask(connect(*policies)) == "whole"
    await stage.server.until(lambda: stage.server.open_connections == 0)
    assert journals[0].error is None
    assert journals[0].attempts[0].error is None
    assert journals[0].attempts[0].usage.output_tokens > 0


@pytest.mark.parametrize("events", OPEN_ENDS.values(), ids=OPEN_ENDS)
async def test_nor_does_a_run(stage, brief, events):
    stage.server.script(streamed(*events, then=(Pause(),)))
    heard = await stage.ask(stage.hanzo(Deadline(total=30, idle=20)), stream=True)
    assert (heard.text, heard.error) == ("whole", None)
    assert heard.usage.output_tokens > 0


async def test_usage_that_comes_before_the_end_is_the_one_that_counts(stage, connect, brief):
    stage.server.script(streamed(*text_chunks("whole", usage=(31, 7)), DONE, then=(Pause(),)))
    with track() as journals:
        await ask(connect())
    usage = journals[0].attempts[0].usage
    assert (usage.input_tokens, usage.output_tokens) == (31, 7)


async def test_comments_after_the_end_do_not_keep_it_open(stage, connect, brief):
    pings = tuple(step for _ in range(50) for step in (Send(b": ping\n\n"), Pause()))
    stage.server.script(streamed(*text_chunks("whole"), DONE, then=pings))
    assert await ask(connect()) == "whole"


async def test_a_connection_that_is_closed_in_order_is_used_again(stage, connect):
    stage.server.script(streamed(*text_chunks("one"), DONE), streamed(*text_chunks("two"), DONE))
    client = connect()
    assert [await ask(client), await ask(client)] == ["one", "two"]
    assert stage.server.connections == 1


async def test_half_an_answer_does_wait(stage, connect, brief):
    """Only a whole answer may be given up: here the rest comes long after that moment."""
    first, *rest = text_chunks("half, ", "and half")[1:]
    stage.server.script(streamed(ROLE, first, then=(Pause(), Send(sse(*rest, DONE)))))
    stream = await connect().chat.completions.create(messages=HELLO, stream=True)
    events = aiter(stream)
    assert (await anext(events)).choices[0].delta.content == ""
    assert (await anext(events)).choices[0].delta.content == "half, "
    stage.server.release()
    assert await text_of(events) == "and half"


async def test_half_an_answer_that_hangs_is_no_answer(stage, connect, brief):
    stage.server.script(streamed(ROLE, chunk({"content": "half"}), then=(Pause(),)))
    with pytest.raises(openai.APITimeoutError):
        await ask(connect(timeout=0.1))


async def test_a_finished_response_does_not_wait_for_the_server_to_close(stage, connect, brief):
    stage.server.script(streamed(*response_events(), then=(Pause(),)), path=RESPONSES)
    stream = await connect(Deadline(total=30, idle=20)).responses.create(input="Hello!", stream=True)
    assert [event.type async for event in stream][-1] == "response.completed"
    await stage.server.until(lambda: stage.server.open_connections == 0)


async def test_a_finished_response_ends_a_run(stage, brief):
    stage.server.script(streamed(*response_events(), then=(Pause(),)), path=RESPONSES)
    heard = await stage.ask(stage.hanzo(api="responses"), stream=True)
    assert (heard.text, heard.error) == ("Hello!", None)


# --- a finish_reason that says nothing (C5) --------------------------------------------------------------------------


def unsaid(*texts, end=None):
    events = [chunk({"role": "assistant", "content": text}, finish="") for text in texts]
    return [*events, chunk(finish=end)] if end else events


@pytest.mark.parametrize("done", [True, False], ids=["[DONE]", "no [DONE]"])
async def test_an_empty_finish_reason_ends_nothing(stage, connect, done):
    stage.server.script(streamed(*unsaid("half of ", "the "), *([DONE] if done else [])))
    with pytest.raises(StreamTruncated):
        await ask(connect())


async def test_a_run_that_is_cut_among_empty_finish_reasons_fails(stage):
    stage.server.script(streamed(*unsaid("half of ", "the ")))
    heard = await stage.ask(stage.hanzo(), stream=True)
    assert isinstance(heard.error, StreamTruncated)


async def test_an_empty_finish_reason_does_not_spoil_a_whole_stream(stage, connect):
    stage.server.script(streamed(*unsaid("all of ", "it", end="stop"), DONE))
    assert await ask(connect()) == "all of it"


async def test_nothing_but_empty_finish_reasons_is_asked_for_again(stage, connect):
    stage.server.script(streamed(*unsaid("")), "Second")
    assert await ask(connect(TWICE)) == "Second"


# --- events of type error (C6) ---------------------------------------------------------------------------------------


def error_event(error, *, named=True):
    return (b"event: error\n" if named else b"") + sse({"type": "error", "error": error})


FILTERED = {"type": "invalid_request_error", "code": "content_filter", "message": "That is filtered."}
OVERLOADED = {"type": "overloaded_error", "message": "Overloaded."}
TOO_LONG = {"type": "invalid_request_error", "code": "context_length_exceeded", "message": "Too long."}
NAMED = pytest.mark.parametrize("named", [True, False], ids=["event: error", "no name"])


class InEitherApi:
    """Chat Completions and Responses alike: what the upstream says is what the caller hears."""

    path: str
    begun: tuple

    def script(self, stage, *events, **lane):
        stage.server.lane(self.path, **lane).script(streamed(*events), repeat=True)

    async def read(self, client):
        raise NotImplementedError

    async def error(self, client):
        with pytest.raises(InvalidResponse) as caught:
            await self.read(client)
        return caught.value

    @NAMED
    async def test_what_it_says_is_heard(self, stage, connect, named):
        self.script(stage, error_event(OVERLOADED, named=named))
        error = await self.error(connect())
        assert "Overloaded." in str(error)
        assert (error.code, error.status_code) == ("overloaded_error", 529)
        assert not isinstance(error, StreamTruncated)

    @NAMED
    async def test_a_busy_upstream_is_asked_again(self, stage, connect, named):
        stage.server.script(streamed(error_event(OVERLOADED, named=named)), "Second", path=self.path)
        assert await self.read(connect(TWICE)) == "Second"

    async def test_a_filter_is_an_answer(self, stage, connect):
        self.script(stage, error_event(FILTERED))
        error = await self.error(connect(TWICE, fallbacks=["n"]))
        assert (error.code, stage.server.hits) == ("content_filter", 1)
        assert error.status_code == 400
        assert "That is filtered." in str(error)

    async def test_a_context_that_overflowed_is_not_retried(self, stage, connect):
        self.script(stage, error_event(TOO_LONG))
        error = await self.error(connect(TWICE))
        assert (error.code, error.status_code, stage.server.hits) == ("context_length_exceeded", 400, 1)

    async def test_a_context_that_overflowed_falls_back(self, stage, connect):
        self.script(stage, error_event(TOO_LONG), model="m")
        stage.server.lane(self.path, model="n").script("Spare")
        assert await self.read(connect(TWICE, Fallback(to=["n"]))) == "Spare"
        assert stage.server.hits == 2

    async def test_after_content_it_ends_the_stream(self, stage, connect):
        self.script(stage, *self.begun, error_event(OVERLOADED))
        error = await self.error(connect(TWICE))
        assert (error.code, stage.server.hits) == ("overloaded_error", 1)

    async def test_text_for_an_error_is_heard_too(self, stage, connect):
        self.script(stage, error_event("Out of order."))
        assert "Out of order." in str(await self.error(connect()))

    async def test_the_key_is_not_in_it(self, stage, connect):
        self.script(stage, error_event({"type": "x", "code": KEY, "message": f"bad key {KEY}"}))
        error = await self.error(connect())
        assert KEY not in str(error) + repr(vars(error))

    async def test_all_of_a_chain_are_told(self, stage, connect):
        self.script(stage, error_event(OVERLOADED))
        with pytest.raises(AllProvidersFailed) as caught:
            await self.read(connect(fallbacks=["n"]))
        assert [failure.error.status_code for failure in caught.value.failures] == [529, 529]


class TestErrorEventsInChat(InEitherApi):
    path = "/v1/chat/completions"
    begun = (ROLE, chunk({"content": "Hel"}))

    async def read(self, client):
        return await ask(client)

    async def test_fields_beside_the_type_are_heard(self, stage, connect):
        self.script(stage, sse({"type": "error", "code": "overloaded_error", "message": "Overloaded."}))
        error = await self.error(connect())
        assert "Overloaded." in str(error)
        assert error.status_code == 529

    async def test_in_a_run(self, stage):
        self.script(stage, error_event(FILTERED))
        heard = await stage.ask(stage.hanzo(TWICE), stream=True)
        assert (heard.error.code, stage.server.hits) == ("content_filter", 1)


class TestErrorEventsInResponses(InEitherApi):
    path = RESPONSES
    begun = tuple(response_events()[:5])

    async def read(self, client):
        stream = await client.responses.create(input="Hello!", stream=True)
        return "".join([event.delta async for event in stream if event.type == "response.output_text.delta"])

    async def test_its_own_shape_is_heard_as_before(self, stage, connect):
        own = {
            "type": "error",
            "sequence_number": 0,
            "code": "server_error",
            "message": "It broke.",
            "param": None,
        }
        self.script(stage, own)
        error = await self.error(connect())
        assert "It broke." in str(error)
        assert error.code == "server_error"

    async def test_in_a_run(self, stage):
        self.script(stage, error_event(FILTERED))
        heard = await stage.ask(stage.hanzo(TWICE, api="responses"), stream=True)
        assert (heard.error.code, stage.server.hits) == ("content_filter", 1)


async def test_a_stream_and_a_value_tell_the_same_of_an_error(stage):
    error = {"type": "error", "error": OVERLOADED}
    stage.server.script(
        ByMode(value=answers.json(error), stream=streamed(error_event(OVERLOADED))), repeat=True
    )  # fmt: skip
    heard = [(await stage.ask(stage.hanzo(), stream=stream)).error for stream in (False, True)]
    assert [(e.code, e.status_code, str(e)) for e in heard[:1]] == [
        (e.code, e.status_code, str(e)) for e in heard[1:]
    ]
