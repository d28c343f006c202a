"""One question on the wire: sent once, its reply read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import openai

from hanzo_agents._kernel.journal import Attempt, Cost
from hanzo_agents._kernel.primed import without_frames
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.shapes import as_dict
from hanzo_agents._wire.compose import ENCODER
from hanzo_agents._wire.costs import estimate
from hanzo_agents._wire.facts import estimated_usage
from hanzo_agents._wire.failures import (
    connection_error,
    not_an_answer,
    redirected,
    reported_error,
    request_id_of,
    scrubbed_copy,
)
from hanzo_agents._wire.once import book_failure, pass_guards, send_once, whole_body
from hanzo_agents._wire.reading import json_or_none
from hanzo_agents._wire.redact import Secrets
from hanzo_agents.errors import InvalidResponse
from hanzo_agents.vectorcache.errors import TimedOut, Unreachable, VectorcacheStatusError, refusal
from hanzo_agents.vectorcache.response import MOST_DOLLARS, Misread, answer_of

if TYPE_CHECKING:
    import httpx2

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.vectorcache.endpoint import Endpoint
    from hanzo_agents.vectorcache.question import QuestionView
    from hanzo_agents.vectorcache.response import VectorcacheResponse

__all__ = ["Wire"]

MOST_ERROR_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wire:
    """The connections to one Vectorcache. Never retries.

    Attributes:
        timeout: seconds that connecting, and each read, may take.
        limit: bytes of a reply.
    """

    endpoint: Endpoint
    http: httpx2.AsyncClient = field(repr=False)
    timeout: float
    limit: int

    async def attempt(self, call: Call) -> Reply:
        """Send once.

        Raises:
            VectorcacheError: the service refused, failed, or could not be reached.
            InvalidResponse: what came back with a success status is no answer.
            Refused: a guard of the call refuses it now.
        """
        record = Attempt(
            call.attempt, str(call.target), call.clock.now(), model=call.target.name,
            server=self.endpoint.server, provider="vectorcache",
        )  # fmt: skip
        call.begin(record)
        try:
            await pass_guards(call, record)
            return await self._accept(call, record)
        except BaseException as error:  # noqa: BLE001 - raised again, whatever it is
            refused = isinstance(error, VectorcacheStatusError) or getattr(error, "code", None) == "redirect"
            book_failure(call, record, error, refused=refused)
            raise without_frames(error) from error.__cause__

    async def _accept(self, call: Call, record: Attempt) -> Reply:
        view: QuestionView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
        response = await self._send(self._request(view))
        record.status_code, record.request_id = response.status_code, request_id_of(response)
        if response.status_code >= 400:
            raise await self._refusal(response, call.clock.wall())
        content = await whole_body(response, self.limit, self._unreachable)
        answer = self._answer(response, content)
        _account(call, record, view.text, answer)
        record.accepted = record.ended = call.clock.now()
        call.journal.finish(record)
        return Reply(answer, record, raw=response, end=Settlement(Settled(record.usage, record.cost)))

    def _request(self, view: QuestionView) -> httpx2.Request:
        return self.http.build_request(
            "POST",
            self.endpoint.url,
            content=ENCODER.encode(self.endpoint.body(view.question)).encode(),
            headers=self.endpoint.headers(),
            timeout=self.timeout,
        )

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        response = await send_once(self.http, request, self._unreachable)
        if not 300 <= response.status_code < 400:
            return response
        await response.aclose()
        moved = redirected(response)
        self._secrets().scrub_error(moved)
        raise moved

    async def _refusal(self, response: httpx2.Response, wall: float) -> VectorcacheStatusError:
        """The error for a bad status. Not raised here, where what came may hold the key."""
        try:
            content = await whole_body(response, MOST_ERROR_BYTES, self._unreachable)
        except (Unreachable, InvalidResponse):
            content = b""
        copy = scrubbed_copy(response, content, self._secrets(response))
        return refusal(copy, json_or_none(copy.content), wall=wall)

    def _answer(self, response: httpx2.Response, content: bytes) -> VectorcacheResponse:
        """The answer in a body. Errors are raised out here: those of parsers hold the text."""
        body = json_or_none(content)
        fields = as_dict(body)
        if (wrong := fields.get("error")) or ("response" not in fields and (wrong := fields.get("detail"))):
            told = {"message": fields.get("message") or wrong, "code": wrong}
            raise reported_error(told, self._secrets(response), request_id_of(response))
        try:
            return answer_of(body)
        except Misread as misread:
            why = str(misread)
        raise not_an_answer(why, response, content, self._secrets(response))

    def _unreachable(self, error: Exception, request: httpx2.Request) -> Unreachable:
        lost = connection_error(error, request, self._secrets())
        timed_out = isinstance(lost, openai.APITimeoutError)
        why = f"no answer from {self.endpoint.server}{' in time' if timed_out else ''}: {lost.__cause__}"
        made = (TimedOut if timed_out else Unreachable)(why, request=lost.request)
        made.__cause__ = lost.__cause__
        return made

    def _secrets(self, response: httpx2.Response | None = None) -> Secrets:
        secrets = Secrets(current=self.endpoint.key.get_secret_value)
        return secrets if response is None else secrets.sent_with(response.request)


def _account(call: Call, record: Attempt, asked: str, answer: VectorcacheResponse) -> None:
    """Write down what the answer took: a hit no model at all; a miss a model, whose tokens the service keeps."""
    record.cache_hit = answer.cache_hit
    if answer.cache_hit:
        record.cost = Cost(Decimal(0), "reported")
        return
    record.usage = estimated_usage(asked, answer.response)
    record.provider = answer.llm_provider
    told = answer.extra.get("estimated_cost")
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told <= MOST_DOLLARS:
        record.cost = Cost(Decimal(repr(told)), "estimated")
    estimate(call, record)
