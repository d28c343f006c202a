"""One attempt at the Model seam: a call of somebody's model, up to acceptance."""

from __future__ import annotations

from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import openai

from hanzo_agents._kernel.context import Secluded
from hanzo_agents._kernel.journal import Attempt, Cost, Journal
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents._kernel.tap import Tap
from hanzo_agents._kernel.tracking import track_only
from hanzo_agents._wire.costs import estimate
from hanzo_agents._wire.dialects.call_ids import CallIds
from hanzo_agents._wire.dialects.responses_stream import ResponseEvents
from hanzo_agents._wire.engine import spare_stands_by
from hanzo_agents._wire.facts import estimated_usage, filled, usage_of
from hanzo_agents.errors import InvalidResponse, Refused
from hanzo_agents.policies.classify import not_sent, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from agents import Model

    from hanzo_agents._agents.view import ModelView
    from hanzo_agents._kernel.call import Call

__all__ = ["raised_by", "send_to_model"]

_raised_by: WeakKeyDictionary[BaseException, Model] = WeakKeyDictionary()


async def send_to_model(model: Model, call: Call) -> Reply:
    """Call the model once and read up to acceptance.

    What is no answer raises InvalidResponse; everything else that the model raises passes unchanged.
    """
    record = Attempt(call.attempt, str(call.target), call.clock.now(), model=call.target.name)
    call.begin(record)
    legs: list[Journal] = []
    try:
        if call.guards:
            record.sent = False
            await call.pass_guards()
            record.sent = True
        if call.payload:
            return await _stream(model, call, record, legs)
        return await _value(model, call, record, legs)
    except BaseException as error:
        _adopt(record, legs)
        record.error, record.ended = error, call.clock.now()
        record.status_code = status_of(error)
        if not any(leg.attempts for leg in legs):
            record.sent = record.sent and not (isinstance(error, Refused) or not_sent(error))
            record.cost = _cost_of_failure(record, error)
        if isinstance(error, Exception):
            _sign(error, model)
        call.journal.finish(record)
        raise


async def _value(model: Model, call: Call, record: Attempt, legs: list[Journal]) -> Reply:
    view: ModelView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    with track_only(legs), _spare(call):
        response = await view.get_response(model)
    if not response.output:
        raise InvalidResponse("the model's response has no output", code="empty_reply")
    CallIds(view.tool_call_ids).mend_output(response.output)
    # An SDK model that was told no usage reports zeros.
    record.usage = usage_of(response.usage) if response.usage.total_tokens else None
    record.request_id = response.request_id
    record.accepted = record.ended = call.clock.now()
    _account(call, record, legs)
    call.journal.finish(record)
    return Reply(response, record, end=Settlement(Settled(record.usage, record.cost)))


async def _stream(model: Model, call: Call, record: Attempt, legs: list[Journal]) -> Reply:
    view: ModelView = call.view  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    check = ResponseEvents(view.tool_call_ids, lambda text: estimated_usage(view.text, text), inject=False)
    # Its spans are put back in the context in which they were set; a hedge reads what another task has begun.
    events = Secluded[Any](view.stream_response(model))
    end = Settlement()
    tap = Tap()

    def finished(error: BaseException | None, complete: bool) -> None:
        if record.accepted is None:
            return
        record.usage = filled(check.usage, lambda: estimated_usage(view.text, check.output_text))
        _account(call, record, legs)
        record.ended, record.error = call.clock.now(), error
        if isinstance(error, Exception):
            _sign(error, model)
        call.journal.finish(record)
        whole = complete or (error is None and check.complete)
        end.settle(Settled(record.usage, record.cost, error, whole))

    async def batches() -> AsyncGenerator[tuple[bool, list[Any]]]:
        async for event in events:
            useful, mended = check.feed(event)
            tap.show(mended)
            yield useful, mended
        check.end()

    reader = batches()
    primed = Primed(reader, close=lambda: _close(reader, events), finished=finished, clock=call.clock)
    with track_only(legs), _spare(call):
        await primed.prime()
    record.accepted = call.clock.now()
    return Reply(primed, record, end=end, bound=primed.bound, tap=lambda hear: tap.open(primed.held, hear))


@contextmanager
def _spare(call: Call) -> Generator[None]:
    """Tell a model of ours beneath whether another target stands ready."""
    token = spare_stands_by.set(call.spare)
    try:
        yield
    finally:
        spare_stands_by.reset(token)


async def _close(reader: Any, events: Secluded[Any]) -> None:
    await reader.aclose()
    await events.aclose()


def _account(call: Call, record: Attempt, legs: list[Journal]) -> None:
    """Give an answered attempt its cost: what a model of ours beneath says, else its tokens at list prices."""
    _adopt(record, legs)
    if not legs:
        estimate(call, record)
    elif not any(leg.attempts for leg in legs):
        record.cost = Cost(Decimal(0), "reported")  # a cache of its own has answered


def _cost_of_failure(record: Attempt, error: BaseException) -> Cost:
    """Nothing for what was not sent or was refused with an HTTP status; unknown for what was lost or broken."""
    if not record.sent:
        return Cost(Decimal(0), "reported")
    lost = isinstance(error, openai.APIConnectionError | TimeoutError | ConnectionError | InvalidResponse)
    refused = not lost and (status_of(error) or 0) >= 400
    return Cost(Decimal(0), "estimated") if refused else Cost()


def _adopt(record: Attempt, legs: list[Journal]) -> None:
    """Take over what a model of ours beneath has learned from its router."""
    for leg in legs:
        if leg.attempts:
            # All of them are paid, also those that its own policies have tried again.
            record.cost = leg.cost
        for inner in leg.attempts[-1:]:
            record.model = inner.model or record.model
            record.status_code = inner.status_code
            record.request_id = inner.request_id or record.request_id
            record.server = inner.server
            record.usage = inner.usage or record.usage
            record.cache_hit, record.sent = inner.cache_hit, any(attempt.sent for attempt in leg.attempts)


def _sign(error: Exception, model: Model) -> None:
    """Remember whose error it is, apart from the error: a model holds connections and a key."""
    try:
        _raised_by[error] = model
    except TypeError:  # a builtin exception, which takes no weak reference
        return


def raised_by(error: BaseException) -> Model | None:
    """The model whose call raised the error, so that retry advice is asked of the right one."""
    try:
        return _raised_by.get(error)
    except TypeError:
        return None
