"""Asking somebody before a tool is used that changes something."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hanzo_agents._wire.sync.calls import call_off_loop
from hanzo_agents.errors import ToolError

__all__ = ["Approve", "ToolRequest", "require_approval"]


@dataclass(frozen=True)
class ToolRequest:
    """What a model wants to do.

    Attributes:
        server: the server's name.
        tool: the tool's name there.
        arguments: checked against the tool's schema.
        description: of the tool.
        idempotent: the server says that doing it twice is as good as once.
    """

    server: str
    tool: str
    arguments: Mapping[str, Any]
    description: str = ""
    idempotent: bool = False


Approve = Callable[[ToolRequest], bool | Awaitable[bool]]
"""Says whether a tool may be used. A plain function is called in a thread: it may ask at the terminal."""

_ONE_AT_A_TIME = threading.Lock()
"""For plain functions: of two questions at one terminal nobody could tell which one an answer is to."""


async def require_approval(approve: Approve, request: ToolRequest) -> None:
    """Ask, and take nothing but True for a yes.

    Raises:
        ToolError: no.
    """
    if inspect.iscoroutinefunction(approve) or inspect.iscoroutinefunction(getattr(approve, "__call__", None)):  # noqa: B004
        answer: Any = await approve(request)  # type: ignore[misc]
    else:
        answer = await _asked(approve, request)
        if inspect.isawaitable(answer):
            answer = await answer
    if answer is not True:
        raise ToolError(f"{request.tool}: the user did not approve of it", code="not_approved")


async def _asked(approve: Approve, request: ToolRequest) -> Any:
    given_up = threading.Event()

    def ask() -> Any:
        with _ONE_AT_A_TIME:
            return None if given_up.is_set() else approve(request)

    try:
        return await call_off_loop(ask)
    finally:
        given_up.set()
