"""What every sender of one request does alike: guards, the transport's errors, and the account of a failure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from openai._httpx2 import request_exceptions

from hanzo_agents._kernel.journal import Cost
from hanzo_agents._kernel.primed import finish_closing
from hanzo_agents._version import __version__
from hanzo_agents._wire.reading import read_body
from hanzo_agents.errors import Refused
from hanzo_agents.policies.classify import not_sent

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt

__all__ = ["USER_AGENT", "book_failure", "pass_guards", "send_once", "whole_body"]

USER_AGENT = f"hanzo-agents-provider/{__version__}"
"""What this package calls itself to services that are not OpenAI's."""


async def pass_guards(call: Call, record: Attempt) -> None:
    """Ask the guards of a call once more, just before it is sent.

    Raises:
        Refused: one refuses it now.
    """
    if call.guards:
        record.sent = False
        await call.pass_guards()
        record.sent = True


def book_failure(call: Call, record: Attempt, error: BaseException, *, refused: bool) -> None:
    """Write down that an attempt failed, and that what was not sent, or is refused, costs nothing."""
    record.error, record.ended = error, call.clock.now()
    record.sent = record.sent and not (isinstance(error, Refused) or not_sent(error))
    if record.cost.amount is None and (not record.sent or refused):
        # Providers do not bill what they refuse.
        record.cost = Cost(Decimal(0), "reported" if not record.sent else "estimated")
    call.journal.finish(record)


async def send_once(
    http: Any, request: httpx2.Request, lost: Callable[[Exception, httpx2.Request], Exception]
) -> httpx2.Response:
    """Send a request, and return the response with its body unread. Redirects are not followed.

    Args:
        http: the HTTP client.
        request: what is sent.
        lost: makes the error for a request that got no reply.
    """
    try:
        response: httpx2.Response = await http.send(request, stream=True, follow_redirects=False)
    except request_exceptions() as error:
        failure = lost(error, request)
    else:
        return response
    # Raised out here, so that the transport's error and its frames, which hold the key, are not its context.
    raise failure


async def whole_body(
    response: httpx2.Response, limit: int, lost: Callable[[Exception, httpx2.Request], Exception]
) -> bytes:
    """The whole body; the response is closed.

    Args:
        response: its body is unread.
        limit: bytes at which it is abandoned.
        lost: makes the error for a body that broke off.

    Raises:
        ResponseTooLarge: it exceeds the limit.
    """
    try:
        return await read_body(response, limit)
    except request_exceptions() as error:
        failure = lost(error, response.request)
    finally:
        if not response.is_closed:
            await finish_closing(response.aclose())
    raise failure
