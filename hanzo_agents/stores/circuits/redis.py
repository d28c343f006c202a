"""Circuits in Redis: one script an operation, by the server's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hanzo_agents.stores.circuits import Admission, Change, CircuitView
from hanzo_agents.stores.circuits import scripts as lua
from hanzo_agents.stores.redis import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.stores.circuits import Rules, State, Verdict
    from hanzo_agents.stores.pending import Submitted
    from hanzo_agents.stores.redis import RedisStore

__all__ = ["RedisCircuits"]

_LOOK = Script("circuit: look", lua.LOOK)
_ADMIT = Script("circuit: admit", lua.ADMIT)
_RECORD = Script("circuit: record", lua.RECORD)
_OPEN = Script("circuit: open", lua.OPEN)
_CLOSE = Script("circuit: close", lua.CLOSE)
_RESET = Script("circuit: reset", lua.RESET)
_RESET_ALL = Script("circuit: reset all", lua.RESET_ALL)


class RedisCircuits:
    """The circuits of one Redis. A call to a healthy target only reads there."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self._index = store.key("circuits")

    def admit(self, key: str, by: str, rules: Rules, *, clock: Clock) -> Submitted[Admission]:
        """Ask to be let through."""
        return self._run(_ADMIT, key, by, rules, clock=clock).read(_admission)

    def record(
        self, key: str, by: str, epoch: int, verdict: Verdict, rules: Rules, *, clock: Clock, rest: float = 0.0
    ) -> Submitted[Change | None]:
        """Tell what came of a call that was let through."""
        return self._run(_RECORD, key, by, rules, epoch, verdict, rest, clock=clock).read(_change)

    def look(self, key: str, rules: Rules, *, clock: Clock) -> Submitted[CircuitView]:
        """See a circuit without changing it."""
        return self._run(_LOOK, key, "", rules, clock=clock).read(_view)

    def open(
        self, key: str, reason: str, rest: float | None, rules: Rules, *, clock: Clock
    ) -> Submitted[Change | None]:
        """Open by hand."""
        held = "" if rest is None else rest
        return self._run(_OPEN, key, "", rules, reason, held, clock=clock).read(_change)

    def close(self, key: str, reason: str, rules: Rules, *, clock: Clock) -> Submitted[Change | None]:
        """Close by hand."""
        return self._run(_CLOSE, key, "", rules, reason, clock=clock).read(_change)

    def reset(self, key: str | None = None) -> Submitted[None]:
        """Forget a circuit, or all of them."""
        if key is None:
            return self._store.run(_RESET_ALL, [self._index]).read(_nothing)
        return self._store.run(_RESET, [self._key(key), self._index]).read(_nothing)

    def _key(self, key: str) -> str:
        return self._store.key("circuit", key)

    def _run(
        self, script: Script, key: str, by: str, rules: Rules, *args: str | float, clock: Clock
    ) -> Submitted[Any]:
        return self._store.run(script, [self._key(key), self._index], by, *_given(rules), *args, clock=clock)


def _given(rules: Rules) -> tuple[str | float, ...]:
    return (
        "" if rules.failures is None else rules.failures,
        "" if rules.rate is None else rules.rate,
        rules.least, rules.window, rules.rest, rules.probes, rules.lease,
    )  # fmt: skip


def _nothing(_: Any) -> None:
    return None


def _change(reply: Sequence[bytes]) -> Change | None:
    if not reply:
        return None
    before, after, reason = (part.decode() for part in reply)
    return Change(cast("State", before), cast("State", after), reason)


def _view(reply: Sequence[Any]) -> CircuitView:
    state, failures, calls, failed, probes, passed, after, held, reason, epoch = reply
    return CircuitView(
        state.decode(), failures, calls, failed, probes, passed,
        None if after == b"" else float(after), bool(held), reason.decode(), epoch,
    )  # fmt: skip


def _admission(reply: Sequence[Any]) -> Admission:
    admitted, probe, seen, change = reply
    view = _view(seen)
    return Admission(bool(admitted), view.epoch, bool(probe), view, _change(change))
