"""One attempt at a mode call: a request on the wire, and its answer read up to acceptance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Attempt
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.shapes import as_dict, dicts
from hanzo_agents._kernel.tap import Tap
from hanzo_agents._wire.account import StreamAccount
from hanzo_agents._wire.costs import estimate
from hanzo_agents._wire.facts import note_usage
from hanzo_agents._wire.failures import request_id_of
from hanzo_agents._wire.once import book_failure, pass_guards
from hanzo_agents._wire.reading import json_or_none
from hanzo_agents.llmwise.events import Check, Reader
from hanzo_agents.llmwise.failures import LLMWiseError, misshapen, reported
from hanzo_agents.llmwise.tally import Tally

if TYPE_CHECKING:
    from decimal import Decimal

    import httpx2

    from hanzo_agents._kernel.call import Call
    from hanzo_agents.llmwise.endpoint import Endpoint
    from hanzo_agents.llmwise.view import ModeView

__all__ = ["Exchange", "attempt"]

_PAGES = frozenset({"text/html", "application/json"})

_ANSWERS: dict[str, tuple[str, type[Any]]] = {
    "chat": ("content", str),
    "compare": ("responses", list),
    "blend": ("content", str),
}
"""The field without which there is no answer. What a judge says is documented too little to tell."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an attempt needs beside the call.

    Attributes:
        credit_usd: US dollars of a credit, where the caller knows.
        dropped: settings that are not sent, until somebody was told.
        opened: the replies of this call so far, so that none is left behind should a policy fail after it has one.
    """

    credit_usd: Decimal | None = None
    dropped: list[str] = field(default_factory=list[str])
    opened: list[Reply] = field(default_factory=list["Reply"], compare=False)


async def attempt(endpoint: Endpoint, call: Call) -> Reply:
    """Send once and read up to acceptance.

    Raises:
        LLMWiseError: the service refused or failed, or what came is no answer.
        openai.APIConnectionError: it could not be reached.
        Refused: a guard of the call refuses it now.
    """
    record = Attempt(
        call.attempt, str(call.target), call.clock.now(), model=call.target.name, server=endpoint.server,
        provider="llmwise",
    )  # fmt: skip
    call.begin(record)
    view: ModeView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    try:
        await pass_guards(call, record)
        response = await endpoint.open(view.request, stream=view.streams)
        record.status_code, record.request_id = response.status_code, request_id_of(response)
        if view.streams:
            return await _stream(endpoint, call, view, response, record)
        return await _value(endpoint, call, view, response, record)
    except BaseException as error:  # noqa: BLE001 - raised again, whatever it is
        _failed(call, record, error)
        bare = error.with_traceback(None) if isinstance(error, LLMWiseError) else error
        raise bare from error.__cause__


async def _value(
    endpoint: Endpoint, call: Call, view: ModeView, response: httpx2.Response, record: Attempt
) -> Reply:
    content = await endpoint.body(response)
    secrets = endpoint.secrets(response.request)
    value = endpoint.read(view.request, response, content)
    if value.get("error") and not value.get("content"):
        raise reported(value, response, secrets)
    needed, shape = _ANSWERS.get(view.operation, ("", object))
    if needed and not isinstance(value.get(needed), shape):
        raise misshapen("Unexpected response shape", response, content, secrets)
    tally = Tally(view, _exchange(call).credit_usd)
    tally.take(value)
    usage = tally.usage(_said(value))
    note_usage(record, usage, tally.told)
    record.model = tally.model or record.model
    estimate(call, record)
    record.accepted = record.ended = call.clock.now()
    call.journal.finish(record)
    return Reply(value, record, raw=response, end=Settlement(Settled(usage, record.cost)))


async def _stream(
    endpoint: Endpoint, call: Call, view: ModeView, response: httpx2.Response, record: Attempt
) -> Reply:
    secrets = endpoint.secrets(response.request)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _PAGES:
        content = await endpoint.body(response)
        told = as_dict(json_or_none(content))
        if told.get("error"):
            raise reported(told, response, secrets)
        raise misshapen("a stream was asked for, and none came", response, content, secrets)
    tally = Tally(view, _exchange(call).credit_usd)
    check = Check(view, tally)
    account = StreamAccount(call, record, check, None)
    tap = Tap()

    def accounted(events: list[Any]) -> None:
        record.model = tally.model or record.model
        account.accounted(events)

    reader = Reader(response, check, secrets, limit=endpoint.limit, accounted=accounted, show=tap.show)
    primed = Primed(
        reader.batches(),
        close=lambda: None if response.is_closed else response.aclose(),
        finished=account.finished,
        whole=lambda: check.complete,
        clock=call.clock,
    )
    await primed.prime()
    account.accept()

    def bound(until: float | None, idle: float | None) -> None:
        reader.hurry(idle)
        primed.bound(until, idle)

    return Reply(
        primed, record, raw=response, end=account.end, bound=bound, tap=lambda hear: tap.open(primed.held, hear)
    )


def _exchange(call: Call) -> Exchange:
    exchange: Exchange = call.payload
    return exchange


def _said(value: dict[str, Any]) -> str:
    answers = [value, *dicts(value.get("responses"))]
    return "".join(text for answer in answers if isinstance(text := answer.get("content"), str))


def _failed(call: Call, record: Attempt, error: BaseException) -> None:
    refused = isinstance(error, LLMWiseError) and error.code in {"refused", "redirect"}
    if isinstance(error, LLMWiseError) and refused:
        record.status_code, record.request_id = error.status_code, error.request_id
    book_failure(call, record, error, refused=refused)
