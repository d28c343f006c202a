"""Answers that outlive their call, at the wire: what a reply leaves behind, and a reply of what was left."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import httpx2
import pydantic
from openai import NotGiven, Omit

from hanzo_agents._kernel.canonical import CANONICAL
from hanzo_agents._kernel.codec import Kept, Question
from hanzo_agents._kernel.outcome import Outcome
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.bodies import hear_closing, raw_response
from hanzo_agents._wire.headers import told_by
from hanzo_agents._wire.keeping.asked import asked_of, headers_of, routing_of
from hanzo_agents._wire.keeping.kinds import KIND_OF
from hanzo_agents._wire.reading import SHAPE_ERRORS
from hanzo_agents._wire.replies import note_outcome
from hanzo_agents._wire.stream import HanzoStream
from hanzo_agents._wire.wishes import add_wishes, routes, wishes_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from openai import AsyncOpenAI

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.stack import Stack
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._wire.attempt import Exchange
    from hanzo_agents._wire.dialects.dialect import Dialect

__all__ = ["WireCodec", "dumped", "follow", "replayed", "value_of"]


class WireCodec:
    """Keeps answers of one client's endpoint, in all its dialects."""

    def __init__(self, client: AsyncOpenAI, stack: Stack) -> None:
        self._client = client
        self._routing = routing_of(stack)
        self._wishes = wishes_now if routes(stack) else None
        self._made_of: tuple[Any, ...] = ()
        self._scope = b""
        self._secret = b""
        self._requests: dict[str, httpx2.Request] = {}

    def question(self, call: Call) -> Question:
        """What a request asks: what is sent, where to, with which key and by way of whom."""
        exchange: Exchange = call.payload
        extras, dialect = exchange.extras, exchange.dialect
        self._look()
        headers: Any = extras.headers
        query: Any = None
        if extras.options is not None:
            given = extras.options.headers
            headers = () if isinstance(given, NotGiven) else given.items()
            query = extras.options.params
        view: Any = call.view
        scope = self._scope if call.target.base_url is None else _scope_of(call.target)
        question = asked_of(scope, dialect.path, view.body, headers, query)
        question.secret = self._secret
        if self._wishes is not None and question.obstacle is None:
            add_wishes(question, self._wishes())
        if dialect.path not in KIND_OF:
            question.obstacle = f"answers of {dialect.path} cannot be kept"
        return question

    def _look(self) -> None:
        """What the client's requests have in common; it may have changed since the last one."""
        client: Any = self._client
        parts = (
            client._base_url, client.organization, client.project, client.api_key, client._custom_headers,  # noqa: SLF001
            client._custom_query,  # noqa: SLF001
        )  # fmt: skip
        if parts == self._made_of:
            return
        base_url, organization, project, key, headers, query = parts
        http = client._client  # noqa: SLF001
        asked = (
            str(base_url), organization, project, headers_of(headers.items()), headers_of(http.headers.items()),
            {name: value for name, value in query.items() if not isinstance(value, Omit)}, str(http.params),
            self._routing,
        )  # fmt: skip
        self._scope = CANONICAL.encode(asked).encode()
        # A function may make another key for each request, or an HTTP client sign them: that tells nobody apart.
        steady = client._api_key_provider is None and isinstance(key, str) and http.auth is None  # noqa: SLF001
        self._secret = hashlib.sha256(b"hanzo entries\0" + key.encode()).digest() if steady else b""
        self._made_of = (base_url, organization, project, key, dict(headers), dict(query))
        self._requests.clear()

    def listen(
        self,
        call: Call,
        reply: Reply,
        heard: Callable[[Kept | str | None, Settled], None],
        moved: Callable[[], None],
    ) -> None:
        """Have `heard` called once: with the whole answer, why it is none to keep, or None when it broke off."""
        exchange: Exchange = call.payload
        dialect = exchange.dialect
        substitute = _substituted(reply.raw)
        if not exchange.stream:
            heard(
                _kept(dialect, dumped(reply.value), reply.value, substitute=substitute),
                reply.settled or Settled(),
            )
            return
        assembly = KIND_OF[dialect.path].assembly()

        def whole() -> Kept | str | None:
            body = assembly.whole()
            if body is None:
                return None
            return _kept(dialect, body, value_of(dialect, body), substitute=substitute)

        follow(reply, assembly.feed, whole, heard, moved)

    async def reply(self, call: Call, body: bytes, attempt: Attempt) -> Reply:
        """The answer again, as a value or as a stream, its tool calls under fresh ids."""
        exchange: Exchange = call.payload
        dialect = exchange.dialect
        kind = KIND_OF[dialect.path]
        if not exchange.stream:
            value = value_of(dialect, body)
            kind.renew(value)
            raw = self._raw(dialect, "application/json", dumped(value)) if exchange.extras.raw else None
            reply = Reply(value, attempt, raw=raw, end=Settlement(Settled(attempt.usage, attempt.cost)))
        else:
            view: Any = call.view
            events = kind.events(dialect, _answer(body), view.body)
            reply = await self._streamed(call, events, attempt)
        exchange.opened.append(reply)
        return reply

    async def _streamed(self, call: Call, events: list[Any], attempt: Attempt) -> Reply:
        exchange: Exchange = call.payload
        reply = await replayed(events, call, attempt)
        note_outcome(events[-1], Outcome(call.journal, attempt))
        primed: Primed = reply.value
        response = self._raw(exchange.dialect, "text/event-stream", b"")
        hear_closing(response, primed)
        reply.raw = response
        if exchange.extras.raw:
            said: Any = _Said(events, named=exchange.dialect.path == "/responses")
            reply.raw = raw_response(response, said, primed)
        reply.value = HanzoStream[Any](primed, response, exchange.dialect.value_type, self._client)
        return reply

    def _raw(self, dialect: Dialect, kind: str, content: bytes) -> httpx2.Response:
        """A response that no wire has brought."""
        request = self._requests.get(dialect.path)
        if request is None:
            url = str(self._client.base_url).rstrip("/") + dialect.path
            request = self._requests[dialect.path] = httpx2.Request("POST", url)
        headers = {"content-type": kind, "x-hanzo-cache": "hit"}
        response = httpx2.Response(200, headers=headers, content=content, request=request)
        response.elapsed = timedelta(0)
        return response


def follow(
    reply: Reply,
    feed: Callable[[Any], None],
    whole: Callable[[], Kept | str | None],
    heard: Callable[[Kept | str | None, Settled], None],
    moved: Callable[[], None],
) -> None:
    """Listen to a stream; what it said is judged by `whole` when it is settled."""
    if reply.tap is None:
        heard("its stream cannot be listened to", Settled())
        return
    lost: list[bool] = []

    def hear(event: Any) -> None:
        moved()
        if not lost:
            try:
                feed(event)
            except SHAPE_ERRORS:
                lost.append(True)

    def settled(end: Settled) -> None:
        kept: Kept | str | None = None
        if end.error is None and end.complete:
            kept = "it does not have the shape of an answer"
            with suppress(*SHAPE_ERRORS):
                kept = (None if lost else whole()) or kept
        heard(kept, end)

    reply.tap(hear)
    reply.on_settled(settled)


async def replayed(events: list[Any], call: Call, attempt: Attempt) -> Reply:
    """A reply that streams these events."""
    end = Settlement()

    def finished(error: BaseException | None, complete: bool) -> None:
        end.settle(Settled(attempt.usage, attempt.cost, error, complete))

    primed = Primed(_Once(events), close=lambda: None, finished=finished, clock=call.clock)
    await primed.prime()
    return Reply(primed, attempt, end=end, bound=primed.bound, tap=lambda hear: _shown(primed, hear))


def _shown(primed: Primed, hear: Callable[[Any], None]) -> None:
    """All of it has come already."""
    for event in primed.held:
        hear(event)


def _scope_of(target: Target) -> bytes:
    """Of a target with an endpoint of its own, which is where a cache inside a chain finds itself."""
    key = hashlib.sha256((target.api_key or "").encode()).hexdigest()
    asked = (target.base_url, key, headers_of((target.headers or {}).items()))
    return CANONICAL.encode(asked).encode()


class _Once:
    """One batch of events. No generator: one that is dropped would have to be closed by a loop."""

    def __init__(self, events: list[Any]) -> None:
        self._events: list[Any] | None = events

    def __aiter__(self) -> AsyncIterator[tuple[bool, list[Any]]]:
        return self

    async def __anext__(self) -> tuple[bool, list[Any]]:
        events, self._events = self._events, None
        if events is None:
            raise StopAsyncIteration
        return True, events


class _Said:
    """The events again, as the bytes that a wire would have brought."""

    def __init__(self, events: list[Any], *, named: bool) -> None:
        self._parts = [
            (f"event: {event.type}\n".encode() if named else b"") + b"data: " + dumped(event) + b"\n\n"
            for event in events
        ]
        if not named:
            self._parts.append(b"data: [DONE]\n\n")

    async def bytes_again(self) -> AsyncIterator[bytes]:
        """The bytes of the stream from their beginning."""
        for part in self._parts:
            yield part


def dumped(value: Any) -> bytes:
    """A reply's object as the JSON it was made of."""
    # Not `model_dump_json`: that makes a text of it first.
    kind = cast("Any", type(value))
    body: bytes = kind.__pydantic_serializer__.to_json(value, exclude_unset=True, by_alias=True, warnings=False)
    return body


def value_of(dialect: Dialect, body: bytes) -> Any:
    """What was kept as an object of its own."""
    kind = dialect.value_type
    try:
        return kind.model_validate_json(body, strict=True)
    except pydantic.ValidationError:
        # As the answer itself did when it came, it strays from the schema.
        return kind.construct(**_answer(body))


def _answer(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("an answer is a JSON object")  # noqa: TRY004 - what came is data, not a wrong argument
    return as_dict(answer)  # pyright: ignore[reportUnknownArgumentType]


def _kept(dialect: Dialect, body: bytes, value: Any, *, substitute: bool) -> Kept | str:
    kind = KIND_OF[dialect.path]
    return kind.objection(value) or Kept(body, kind.calls_tools(value), substitute)


def _substituted(raw: Any) -> bool:
    """Whether the router says that it fell back to another model by itself."""
    return raw is not None and told_by(raw).get("x-litellm-attempted-fallbacks", "") not in {"", "0"}
