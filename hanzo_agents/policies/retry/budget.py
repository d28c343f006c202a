"""A budget of retries across calls (gRPC A6 / AWS standard mode: retries drain it, successes refill it)."""

from __future__ import annotations

import threading

from hanzo_agents.errors import ConfigError

__all__ = ["RetryBudget"]

MOST = 1e9


class RetryBudget:
    """A token bucket: a retry withdraws one token, a success pays part of one back.

    With every call failing, `capacity` retries are made and then none, whatever the number of calls; in
    ordinary operation the share of retries stays near `refund`. Thread-safe and loop-free.

    Args:
        capacity: retries that may be made on credit.
        refund: tokens that a success pays back; 0.1 allows one retry for ten successes (Google SRE book, ch. 21).
    """

    __slots__ = ("_lock", "_tokens", "capacity", "refund")

    def __init__(self, capacity: float = 100.0, refund: float = 0.1) -> None:
        for name, value in (("capacity", capacity), ("refund", refund)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigError(f"RetryBudget.{name}: expected a number from 0 to {MOST:g}, got {value!r}")
        self.capacity = float(capacity)
        self.refund = float(refund)
        self._tokens = self.capacity
        self._lock = threading.Lock()

    @property
    def tokens(self) -> float:
        """Retries that may be made now."""
        return self._tokens

    def withdraw(self) -> bool:
        """Take a token for a retry; False when there is none."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def succeeded(self) -> None:
        """Pay back part of a token."""
        if self._tokens >= self.capacity:
            return
        with self._lock:
            self._tokens = min(self.capacity, self._tokens + self.refund)

    def __repr__(self) -> str:
        return f"RetryBudget(capacity={self.capacity:g}, refund={self.refund:g}, scope=this object)"
