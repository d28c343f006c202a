"""A router of several models, each of which says what its script says, and when."""

import asyncio
import inspect
import json
from decimal import Decimal

from upstream import HELLO, Upstream, completion, response, response_events, sse, status, text_chunks

from hanzo_agents._kernel.clock import current_clock

FORTY_TWO = "The answer is forty-two, as everybody knows."
QUESTION = {"role": "user", "content": "What is the answer?"}


class Router(Upstream):
    """`says`: by model, a text, a status, an exception, a body, or a function of the request's body.

    `after`: by model, seconds of the test's clock before it answers; None: never.
    """

    def __init__(self, says, *, after=None):
        self.says, self.after = says, after or {}
        self.running = self.most_running = 0
        super().__init__(self._reply)

    async def _reply(self, request):
        body = json.loads(request.content)
        model = body["model"]
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            wait = self.after.get(model, 0)
            if wait is None:
                await asyncio.Event().wait()
            if wait:
                await current_clock().sleep(wait)
            step = self.says[model]
            if callable(step) and not isinstance(step, BaseException):
                step = step(body)
                if inspect.isawaitable(step):
                    step = await step
        finally:
            self.running -= 1
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, int):
            return status(step)
        if not isinstance(step, str):
            return step
        if request.url.path.endswith("/responses"):
            return sse(*response_events(text=step), done=False) if body.get("stream") else response(text=step)
        if body.get("stream"):
            return sse(*text_chunks(*(f"{word} " for word in step.split())))
        return completion(step)

    def asked(self, model):
        """The bodies that a model got."""
        return [body for body in self.bodies if body["model"] == model]

    @property
    def models(self):
        return [body["model"] for body in self.bodies]


def said_to(body):
    """All the text that a request holds."""
    return json.dumps(body, ensure_ascii=False)


def last(body):
    """The text of the last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def votes_for(text):
    """A judge who finds the answer that holds `text`, whatever its letter."""

    def judge(body):
        question = last(body)
        before = question[: question.index(text)]
        letter = before.rpartition('id="')[2][0]
        return json.dumps({"reason": "It is right.", "scores": {letter: 9}, "winner": letter})

    return judge


async def ask(client, *, stream=False, **more):
    """The answer's text, and its reply (of a stream, the last chunk)."""
    asked = {"model": "m", "messages": [QUESTION], **more}
    answer = await client.chat.completions.create(stream=stream, **asked)
    if not stream:
        return answer.choices[0].message.content, answer
    chunks = [chunk async for chunk in answer]
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks[-1]


async def lasting(clock, awaitable):
    """What it gives, and how many seconds it takes, of at most 100."""
    task, began = asyncio.ensure_future(awaitable), clock.now()
    for _ in range(200):
        await clock.settle()
        if task.done():
            break
        await clock.run_for(0.5)
    return await task, clock.now() - began


def usd(text):
    return Decimal(text)


__all__ = ["FORTY_TWO", "HELLO", "QUESTION", "Router", "ask", "last", "lasting", "said_to", "usd", "votes_for"]
