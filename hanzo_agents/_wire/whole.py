"""Whole chat answers that were asked for as streams.

A stream shows early that an answer is coming, where a whole answer shows nothing until it is there: a limit on the
first useful event can be short, and a long answer meets no read timeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openai import NotGiven, Omit
from openai._constants import RAW_RESPONSE_HEADER
from openai._models import add_request_id

from hanzo_agents._wire.failures import request_id_of
from hanzo_agents._wire.keeping.kinds import KIND_OF
from hanzo_agents._wire.replies import HanzoChatCompletion, take_outcome
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Gathered", "wants_whole"]


def wants_whole(kwargs: Mapping[str, Any]) -> bool:
    """Whether a caller who says nothing of streams wants a parsed answer, and not the HTTP response."""
    if not isinstance(kwargs.get("stream", None), Omit | NotGiven | None):
        return False
    return not any(name.lower() == RAW_RESPONSE_HEADER.lower() for name in kwargs.get("extra_headers") or ())


class Gathered:
    """The chunks of a stream, put together into the answer they make."""

    def __init__(self) -> None:
        self._assembly = KIND_OF["/chat/completions"].assembly()
        self._last: Any = None

    def feed(self, chunk: Any) -> None:
        """Take the next chunk."""
        self._assembly.feed(chunk)
        self._last = chunk

    def answer(self, response: Any) -> HanzoChatCompletion:
        """The answer, which knows what its call took.

        Args:
            response: the stream's HTTP response, which has the request's id.

        Raises:
            InvalidResponse: the chunks make none.
        """
        body = self._assembly.whole()
        if body is None:
            raise InvalidResponse("the chunks of the stream make no whole answer", code="invalid_response")
        answer = HanzoChatCompletion.from_json(body)
        take_outcome(self._last, answer)
        add_request_id(answer, request_id_of(response))
        return answer
