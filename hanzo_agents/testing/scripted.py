"""`ScriptedRouter`: an upstream for tests that behaves well, and answers what the test tells it to.

    from hanzo_agents.testing.scripted import ScriptedRouter

    with ScriptedRouter(["Which city?", "It is sunny in Paris."]) as router:
        provider = HanzoModelProvider(base_url=router.base_url, api_key="k", model="m")
        ...
        router.assert_complete()

or with a function, which sees each request:

    def reply(request: Request) -> Scripted:
        if request.messages[-1]["role"] == "tool":
            return "345"
        return answers.tool_call("multiply", {"a": 15, "b": 23})

    with ScriptedRouter(reply) as router:
        ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from hanzo_agents.testing import _answers as answers
from hanzo_agents.testing._http import Reply
from hanzo_agents.testing._request import Request
from hanzo_agents.testing._said import ToolCall, Usage
from hanzo_agents.testing._server import WireServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Reply", "Request", "Scripted", "ScriptedRouter", "ToolCall", "Usage", "answers"]

Scripted: TypeAlias = "Reply | str | Mapping[str, Any]"
"""What may be scripted: a text, a whole body as JSON, or any of `answers`."""


class ScriptedRouter(WireServer):
    """A router whose answers are given by a list, or by a function of the request.

    It answers Chat Completions and Responses, streamed or not, whichever the client asks for. With a list,
    one answer goes to each POST in turn; `GET /v1/models` is answered from `models` and takes none.

    Args:
        replies: The answers in order, or `(request) -> answer`. An exception in the function is raised again
            when the context is left.
        models: What `/v1/models` lists.
    """

    def __init__(
        self,
        replies: Callable[[Request], Scripted] | Iterable[Scripted],
        *,
        models: Iterable[str] = ("test-model",),
    ) -> None:
        super().__init__()
        self._models = answers.models(*models)
        self._steps: list[Scripted] | None = None
        if callable(replies):
            self._answer = replies
        else:
            self._steps = list(replies)
            self._answer = self._next_step

    def assert_complete(self) -> None:
        """Check that every answer in the list has been asked for.

        Raises:
            AssertionError: Some were not.
        """
        if self._steps:
            raise AssertionError(f"{len(self._steps)} scripted answers were never asked for: {self._steps!r}")

    def _reply_to(self, request: Request) -> Reply:
        if request.method == "GET" and request.path.endswith("/models"):
            return self._models
        scripted = self._answer(request)
        if isinstance(scripted, str):
            return answers.text(scripted)
        if isinstance(scripted, Mapping):
            return answers.json(scripted)
        return scripted

    def _next_step(self, request: Request) -> Scripted:
        if not self._steps:
            raise AssertionError(
                f"request {request.number} came after the last scripted answer: {request.prompt!r}"
            )
        return self._steps.pop(0)
