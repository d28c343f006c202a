"""`warm_models`: models that are to be awake when the first call comes."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING

from hanzo_agents._kernel.loop_thread import loop_thread
from hanzo_agents._kernel.stack import Place, Stack
from hanzo_agents.facade.analytics import Analytics
from hanzo_agents.facade.checked import as_names
from hanzo_agents.policies.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents.client import AsyncHanzo
    from hanzo_agents.facade.keywords import Keywords

__all__ = ["LEFT_OUT", "models_to_warm", "warm"]

LEFT_OUT = frozenset({Place.CACHE, Place.SEMANTIC, Place.ROUTE, Place.ENSEMBLE, Place.FALLBACK, Place.HEDGE})
"""Policies by which another than the model itself might answer."""

_logger = logging.getLogger("hanzo_agents")
_under_way: set[asyncio.Task[None]] = set()


def models_to_warm(given: Keywords) -> tuple[str, ...]:
    """The names in `warm_models`, each once.

    Raises:
        ConfigError: it is no list of names.
    """
    names = given.get("warm_models")
    return () if names is None else tuple(dict.fromkeys(as_names("warm_models", names)))


def warm(client: AsyncHanzo, models: Sequence[str]) -> None:
    """Ask each model for one token, in the background: on the loop that runs here, else on the process's own.

    Returns at once. What fails is logged, and the client works without.
    """
    inherited = client._inherited  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    stack = Stack.silently(map(_uncounted, (p for p in client.stack if getattr(p, "place", None) not in LEFT_OUT)))
    awake = client.copy()
    awake._serve(replace(inherited, stack=stack, beside=None))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        thread = loop_thread()
        thread.post(lambda: thread.begin(_all(awake, models), copy_context()))
        return
    task = loop.create_task(_all(awake, models))
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


def _uncounted(policy: Policy) -> Policy:
    """The same, but for analytics: those are of the calls that somebody made."""
    if not isinstance(policy, Trace):
        return policy
    return replace(policy, also=tuple(one for one in policy.also if not isinstance(one, Analytics)))


async def _all(client: AsyncHanzo, models: Sequence[str]) -> None:
    await asyncio.gather(*(_one(client, model) for model in models))


async def _one(client: AsyncHanzo, model: str) -> None:
    try:
        await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], max_tokens=1
        )
    except Exception as error:  # noqa: BLE001 - nobody waits for it
        # Without the message, which may quote what an upstream says.
        _logger.warning("warm_models: %s was not warmed: %s", model, type(error).__name__)
    else:
        _logger.info("warm_models: %s is warm", model)
