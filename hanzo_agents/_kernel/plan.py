"""What would happen to a call, and why: every policy asked, none of them acting."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.ambient import put_around
from hanzo_agents._kernel.journal import Decision, Usage
from hanzo_agents._kernel.tokens import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply
    from hanzo_agents._kernel.stack import Policy, Stack

__all__ = ["Explained", "Plan", "PlannedLeg", "PlannedStep", "Rehearsal", "plan_of"]

REFUSES = "refuses"
"""The action by which a policy says that the call goes no further."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What one policy would do with the call, on its way to one target.

    Attributes:
        policy: its name.
        target: where the call is aimed when the policy gets it.
        decision: what it would do and why; None when the policy does not say.
        depth: how many choices of target lie outside it.
    """

    policy: str
    target: str
    decision: Decision | None
    depth: int = 0

    def __str__(self) -> str:
        return f"{self.policy} {self.said}"

    @property
    def said(self) -> str:
        """The decision in words."""
        return "does not say" if self.decision is None else f"{self.decision.action}: {self.decision.reason}"


@dataclass(frozen=True, slots=True)
class PlannedLeg:
    """A request that would, or might, be sent.

    Attributes:
        target: where to.
        tokens_in: of the input, roughly.
        tokens_out: the most that may come back, None when nothing bounds it.
        least, most: US dollars for the input alone, and with the longest answer; None when nobody knows.
        extra: it would go out only beside another one that is slow.
        refused: why it would not be sent now, None when it would.
        depth: how many choices of target led to it.
    """

    target: str
    tokens_in: int
    tokens_out: int | None
    least: Decimal | None = None
    most: Decimal | None = None
    extra: bool = False
    refused: str | None = None
    depth: int = 0

    def __str__(self) -> str:
        if self.refused is not None:
            return f"{self.target}: not now: {self.refused}"
        out = "any number" if self.tokens_out is None else f"at most {self.tokens_out}"
        sent = f"{self.target}: about {self.tokens_in} tokens in, {out} out, {self._cost()}"
        return f"{sent} (only when the first is slow)" if self.extra else sent

    def _cost(self) -> str:
        if self.least is None:
            return "at an unknown price"
        return f"{_dollars(self.least)} or more" if self.most is None else _range(self.least, self.most)


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen to a call now. Nothing was sent or reserved to find out. `print` it to read it.

    Attributes:
        operation: what is asked for: "chat", "responses", ...
        legs: the requests that would or might be sent, in the order in which they would be tried.
        steps: what each policy would do, outermost first, for each leg it has a say in.
        warnings: what may surprise: unknown prices, settings that are dropped, targets that would refuse.
    """

    operation: str
    legs: tuple[PlannedLeg, ...]
    steps: tuple[PlannedStep, ...]
    warnings: tuple[str, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """Who would be asked in turn, each once; not whom a hedge would ask beside them."""
        return tuple(dict.fromkeys(leg.target for leg in self.legs if not leg.extra))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What the policies would do, outermost first."""
        return tuple(step.decision for step in self.steps if step.decision is not None)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain JSON; US dollars are strings."""
        return {
            "operation": self.operation,
            "targets": list(self.targets),
            "legs": [
                {
                    "target": leg.target,
                    "tokens_in": leg.tokens_in,
                    "tokens_out": leg.tokens_out,
                    "least_usd": None if leg.least is None else f"{leg.least:f}",
                    "most_usd": None if leg.most is None else f"{leg.most:f}",
                    "extra": leg.extra,
                    "refused": leg.refused,
                }
                for leg in self.legs
            ],
            "steps": [_step_as_dict(step) for step in self.steps],
            "warnings": list(self.warnings),
        }

    def __str__(self) -> str:
        lines = [f"{self.operation} to {' > '.join(self.targets)}" if self.legs else f"{self.operation} to nobody"]
        width = max((len(step.policy) for step in self.steps), default=0)
        beneath = (0, "")
        for step in self.steps:
            if step.depth and beneath != (step.depth, step.target):
                lines.append(f"{'  ' * (step.depth + 1)}{step.target}:")
            beneath = (step.depth, step.target)
            lines.append(f"{'  ' * (step.depth + 1 + bool(step.depth))}{step.policy:<{width}}  {step.said}")
        lines.append("requests, in order:")
        lines += [f"  {number}. {leg}" for number, leg in enumerate(self.legs, 1)]
        if self.warnings:
            lines.append("warnings:")
            lines += [f"  - {warning}" for warning in self.warnings]
        return "\n".join(lines)


class Explained(BaseException):
    """Carries a plan past everything that handles errors, to whoever asked for it. Not an error itself."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("a call was explained, not sent")
        self.plan = plan


class Rehearsal:
    """Stands in place of a stack: instead of sending a call, it raises what the stack would do with it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Send nothing; raises Explained."""
        # What a block puts around sends has no say where a policy in the stack does the same.
        around = put_around()
        places = {getattr(policy, "place", None) for policy in self.stack}
        last = () if around is None or getattr(around, "place", None) in places else (around,)
        raise Explained(plan_of((*self.stack, *last), call))


def plan_of(stack: Iterable[Policy], call: Call) -> Plan:
    """Ask every policy what it would do with a call, outermost first.

    A policy says so by `plan(call) -> Decision`, and by `onward(call) -> list[Call]` what it would pass on, if
    that is not simply the call: a chain passes on one for each target. Neither may act, ask or wait.
    """
    fold = _Fold()
    fold.down(tuple(stack), call, 0, None)
    return Plan(call.view.operation, tuple(fold.legs), tuple(fold.steps), tuple(fold.warnings(call)))


class _Fold:
    def __init__(self) -> None:
        self.legs: list[PlannedLeg] = []
        self.steps: list[PlannedStep] = []
        self._warnings: list[str] = []

    def down(self, policies: tuple[Policy, ...], call: Call, depth: int, refused: str | None) -> None:
        if not policies:
            self.legs.append(_leg(call, depth, refused))
            return
        policy, *rest = policies
        name = getattr(policy, "__name__", None) or type(policy).__name__
        decision = self._asked(name, getattr(policy, "plan", None), call)
        self.steps.append(PlannedStep(name, str(call.target), decision, depth))
        if decision is not None and decision.action == REFUSES:
            refused = refused or f"{name}: {decision.reason}"
        onward: Callable[[Call], Sequence[Call]] | None = getattr(policy, "onward", None)
        passed_on = [call] if onward is None else onward(call)
        for each in passed_on:
            self.down(tuple(rest), each, depth + (len(passed_on) > 1), refused)

    def _asked(self, name: str, plan: Callable[[Call], Decision] | None, call: Call) -> Decision | None:
        if plan is None:
            self._warnings.append(f"{name} does not say what it would do")
            return None
        try:
            return plan(call)
        except Exception as error:  # noqa: BLE001 - one that cannot say hides none of the others
            self._warnings.append(f"{name} could not say what it would do: {type(error).__name__}: {error}")
            return None

    def warnings(self, call: Call) -> list[str]:
        """What may surprise, each said once."""
        # What aiming the call elsewhere had to note went into the journal of the rehearsal.
        found = [
            f"{d.reason}: {', '.join(d.data['settings'])}" for d in call.journal.decisions if "settings" in d.data
        ]
        for leg in self.legs:
            if leg.refused is not None:
                found.append(f"{leg.target} would not be asked now: {leg.refused}")
            if leg.least is None:
                found.append(f"nobody knows what {leg.target} costs")
        return list(dict.fromkeys([*self._warnings, *found]))


def _leg(call: Call, depth: int, refused: str | None) -> PlannedLeg:
    pricing = call.prices.known(call.priced_target)
    tokens_in = estimate_tokens(call.view.text) + call.view.given_tokens
    limit = call.view.max_output
    if limit is None and pricing is not None:
        limit = pricing.max_output
    tokens_out = None if limit is None else limit * call.view.choices
    least = most = None
    if pricing is not None:
        least = pricing.cost(Usage(tokens_in, 0, "estimated"))
        most = None if tokens_out is None else pricing.most(tokens_in, tokens_out)
    return PlannedLeg(str(call.target), tokens_in, tokens_out, least, most, call.extra, refused, depth)


def _step_as_dict(step: PlannedStep) -> dict[str, Any]:
    decision = step.decision
    said = None
    if decision is not None:
        said = {"action": decision.action, "reason": decision.reason, "data": _plain(decision.data)}
    return {"policy": step.policy, "target": step.target, "decision": said}


def _plain(value: object) -> Any:
    """What a decision holds, as JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in cast("Iterable[object]", value)]
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    return str(value)


def _dollars(amount: Decimal) -> str:
    """An amount to two significant digits below a dollar: estimates are no more exact."""
    if not amount:
        return "$0"
    return f"${amount:.2f}" if amount >= 1 else f"${Decimal(f'{amount:.2g}'):f}"


def _range(least: Decimal, most: Decimal) -> str:
    return _dollars(least) if least == most else f"{_dollars(least)} to {_dollars(most)}"
