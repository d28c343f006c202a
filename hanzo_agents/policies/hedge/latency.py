"""How long targets take to their first useful event, as observed lately."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, insort
from collections import deque
from typing import TYPE_CHECKING

from hanzo_agents._kernel.fields import check_count
from hanzo_agents._kernel.turns import Turns
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.target_keys import call_key

if TYPE_CHECKING:
    from collections.abc import Hashable

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.target import Target

__all__ = ["Latencies", "latency_key", "percentile_of"]

WINDOW = 200
"""Observations of a target that count: enough for a p99, few enough to follow a change within minutes."""

MOST_TARGETS = 256

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)", re.ASCII)


class Latencies:
    """The last times to first useful event of each target, and their percentiles.

    Thread-safe and loop-free; shared by sharing the object. It keeps `window` observations of each of the 256
    targets heard of last.

    Args:
        window: observations of one target that count, the latest ones.
    """

    __slots__ = ("_lost", "_targets", "_turns", "window")

    def __init__(self, window: int = WINDOW) -> None:
        check_count("Latencies.window", window)
        self.window = window
        self._targets: dict[Hashable, tuple[deque[float], list[float]]] = {}
        self._lost: dict[Hashable, int] = {}
        self._turns = Turns()

    def note(self, target: Hashable, seconds: float, *, lost: bool = False) -> None:
        """Write down that the target took so long; `lost`: that it was left after so long, without an answer."""
        if 0 <= seconds < math.inf:
            self._turns.put(self._note, target, seconds, lost)

    def _note(self, target: Hashable, seconds: float, lost: bool = False) -> None:
        found = self._targets.get(target)
        if found is None:
            found = self._targets[target] = (deque(), [])
            if len(self._targets) > MOST_TARGETS:
                oldest = next(iter(self._targets))
                del self._targets[oldest]
                self._lost.pop(oldest, None)
        if lost:
            self._lost[target] = self._lost.get(target, 0) + 1
        else:
            self._lost.pop(target, None)
        latest, ordered = found
        if len(latest) >= self.window:
            del ordered[bisect_left(ordered, latest.popleft())]
        latest.append(seconds)
        insort(ordered, seconds)

    def percentile(self, target: Hashable, share: float, *, at_least: int = 1) -> float | None:
        """The time that `share` of the observations did not exceed; None while there are fewer than `at_least`."""
        with self._turns:
            found = self._targets.get(target)
            if found is None or len(found[1]) < at_least:
                return None
            ordered = found[1]
            # The nearest rank: a time that was observed. Rounded first: 0.95 * 20 is a little more than 19.
            return ordered[max(math.ceil(round(share * len(ordered), 9)), 1) - 1]

    def lost(self, target: Hashable) -> int:
        """How many times in a row it was left without an answer."""
        return self._lost.get(target, 0)

    def count(self, target: Hashable) -> int:
        """How many observations of the target count."""
        found = self._targets.get(target)
        return 0 if found is None else len(found[1])

    def __repr__(self) -> str:
        return f"Latencies(window={self.window}, targets={len(self._targets)}, scope=this object)"


def latency_key(call: Call, target: Target | None = None) -> Hashable:
    """What observations of a call's target, or of another one for it, are kept under."""
    return call_key(call, target), call.view.operation


def percentile_of(after: object) -> float | None:
    """The share of observations that a percentile's name means, 0.95 of "p95"; None for a duration.

    Raises:
        ConfigError: a string that is no percentile.
    """
    if not isinstance(after, str):
        return None
    found = _PERCENTILE.fullmatch(after)
    share = float(found[1]) / 100 if found else 0.0
    if not share:
        raise ConfigError(f'Hedge.after: expected seconds or a percentile such as "p95", got {after!r}')
    return share
