"""What a first model that always answers 500 costs before the second one's answer arrives.

Every sample starts from fresh objects: a router that remembers the failure would skip the dead model. They
first make good calls, so that connections and lazy set-up are not counted. What is reported is the time of
the call that had to fall back, less the time of a good one.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import openai
from openai import AsyncOpenAI

from benchmarks.measure import Series
from benchmarks.payloads import messages
from benchmarks.subjects import Subject, litellm_deployment, over_chat, over_model

# Makes the pair (a good call, a call that must fall back).
Pair = tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]
QUESTION = messages(2)


def _pair(good: Subject, failing: Subject) -> Pair:
    return (lambda: good.call(QUESTION)), (lambda: failing.call(QUESTION))


def _hanzo(base_url: str, **options: Any) -> Pair:
    from hanzo_agents import HanzoModelProvider

    provider = HanzoModelProvider(base_url=base_url, api_key="k", fallbacks=["m"], **options)
    return _pair(over_model(provider.get_model("m")), over_model(provider.get_model("down")))


def _openai(base_url: str, **options: Any) -> Pair:
    create = AsyncOpenAI(base_url=base_url, api_key="k", **options).chat.completions.create
    good, down = over_chat(create, "m"), over_chat(create, "down")

    async def failing() -> str:
        try:
            return await down.call(QUESTION)
        except openai.InternalServerError:
            return await good.call(QUESTION)

    return (lambda: good.call(QUESTION)), failing


def _litellm(base_url: str, **options: Any) -> Pair:
    import litellm

    deployments = [litellm_deployment(base_url, "m"), litellm_deployment(base_url, "down")]
    router = litellm.Router(deployments, fallbacks=[{"down": ["m"]}], **options)
    return _pair(over_chat(router.acompletion, "m"), over_chat(router.acompletion, "down"))


OUR_FALLBACK = "HanzoModel, fallbacks=[...]"
DEFAULTS: dict[str, Callable[[str], Pair]] = {
    OUR_FALLBACK: _hanzo,
    "AsyncOpenAI, try/except": _openai,
    "litellm.Router, fallbacks=[...]": _litellm,
}
RETRIES_OFF: dict[str, Callable[[str], Pair]] = {
    OUR_FALLBACK: lambda url: _hanzo(url, policies=[]),
    "AsyncOpenAI, try/except": lambda url: _openai(url, max_retries=0),
    "litellm.Router, fallbacks=[...]": lambda url: _litellm(url, num_retries=0),
}


async def _timed(action: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await action()
    return time.perf_counter() - start


async def added_by_fallback(
    makers: dict[str, Callable[[str], Pair]], base_url: str, samples: int
) -> dict[str, Series]:
    """Seconds added by the fallback, a value a sample; subjects that cannot be built are left out."""
    series: dict[str, Series] = {}
    for number in range(-1, samples):
        for name, make in makers.items():
            try:
                good, failing = make(base_url)
            except ImportError:
                continue
            await good()
            plain = await _timed(good)
            added = await _timed(failing) - plain
            if number >= 0:
                series.setdefault(name, Series()).values.append(added)
    return series
