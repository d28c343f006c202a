"""A policy that a block of code puts around every send made in it, whatever the stack."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.stack import Policy

__all__ = ["around_sends", "innermost", "put_around"]

_around: ContextVar[Policy | None] = ContextVar("hanzo_agents_around_sends", default=None)


@contextmanager
def around_sends(policy: Policy) -> Generator[None]:
    """Have every send in the block, also in tasks started inside it, pass through `policy` last of all."""
    token = _around.set(policy)
    try:
        yield
    finally:
        _around.reset(token)


def put_around() -> Policy | None:
    """The policy of the block around here."""
    return _around.get()


def innermost(send: Send) -> Send:
    """The service `send`, inside whatever policy the caller's block has put around it."""

    def layer(call: Call) -> Awaitable[Reply]:
        policy = _around.get()
        return send(call) if policy is None else policy(call, send)

    return layer
