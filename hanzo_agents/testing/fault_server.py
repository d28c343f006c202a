"""`FaultServer`: an upstream for tests, on a real socket, that answers or misbehaves on command.

    from hanzo_agents.testing.fault_server import FaultServer, answers, faults

    with FaultServer() as server:
        server.script(faults.status(429, retry_after=1), answers.text("hi"))
        client = openai.OpenAI(base_url=server.base_url, api_key="k")
        ...
        assert server.hits == 2
        assert server.requests[0].json["model"] == "gpt-4"

It speaks Chat Completions, Responses, Embeddings and Models, streamed or not. What it sends is real bytes
over a real connection, so cuts, resets and hangs are what a client meets in the wild.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from hanzo_agents.testing import _answers as answers
from hanzo_agents.testing import _faults as faults
from hanzo_agents.testing._answers import Answer
from hanzo_agents.testing._http import (
    Altered,
    ByMode,
    Close,
    Http,
    Pause,
    Repeat,
    Reply,
    Reset,
    Send,
    problem,
)
from hanzo_agents.testing._request import Request
from hanzo_agents.testing._said import ToolCall, Usage
from hanzo_agents.testing._server import WireServer
from hanzo_agents.testing._sse import DIALECTS, Dialect, Event

if TYPE_CHECKING:
    import ssl as tls
    from typing import Self

__all__ = [
    "DIALECTS",
    "Altered",
    "Answer",
    "ByMode",
    "Close",
    "Dialect",
    "Event",
    "FaultServer",
    "Http",
    "Lane",
    "Pause",
    "Repeat",
    "Reply",
    "Request",
    "Reset",
    "Send",
    "ToolCall",
    "Usage",
    "answers",
    "faults",
]

CHAT = "/v1/chat/completions"


class Lane:
    """The replies for one path, or for one model on one path.

    Attributes:
        path: The path that is answered.
        model: The model that is answered; None stands for every model that has no lane of its own.
    """

    def __init__(self, server: FaultServer, path: str, model: str | None) -> None:
        self.path = path
        self.model = model
        self._server = server
        self._replies: deque[Reply] = deque()
        self._repeat: Reply | None = None
        self._lock = threading.Lock()

    def script(self, *replies: Reply | str, repeat: bool = False) -> Self:
        """Queue replies, in the order in which they are to be sent; text stands for `answers.text(...)`.

        Args:
            replies: What to send.
            repeat: Whether the last of them is sent again for every request that follows.
        """
        given = [answers.text(reply) if isinstance(reply, str) else reply for reply in replies]
        with self._lock:
            self._replies.extend(given)
            self._repeat = given[-1] if repeat and given else None
        return self

    @property
    def requests(self) -> list[Request]:
        """What was received in this lane, oldest first."""
        return [request for request in self._server.requests if self._server.lane_of(request) is self]

    @property
    def hits(self) -> int:
        """How many requests were received in this lane."""
        return len(self.requests)

    @property
    def left(self) -> int:
        """How many queued replies nobody has asked for yet."""
        return len(self._replies)

    def take(self) -> Reply | None:
        """Return the next reply, or None when there is none left."""
        with self._lock:
            return self._replies.popleft() if self._replies else self._repeat

    def __repr__(self) -> str:
        return f"<Lane {self.path} model={self.model or 'any'} hits={self.hits} left={self.left}>"


class FaultServer(WireServer):
    """An upstream that does what its script says.

    A request that nobody scripted a reply for is answered with status 400, which clients do not retry, and a
    message that says so; it counts in `hits` like any other.

    Args:
        ssl: The server's side of TLS, when it shall speak https.
    """

    def __init__(self, *, ssl: tls.SSLContext | None = None) -> None:
        super().__init__(ssl=ssl)
        self._lanes: dict[tuple[str, str | None], Lane] = {}

    def script(self, *replies: Reply | str, repeat: bool = False, path: str = CHAT) -> Self:
        """Queue replies for `path`, in order; `repeat` sends the last one for ever after."""
        self.lane(path).script(*replies, repeat=repeat)
        return self

    def model(self, name: str, *, path: str = CHAT) -> Lane:
        """Return the lane of one model: `server.model("gpt-4").script(faults.status(503), repeat=True)`."""
        return self.lane(path, model=name)

    def lane(self, path: str = CHAT, *, model: str | None = None) -> Lane:
        """Return the lane of a path, or of one model on it. It is made when it is first asked for."""
        return self._lanes.setdefault((path, model), Lane(self, path, model))

    def lane_of(self, request: Request) -> Lane | None:
        """Return the lane that answers `request`: the model's own if there is one, else the path's."""
        own = self._lanes.get((request.path, request.model))
        return own if own is not None else self._lanes.get((request.path, None))

    def _reply_to(self, request: Request) -> Reply:
        lane = self.lane_of(request)
        reply = lane.take() if lane is not None else None
        if reply is not None:
            return reply
        asked = f"{request.method} {request.path} (model {request.model!r}, request {request.number})"
        if lane is None:
            more = f'FaultServer has no script for {asked}; give it one: script(..., path="{request.path}")'
            return problem(400, more, code="unscripted")
        return problem(400, f"FaultServer has no reply left for {asked}", code="unscripted")
