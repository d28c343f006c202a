"""One attempt: a request on the wire, and its reply read up to acceptance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from openai import APIStatusError, AsyncOpenAI
from openai._httpx2 import request_exceptions

from hanzo_agents._kernel.journal import Attempt, Usage
from hanzo_agents._kernel.primed import Primed, without_frames
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._kernel.tap import Tap
from hanzo_agents._wire.account import StreamAccount
from hanzo_agents._wire.bodies import hear_closing, raw_response
from hanzo_agents._wire.compose import Composer
from hanzo_agents._wire.costs import estimate
from hanzo_agents._wire.facts import estimated_usage, filled, note_headers, note_usage, usage_of
from hanzo_agents._wire.failures import (
    connection_error,
    not_an_answer,
    redirected,
    reported_error,
    request_id_of,
    status_error,
)
from hanzo_agents._wire.headers import told_by
from hanzo_agents._wire.labels import Labels
from hanzo_agents._wire.once import book_failure, pass_guards, send_once, whole_body
from hanzo_agents._wire.reading import MISSHAPEN, SHAPE_ERRORS, Parser, json_or_none, read_body
from hanzo_agents._wire.redact import Secrets
from hanzo_agents._wire.stream import EventReader, HanzoStream
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._wire.compose import Extras
    from hanzo_agents._wire.dialects.dialect import Dialect, RequestView

__all__ = ["Endpoint", "Exchange"]

MOST_ERROR_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an attempt needs beside the call: the dialect, and what the caller attached to this request."""

    dialect: Dialect
    extras: Extras
    stream: bool
    opened: list[Reply] = field(default_factory=list["Reply"], compare=False)
    """The replies of this call so far, so that none is left behind should a policy fail after it has one."""


@dataclass(slots=True)
class Endpoint:
    """One base URL and key: composes requests, sends them, reads replies. Never retries."""

    client: AsyncOpenAI
    limit: int
    labels: Labels = field(default_factory=Labels)
    provider: str | None = None
    secrets: Secrets = field(init=False)
    parser: Parser = field(init=False)
    composer: Composer = field(init=False)
    server: str = field(init=False)

    def __post_init__(self) -> None:
        """Bind the parts to this endpoint's key."""
        self.secrets = Secrets(current=lambda: self.client.api_key)
        self.parser = Parser(self.client, self.secrets)
        self.composer = Composer(self.client, self.labels)
        self.server = self.client.base_url.netloc.decode("ascii", "replace")

    async def attempt(self, call: Call, exchange: Exchange) -> Reply:
        """Send once and read up to acceptance.

        Raises:
            openai.APIError: the upstream refused, failed, or could not be reached.
            InvalidResponse: what came back with a success status is no answer.
            Refused: a guard of the call refuses it now.
        """
        record = Attempt(
            call.attempt,
            str(call.target),
            call.clock.now(),
            model=call.target.name,
            server=self.server,
            provider=self.provider,
        )
        call.begin(record)
        try:
            await pass_guards(call, record)
            response = await self._send(call, exchange)
            record.status_code = response.status_code
            note_headers(record, told_by(response), stream=exchange.stream)
            if exchange.stream:
                return await self._accept_stream(call, exchange, response, record)
            return await self._accept_value(call, exchange, response, record)
        except BaseException as error:  # noqa: BLE001 - raised again, whatever it is
            self._failed(call, record, error)
            raise without_frames(error) from error.__cause__

    async def _send(self, call: Call, exchange: Exchange) -> Any:
        request = await self.composer.compose(call.view, exchange.dialect, exchange.extras)  # type: ignore[arg-type]
        http: Any = self.client._client  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        response = await send_once(http, request, self._lost)
        if response.status_code >= 300:
            raise await self._refusal(response)
        return response

    def _lost(self, error: Exception, request: Any) -> Exception:
        return connection_error(error, request, self.secrets.sent_with(request))

    async def _refusal(self, response: Any) -> Exception:
        """The error for a bad status."""
        if response.status_code < 400:
            await response.aclose()
            return redirected(response)
        try:
            content = await read_body(response, MOST_ERROR_BYTES)
        except InvalidResponse:
            content = b""
        except request_exceptions():
            content = b""
        finally:
            await response.aclose()
        return status_error(self.client, response, content, self.secrets.sent_with(response.request))

    async def _body(self, response: Any, limit: int) -> bytes:
        """The whole body; what breaks on the way is the SDK's connection error."""
        return await whole_body(response, limit, self._lost)

    async def _accept_value(self, call: Call, exchange: Exchange, response: Any, record: Attempt) -> Reply:
        view: RequestView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
        dialect = exchange.dialect
        content = await self._body(response, self.limit)
        secrets = self.secrets.sent_with(response.request)
        value: Any = None
        usage: Usage | None = None
        try:
            value = self.parser.value(dialect, view, response, content)
            raw = dialect.usage(value)
            told = usage_of(raw)
            usage = filled(
                told, lambda: estimated_usage(view.text, dialect.output_text(value), given=view.given_tokens)
            )
            if usage is not told:
                dialect.add_usage(value, usage)
            note_usage(record, usage, raw)
        except SHAPE_ERRORS:
            usage = None
        if usage is None:
            raise not_an_answer(MISSHAPEN, response, content, secrets)
        group = told_by(response).get("x-litellm-model-group")
        record.model = group or getattr(value, "model", record.model)
        estimate(call, record, group=group)
        record.accepted = record.ended = call.clock.now()
        call.journal.finish(record)
        return Reply(value, record, raw=response, end=Settlement(Settled(usage, record.cost)))

    async def _accept_stream(self, call: Call, exchange: Exchange, response: Any, record: Attempt) -> Reply:
        await self._check_content_type(response)
        view: RequestView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
        check = exchange.dialect.events(view, lambda text: estimated_usage(view.text, text))
        account = StreamAccount(call, record, check, told_by(response).get("x-litellm-model-group"))
        tap = Tap()
        reader = EventReader(
            response, exchange.dialect, check, self.parser,
            self.secrets.sent_with(response.request), limit=self.limit,
            accounted=account.accounted, tap=tap,
        )  # fmt: skip
        primed = Primed(
            reader.batches(),
            close=lambda: None if response.is_closed else response.aclose(),
            finished=account.finished,
            whole=lambda: check.complete,
            clock=call.clock,
        )
        hear_closing(response, primed)
        await primed.prime()
        account.accept()
        raw = response
        if exchange.extras.raw:
            raw = raw_response(response, reader, primed)
        else:
            reader.forget()
        stream = HanzoStream[Any](primed, response, exchange.dialect.value_type, self.client)

        def bound(until: float | None, idle: float | None) -> None:
            reader.hurry(idle)
            primed.bound(until, idle)

        return Reply(
            stream, record, raw=raw, end=account.end, bound=bound, tap=lambda hear: tap.open(primed.held, hear)
        )

    async def _check_content_type(self, response: Any) -> None:
        """A stream must be one: pages and plain JSON with a success status are not."""
        kind = told_by(response).get("content-type", "").partition(";")[0].strip().lower()
        if kind not in {"text/html", "application/json", "text/plain"} and not kind.endswith("+json"):
            return
        content = await self._body(response, MOST_ERROR_BYTES)
        secrets = self.secrets.sent_with(response.request)
        if kind == "text/plain" and content.lstrip().startswith((b"data:", b"event:", b":")):
            raise not_an_answer(
                "the stream came as plain text, and not while it was made", response, content, secrets
            )
        if error := as_dict(json_or_none(content)).get("error"):
            raise reported_error(error, secrets, request_id_of(response))
        raise not_an_answer("a stream was asked for, and none came", response, content, secrets)

    def _failed(self, call: Call, record: Attempt, error: BaseException) -> None:
        if isinstance(error, APIStatusError):
            record.status_code = error.status_code
            note_headers(record, told_by(error.response))
        refused = isinstance(error, APIStatusError) or getattr(error, "code", None) == "redirect"
        book_failure(call, record, error, refused=refused)
