"""Another target when this one does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hanzo_agents._kernel.fields import check_function, targets_of
from hanzo_agents._kernel.journal import Decision
from hanzo_agents._kernel.stack import Place
from hanzo_agents._kernel.target import Target
from hanzo_agents._kernel.verdict import final
from hanzo_agents.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    DeadlineExceeded,
    Failure,
    Unsupported,
)
from hanzo_agents.policies.classify import context_overflow, substitutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call, Predicate, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Fallback"]


@dataclass(frozen=True, kw_only=True)
class Fallback:
    """Walk a chain of targets until one accepts the call.

    Each target is tried once, the caller's own first. A target that is declared to lack what the call needs is
    passed by, and after a context overflow so is every target whose window is known to be no larger. A call
    that leans on state at one provider is pinned: it never falls back. Nothing falls back after the first
    useful event. Under a deadline each target may keep the call waiting for an equal share of the time that is
    left, so that one that hangs leaves time for the next.

    Attributes:
        to: model names, or `Target`s with an endpoint, key or model object of their own, in order.
        on: which errors another target may answer. Content filters, bad requests and wrong keys are not among
            them by default.

    Raises:
        AllProvidersFailed: every target failed; `.failures` lists them. When every failure is a
            `BudgetExceeded`, that is raised instead. An error that `on` rejects is raised as it is, the
            earlier failures added as notes.
    """

    place: ClassVar[Place] = Place.FALLBACK

    to: Sequence[str | Target]
    on: Predicate = substitutable

    def __post_init__(self) -> None:
        """Check the chain; ConfigError names what is wrong with it."""
        object.__setattr__(self, "to", targets_of("Fallback.to", self.to))
        check_function("Fallback.on", self.on)

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send to each target in turn until one accepts."""
        if call.pinned or call.single or call.exact:
            return await send(call)
        failures: list[Failure] = []
        chain = self._chain(call)
        for place, target in enumerate(chain):
            if why := _unfit(call, target, failures):
                call.note("Fallback", "skips", f"{target}: {why}")
                failures.append(Failure(str(target), Unsupported(f"{target} {why}", code="unsupported")))
                continue
            aimed = call.aimed_at(target, spare=target is not chain[-1])
            try:
                return await _in_its_share(aimed, send, left=len(chain) - place)
            except _ShareSpent as error:
                failures.append(Failure(str(target), error, target.context_window))
                call.note("Fallback", "moves on", str(error))
            except Exception as error:
                if not self.on(error):
                    _add_notes(error, failures)
                    raise
                failures.append(Failure(str(target), error, target.context_window))
                call.note("Fallback", "moves on", f"{target} failed: {type(error).__name__}")
        raise _exhausted(failures) from None

    def plan(self, call: Call) -> Decision:
        """Who would be asked in turn, and who is passed by."""
        if call.pinned:
            return Decision("Fallback", "passes on", "the call leans on state at one provider")
        if call.single:
            return Decision("Fallback", "passes on", "the call is to be a single request")
        if call.exact:
            return Decision("Fallback", "passes on", "this very target is to answer")
        walked = {str(target): _unfit(call, target, []) for target in self._chain(call)}
        unfit = {target: why for target, why in walked.items() if why}
        chain = [target for target, why in walked.items() if not why]
        why = " > ".join(chain) or "nobody is left"
        if unfit:
            why += f"; skips {', '.join(f'{target}, which {reason}' for target, reason in unfit.items())}"
        action = "walks" if chain else "refuses"
        return Decision("Fallback", action, why, {"chain": chain, "passed_by": unfit})

    def onward(self, call: Call) -> list[Call]:
        """The call aimed at each target that can take it."""
        if call.pinned or call.single or call.exact:
            return [call]
        chain = self._chain(call)
        fit = [target for target in chain if not _unfit(call, target, [])]
        return [call.aimed_at(target, spare=target is not chain[-1]) for target in fit]

    def _chain(self, call: Call) -> list[Target]:
        """The caller's target, then ours, each once: a chain may name its own start, or turn in a circle."""
        chain: list[Target] = []
        seen: set[tuple[object, ...]] = set()
        for target in (call.target, *self.to):
            assert isinstance(target, Target)
            if target.identity not in seen:
                seen.add(target.identity)
                chain.append(target)
        return chain


class _ShareSpent(DeadlineExceeded):
    """A target kept the call waiting until only the others' share of the deadline was left."""


async def _in_its_share(call: Call, send: Send, *, left: int) -> Reply:
    """Send, and leave the targets behind this one as much time as this one gets; the last has all that remains."""
    remaining = call.remaining()
    if remaining is None or left == 1:
        return await send(call)
    share = max(remaining, 0.0) / left
    until = call.clock.now() + share
    try:
        # Those below know of it too: a call cut off at its deadline is the target's fault, one given up is not.
        async with call.clock.timeout_at(until):
            return await send(call.within(until))
    except TimeoutError:
        if call.clock.now() < until:
            raise
    raise _ShareSpent(f"no answer from {call.target} within {share:.3g} s", code="deadline")


def _unfit(call: Call, target: Target, failures: list[Failure]) -> str | None:
    """Why the target cannot take the call, None when it may."""
    if target.lacks and (missing := call.view.needs & target.lacks):
        return f"lacks {', '.join(sorted(missing))}"
    too_small = max((failure.window or 0 for failure in failures if context_overflow(failure.error)), default=0)
    if target.context_window is not None and target.context_window <= too_small:
        return "has no larger context window"
    return None


def _add_notes(error: Exception, failures: list[Failure]) -> None:
    for failure in failures:
        error.add_note(f"earlier in the fallback chain: {failure}")
    if failures:
        final(error)


def _exhausted(failures: list[Failure]) -> Exception:
    if all(isinstance(failure.error, BudgetExceeded) for failure in failures):
        return failures[-1].error
    error = AllProvidersFailed(failures)
    final(error)
    return error
