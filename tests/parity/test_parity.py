"""One matrix: every policy decides the same whoever calls and however the answer comes.

Rows are seams (`SEAMS`), columns value and stream; each cell runs the same scenarios and compares what the journal
says: attempts, decisions and the outcome. A new seam, the sync client for one, is one more entry in `SEAMS`.
"""

import asyncio
import contextvars
import json

import httpx2
import pytest
from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message
from calls import http_error, lost_connection
from upstream import HELLO, KEY, URL, Upstream, completion, sse, status, text_chunks

from hanzo_agents import (
    Blend,
    Breaker,
    Budget,
    Cache,
    Deadline,
    Fallback,
    Hanzo,
    Hedge,
    Judge,
    MemoryStore,
    Price,
    RateLimit,
    Retry,
    Route,
    SemanticCache,
    Stack,
    Target,
    Trace,
    track,
    wrap,
)
from hanzo_agents._kernel.loop_thread import loop_thread
from hanzo_agents.testing.clock import FakeClock

NO_JITTER = {"jitter": lambda: 0.5}
PAID = {
    "prices": dict.fromkeys(("m", "b", "ScriptedModel"), Price(input=0, output=100)),
    "max_output": 1000,
    "store": MemoryStore(),
}


class Observer:
    def __init__(self):
        self.heard = []

    def attempt_started(self, journal, attempt):
        self.heard.append(f"attempt {attempt.number}")

    def attempt_ended(self, journal, attempt):
        self.heard.append("accepted" if attempt.accepted is not None else "failed")

    def decided(self, journal, decision):
        self.heard.append(f"{decision.policy} {decision.action}")

    def call_ended(self, journal):
        self.heard.append("over")


async def embed(text):
    return [1.0, float(len(text))]


def policies_of(name):
    """Fresh policies for a row; a Fallback's target "b" is filled in by the seam."""
    return {
        "Trace": [Trace(to=[Observer()])],
        "Deadline": [Deadline(total=5)],
        "Retry": [Retry(**NO_JITTER)],
        "Fallback": ["fallback"],
        "Retry and Fallback": [Retry(attempts=2, **NO_JITTER), "fallback"],
        "all": [Trace(to=[Observer()]), Deadline(total=5), Retry(**NO_JITTER), "fallback"],
        "Breaker": [Breaker(failure_threshold=2), Retry(**NO_JITTER), "fallback"],
        "Budget": [Budget(per_call="0.25", **PAID), Retry(**NO_JITTER), "fallback"],
        "Budget that is short": [Budget(daily="0.02", **PAID), Retry(**NO_JITTER), "fallback"],
        "Cache": [Cache(), Retry(attempts=2, **NO_JITTER), "fallback"],
        "SemanticCache": [SemanticCache(embed=embed), Retry(attempts=2, **NO_JITTER), "fallback"],
        "Hedge": ["hedge"],
        "Retry and Hedge": [Retry(**NO_JITTER), "hedge"],
        "Blend": ["blend"],
        "Retry and Blend": ["blend", Retry(attempts=2, **NO_JITTER), "fallback"],
        "Judge": ["judge", Retry(attempts=2, **NO_JITTER), "fallback"],
        "Route": ["route", Retry(**NO_JITTER)],
        "Route and Fallback": ["route", Retry(attempts=2, **NO_JITTER), "fallback"],
        "Retry and RateLimit": [Retry(**NO_JITTER), RateLimit(requests_per_minute=2, max_concurrent=1)],
        "the whole stack": [
            Trace(to=[Observer()]),
            Deadline(total=5),
            Cache(),
            Retry(**NO_JITTER),
            "fallback",
            "hedge",
            Budget(per_call="0.25", **PAID),
            Breaker(failure_threshold=2),
            RateLimit(requests_per_minute=100, max_concurrent=2),
        ],
        "none": [],
    }[name]


# What the upstream does, request by request; "ok" answers, a number is a status.
SCRIPTS = {
    "good": ["ok"],
    "one failure": [503, "ok"],
    "two failures": [503, 503, "ok"],
    "three failures": [503, 503, 503, "ok"],
    "always failing": [503],
    "lost connections": ["lost", "lost", "ok"],
    "a bad request": [400],
    "a wrong key": [401],
    "no such model": [404, "ok"],
    "slow down": [("wait", "1"), "ok"],
    "slow down for an hour": [("wait", "3600"), "ok"],
    "failing, then a bad request": [503, 400],
    "hanging": ["hang"],
    "failing, then hanging": [503, "hang"],
    "hanging, then good": ["hang", "ok"],
}


hanging = contextvars.ContextVar("hanging", default=lambda: None)
"""Called when an upstream begins to hang."""


async def hang():
    hanging.get()()
    await asyncio.Event().wait()


class Wire:
    """A seam over HTTP: plays a script as replies."""

    def __init__(self, script):
        self.steps = list(script)
        self.upstream = Upstream(self._answer)

    async def _answer(self, request):
        step = self.steps[min(self.upstream.hits - 1, len(self.steps) - 1)]
        if step == "hang":
            await hang()
        if step == "lost":
            raise httpx2.ReadError("reset")
        if step == "ok":
            # A leg of an ensemble is asked for a value also where the call streams.
            streams = json.loads(request.content).get("stream")
            return sse(*text_chunks("ok")) if streams else httpx2.Response(200, json=completion("ok"))
        if isinstance(step, tuple):
            return status(429, None, retry_after=step[1])
        return status(step)


def filled(policies, target, other="c"):
    named = {
        "fallback": Fallback(to=[target]),
        "hedge": Hedge(after=1.0, to=[target], max_extra_spend=1.0),
        "blend": Blend([target], strategy="self_moa", samples=2, agreement=None),
        "judge": Judge([target, other], agreement=1.0),
        "route": Route(to=[target], max_latency=5),
    }
    return [named[policy] if isinstance(policy, str) else policy for policy in policies]


async def facade(script, policies, *, stream):
    wire = Wire(script)
    client = wire.upstream.client(policies=Stack(*ordered(filled(policies, "b"))))
    answer = await client.chat.completions.create(messages=[HELLO], stream=stream)
    if not stream:
        return answer.choices[0].message.content
    return "".join([c.choices[0].delta.content or "" async for c in answer if c.choices])


async def sync_facade(script, policies, *, stream):
    """The synchronous client, in a thread: its calls run on the loop thread, where time is made to pass as well."""
    wire = Wire(script)
    client = Hanzo(
        URL, KEY, model="m", http_client=wire.upstream.http, policies=Stack(*ordered(filled(policies, "b")))
    )

    def call():
        answer = client.chat.completions.create(messages=[HELLO], stream=stream)
        if not stream:
            return answer.choices[0].message.content
        return "".join(c.choices[0].delta.content or "" for c in answer if c.choices)

    return await asyncio.to_thread(call)


async def through_the_provider(script, policies, *, stream):
    wire = Wire(script)
    provider = wire.upstream.provider(policies=Stack(*ordered(filled(policies, "b"))))
    return await agent_run(Agent(name="A", model="m"), RunConfig(model_provider=provider), stream=stream)


async def foreign_model(script, policies, *, stream):
    steps = list(script)
    asked = []

    async def respond(_call):
        step = steps[min(len(asked), len(steps) - 1)]
        asked.append(step)
        if step == "hang":
            await hang()
        if step == "lost":
            raise lost_connection()
        if step == "ok":
            return [assistant_message("ok")]
        if isinstance(step, tuple):
            raise http_error(429, retry_after=step[1])
        raise http_error(step)

    def model():
        from agents.testing import ModelStep

        return ScriptedModel([ModelStep(responder=respond) for _ in range(10)])

    others = [Target(model(), label=label) for label in "bc"]
    wrapped = wrap(model(), Stack(*ordered(filled(policies, *others))))
    return await agent_run(Agent(name="A", model=wrapped), RunConfig(), stream=stream)


async def agent_run(agent, config, *, stream):
    if not stream:
        return (await Runner.run(agent, "Hello!", run_config=config)).final_output
    result = Runner.run_streamed(agent, "Hello!", run_config=config)
    async for _ in result.stream_events():
        pass
    return result.final_output


def ordered(policies):
    return sorted(policies, key=lambda policy: policy.place)


SEAMS = {
    "facade": facade,
    "sync client": sync_facade,
    "provider": through_the_provider,
    "foreign model": foreign_model,
}
"""`await seam(script, policies, stream=...)` makes one call and returns its text."""


def here(coroutine):
    return coroutine


def on_the_loop_thread(coroutine):
    return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop_thread()._loop))


RUNS = {"sync client": on_the_loop_thread}
"""Where the calls of a seam run, if not here."""


async def leave_all():
    """Cancel the calls of the loop thread: a thread that waits for one cannot be cancelled."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def story(seam, script, policies, *, stream):
    """What happened to one call, in the words of its journal."""
    policies = policies_of(policies)
    watching = [policy.to[0] for policy in policies if isinstance(policy, Trace)]
    loop, hung = asyncio.get_running_loop(), asyncio.Event()
    token = hanging.set(lambda: loop.call_soon_threadsafe(hung.set))
    where = RUNS.get(seam, here)
    with FakeClock(auto=True) as clock, track() as journals:
        task = asyncio.create_task(SEAMS[seam](SCRIPTS[script], policies, stream=stream))
        over = asyncio.create_task(hung.wait())
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        # A call that hangs is left after a while: by its deadline if it has one, else by us.
        for _ in range(40):
            if task.done():
                break
            await where(clock.run_for(1))
        if where is here:
            task.cancel()
        elif not task.done():
            await where(leave_all())
        await asyncio.wait({task})
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        # A streamed run has a task of its own, which ends a little later than its reader.
        await clock.settle()
    hanging.reset(token)
    (journal,) = journals
    return {
        "outcome": outcome if isinstance(outcome, str) else type(outcome).__name__,
        "attempts": [(a.number, a.accepted is not None, type(a.error).__name__, a.sent) for a in journal.attempts],
        "targets": [["first", "b"][a.target == "b"] for a in journal.attempts],
        "decisions": [(d.policy, d.action) for d in journal.decisions],
        "sleeps": clock.sleeps,
        "over": journal.ended is not None,
        "heard": [observer.heard for observer in watching],
    }


POLICIES = [
    "none",
    "Trace",
    "Deadline",
    "Retry",
    "Fallback",
    "Retry and Fallback",
    "Breaker",
    "Budget",
    "Budget that is short",
    "Cache",
    "SemanticCache",
    "Hedge",
    "Retry and Hedge",
    "all",
    "Retry and RateLimit",
    "Route",
    "Route and Fallback",
    "Blend",
    "Retry and Blend",
    "Judge",
]


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("seam", SEAMS)
@pytest.mark.parametrize("policies", POLICIES)
async def test_the_same_decisions_at_every_seam_however_the_answer_comes(policies, seam, stream):
    for script in SCRIPTS:
        expected = await story("facade", script, policies, stream=False)
        found = await story(seam, script, policies, stream=stream)
        assert found == expected, script


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
@pytest.mark.parametrize("seam", SEAMS)
async def test_the_matrix_compares_something(seam, stream):
    """The column that the others are held to, in full once."""
    found = await story(seam, "two failures", "all", stream=stream)
    assert found == {
        "outcome": "ok",
        "attempts": [(1, False, "InternalServerError", True), (1, False, "InternalServerError", True), (2, True, "NoneType", True)],
        "targets": ["first", "b", "b"],
        "decisions": [("Retry", "gives up"), ("Fallback", "moves on"), ("Retry", "retries")],
        "sleeps": [0.25],
        "over": True,
        "heard": [["attempt 1", "failed", "Retry gives up", "Fallback moves on", "attempt 1", "failed", "Retry retries", "attempt 2", "accepted", "over"]],
    }  # fmt: skip
