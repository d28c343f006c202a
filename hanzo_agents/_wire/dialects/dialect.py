"""What a dialect must know: how to read a request, and when a reply in it is an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hanzo_agents._kernel.call import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._kernel.journal import Usage

__all__ = ["Dialect", "EventCheck", "RequestView"]


class RequestView(View, Protocol):
    """A View that also holds what will be sent."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON body."""
        ...

    @property
    def content(self) -> bytes | None:
        """The body already encoded, when it is known to be unchanged."""
        ...

    @property
    def model(self) -> str | None:
        """The model the body asks for."""
        ...


class EventCheck(Protocol):
    """Follows one stream: mends its events, says which are useful, and whether it ended well."""

    usage: Usage | None
    raw_usage: Any

    def feed(self, event: Any) -> tuple[bool, list[Any]]:
        """Take the next event. Returns whether it commits the stream, and the events to hand on.

        Raises:
            InvalidResponse: the event says that the answer failed.
        """
        ...

    def end(self) -> list[Any]:
        """The stream is over: the events still held back.

        Raises:
            StreamTruncated: it is not finished.
        """
        ...

    @property
    def complete(self) -> bool:
        """Whether the answer is whole, whatever still comes."""
        ...

    @property
    def accounted(self) -> bool:
        """Whether the answer is whole and its tokens are known: nothing that matters comes after that."""
        ...

    @property
    def tool_calls(self) -> list[Any]:
        """The tool calls so far."""
        ...

    @property
    def output_text(self) -> str:
        """The text so far, for estimates."""
        ...


class Dialect(Protocol):
    """One API: its path, its request view, and its rules of what an answer is."""

    path: str
    value_type: type[Any]
    takes_metadata: bool
    """Whether `metadata` in the body reaches the router's log and stays there."""

    def view(self, body: Mapping[str, Any], content: bytes | None = None) -> RequestView:
        """Look at a request body."""
        ...

    def outgoing(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body as it is sent: what the caller wrote, and what we need to account for it."""
        ...

    def check(self, value: Any, view: RequestView) -> None:
        """Mend a value in place, or raise InvalidResponse because it is no answer."""
        ...

    def events(self, view: RequestView, estimate: Callable[[str], Usage]) -> EventCheck:
        """Follow a stream that answers the request; `estimate` gives the usage that it fails to report."""
        ...

    def event_type(self, data: Mapping[str, Any] | str) -> type[Any] | None:
        """The class that parses an event's JSON text, None to construct leniently."""
        ...

    def usage(self, value: Any) -> Any:
        """The usage object of a value, None when it has none."""
        ...

    def add_usage(self, value: Any, usage: Usage) -> None:
        """Put estimated usage where the dialect keeps it, marked as estimated."""
        ...

    def output_text(self, value: Any) -> str:
        """The text of a value, for estimates."""
        ...
