"""Calls, and an inner service that does as scripted: what policy tests stand on instead of a wire."""

import asyncio
import json
from dataclasses import dataclass, replace

import httpx2
import openai

from hanzo_agents import Call, Journal, Reply, Settled, Target
from hanzo_agents._kernel.clock import current_clock
from hanzo_agents._kernel.primed import Primed
from hanzo_agents._kernel.reply import Settlement


@dataclass(frozen=True)
class PlainView:
    """A request of nothing in particular."""

    operation: str = "chat"
    text: str = "Hello!"
    messages: tuple = ()
    needs: frozenset = frozenset()
    max_output: int | None = None
    choices: int = 1
    given_tokens: int = 0
    foretold: int = 0
    stateful: bool = False
    model: str = "m"
    dropped: tuple = ()

    @property
    def size(self):
        return len(self.text.encode()) + (len(json.dumps(self.messages)) if self.messages else 0)

    def with_model(self, model):
        return self if model is None else replace(self, model=model)

    def with_max_output(self, tokens):
        return replace(self, max_output=tokens)


def make_call(target="m", **fields):
    view = fields.pop("view", None) or PlainView(needs=frozenset(fields.pop("needs", ())))
    target = target if isinstance(target, Target) else Target(target)
    clock = current_clock()
    return Call(target=target, view=view, journal=Journal(clock.now(), "chat"), clock=clock, **fields)


def http_error(status, code=None, message="failed", **headers):
    """An error of the upstream, as the SDK makes it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx2.Request("POST", "https://router.test/v1/chat/completions")
    response = httpx2.Response(status, headers=named, request=request)
    body = {"message": message, "code": code}
    kind = {
        400: openai.BadRequestError,
        401: openai.AuthenticationError,
        403: openai.PermissionDeniedError,
        404: openai.NotFoundError,
        409: openai.ConflictError,
        422: openai.UnprocessableEntityError,
        429: openai.RateLimitError,
    }.get(status, openai.InternalServerError if status >= 500 else openai.APIStatusError)
    return kind(message, response=response, body=body)


def lost_connection(cause=None):
    request = httpx2.Request("POST", "https://router.test/v1/chat/completions")
    error = openai.APIConnectionError(request=request)
    error.__cause__ = cause or httpx2.ReadError("reset")
    return error


class Inner:
    """The service beneath a policy: each step is an error to raise or a value to answer; the last one repeats."""

    def __init__(self, *steps):
        self.steps = steps or ("answer",)
        self.calls = []

    async def __call__(self, call):
        step = self.steps[min(len(self.calls), len(self.steps) - 1)]
        self.calls.append(call)
        if asyncio.iscoroutinefunction(step):
            step = await step(call)
        elif callable(step) and not isinstance(step, BaseException):
            step = step(call)
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, Reply) else Reply(step)

    @property
    def targets(self):
        return [str(call.target) for call in self.calls]


class Script:
    """One attempt of a stream: its events (name, useful), and what happens after them.

    `end` is an exception to raise, or None for a good end.
    """

    def __init__(self, events, end=None):
        self.events = list(events)
        self.end = end
        self.closed = 0

    async def open(self, clock):
        async def batches():
            for name, useful in self.events:
                await asyncio.sleep(0)
                yield useful, [name]
            await asyncio.sleep(0)
            if self.end is not None:
                raise self.end

        end = Settlement()
        source = batches()

        async def close():
            self.closed += 1
            await source.aclose()

        primed = Primed(
            source,
            close=close,
            finished=lambda error, complete: end.settle(Settled(error=error, complete=complete)),
            clock=clock,
        )
        await primed.prime()
        return Reply(primed, end=end, bound=primed.bound)


async def read(stream):
    """What a reader gets of a stream: its events, and the error that ended it."""
    got = []
    try:
        async for event in stream:
            got.append(event)  # noqa: PERF401 - what came before an error counts
    except Exception as error:
        return got, error
    return got, None
