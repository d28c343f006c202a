"""The stack: policies in their order, bound around an inner service."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from hanzo_agents._kernel.ambient import innermost
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call, Send
    from hanzo_agents._kernel.reply import Reply

__all__ = ["Place", "Policy", "Stack", "StackWarning", "arrange"]


class Place(IntEnum):
    """Where a policy stands by default, outermost first.

    A cache stands before anything that costs; a budget inside retries, hedges and ensembles, so that every
    paid send is reserved and settled, the losing ones too; breaker and limiter last, as they key on the target.
    """

    TRACE = 10
    DEADLINE = 20
    CACHE = 30
    SEMANTIC = 35
    ROUTE = 40
    ENSEMBLE = 45
    FALLBACK = 50
    RETRY = 60
    HEDGE = 70
    OTHER = 80
    BUDGET = 90
    BREAKER = 100
    RATE_LIMIT = 110


@runtime_checkable
class Policy(Protocol):
    """An async callable around `send`.

    `await send(call)` returns once the call is accepted; whatever raises before may be tried again, and after
    it nothing is ever replayed. A policy never asks whether the call streams. A class may carry `place`; a
    plain function stands innermost, before the budget.
    """

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        """Decide what happens to `call`."""
        ...


class StackWarning(UserWarning):
    """An explicit Stack has an order in which a policy cannot do its work."""


class Stack:
    """Policies in exactly the given order, outermost first. `Stack()` is empty.

    Unlike a list, a Stack is obeyed as it is: nothing is added and nothing is moved. What cannot work in the
    given order is said once, as a `StackWarning` that names both policies.
    """

    __slots__ = ("policies",)

    def __init__(self, *policies: Policy) -> None:
        """Raises ConfigError when one of `policies` is not callable."""
        for policy in policies:
            _check(policy)
        self.policies: tuple[Policy, ...] = policies
        for outer, inner, why in _misplaced(policies):
            warnings.warn(f"Stack: {outer} stands outside {inner}: {why}", StackWarning, stacklevel=2)

    @classmethod
    def silently(cls, policies: Iterable[Policy]) -> Stack:
        """A stack made of one that has been checked already: what is wrong with it has been said."""
        stack = cls()
        stack.policies = tuple(policies)
        return stack

    @property
    def targets(self) -> list[Target]:
        """What the chains among the policies name in their `to`, outermost first."""
        named = (target for policy in self.policies for target in getattr(policy, "to", None) or ())
        return [target for target in named if isinstance(target, Target)]

    def bind(self, send: Send) -> Send:
        """The whole stack as one service around `send`."""
        send = innermost(send)
        for policy in reversed(self.policies):
            send = _layer(policy, send)
        return send

    def __iter__(self) -> Iterator[Policy]:
        return iter(self.policies)

    def __len__(self) -> int:
        return len(self.policies)

    def __repr__(self) -> str:
        return f"Stack({', '.join(map(_name, self.policies))})"


def arrange(
    policies: Iterable[Policy] | Stack | None, *, default: Iterable[Policy], extra: Iterable[Policy] = ()
) -> Stack:
    """Make the stack that a user's `policies=` and `fallbacks=` mean.

    None gives the default policies; a list adds to them, a policy of the same class replacing its default; an
    empty list turns every policy off; a `Stack` is exact. `extra` is added to whichever there is.

    Raises:
        ConfigError: something in `policies` is not a policy, or a class comes twice (say which order you mean
            with an explicit `Stack`).
    """
    if isinstance(policies, Stack):
        return Stack.silently((*extra, *policies.policies)) if (extra := tuple(extra)) else policies
    given = _listed(policies)
    chosen: list[Policy] = [] if policies is not None and not given else _merged(default, given)
    for policy in extra:
        if any(isinstance(other, type(policy)) for other in chosen):
            raise ConfigError(f"fallbacks: policies already hold a {_name(policy)}; give one of the two")
        chosen.append(policy)
    chosen.sort(key=_place)
    return Stack(*chosen)


def _listed(policies: Iterable[Policy] | None) -> list[Policy]:
    if policies is None:
        return []
    if isinstance(policies, str) or not isinstance(policies, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"policies: expected a list of policies or a Stack, got {type(policies).__name__}")
    given = list(policies)
    for index, policy in enumerate(given):
        _check(policy)
        named = hasattr(policy, "place")
        if named and any(type(policy) is type(other) for other in given[:index]):
            raise ConfigError(
                f"policies: {_name(policy)} is given twice; an explicit Stack(...) says which is outer"
            )
    return given


def _merged(default: Iterable[Policy], given: list[Policy]) -> list[Policy]:
    # A subclass stands for what it derives from.
    return [*(d for d in default if not any(isinstance(policy, type(d)) for policy in given)), *given]


def _layer(policy: Policy, send: Send) -> Send:
    # No coroutine of its own: each one is stepped through whenever the wire waits.
    return lambda call: policy(call, send)


def _check(policy: object) -> None:
    if isinstance(policy, type) or not callable(policy):
        raise ConfigError(
            f"policies: expected policies (objects called with a call and send), got {policy!r}"
            + (" (a class: call it first)" if isinstance(policy, type) else "")
        )


def _name(policy: Policy) -> str:
    return getattr(policy, "__name__", None) or type(policy).__name__


def _place(policy: Policy) -> Place:
    return getattr(policy, "place", Place.OTHER)


_OUT_OF_ORDER = {
    (Place.BUDGET, Place.RETRY): "retries are sent without being reserved",
    (Place.BUDGET, Place.FALLBACK): "fallbacks are priced as the first target",
    (Place.BUDGET, Place.HEDGE): "second legs are sent without being reserved",
    (Place.RATE_LIMIT, Place.HEDGE): "second legs pass the limiter uncounted",
    (Place.BUDGET, Place.ENSEMBLE): "its legs are sent without being reserved",
    (Place.RATE_LIMIT, Place.ENSEMBLE): "its legs pass the limiter uncounted",
    (Place.BREAKER, Place.ENSEMBLE): "the breaker sees one answer where several were asked",
    (Place.FALLBACK, Place.ENSEMBLE): "each target of the chain asks the whole ensemble",
    (Place.RETRY, Place.ENSEMBLE): "one failure has the whole ensemble asked again",
    (Place.HEDGE, Place.ENSEMBLE): "a slow ensemble is asked twice, whole",
    (Place.ENSEMBLE, Place.ENSEMBLE): "each leg is an ensemble again",
    (Place.ENSEMBLE, Place.DEADLINE): "every leg gets a deadline of its own",
    (Place.ENSEMBLE, Place.ROUTE): "another model is chosen for the legs",
    (Place.BREAKER, Place.FALLBACK): "the breaker sees only the end of the chain",
    (Place.BREAKER, Place.RETRY): "the breaker sees one failure where there were several",
    (Place.RATE_LIMIT, Place.RETRY): "retries pass the limiter uncounted",
    (Place.RATE_LIMIT, Place.CACHE): "cache hits wait for the limiter",
    (Place.RATE_LIMIT, Place.SEMANTIC): "cache hits wait for the limiter",
    (Place.BUDGET, Place.SEMANTIC): "cache hits are reserved as if they cost",
    (Place.SEMANTIC, Place.CACHE): "a question that was asked before is looked for by likeness",
    (Place.BUDGET, Place.CACHE): "cache hits are reserved as if they cost",
    (Place.RETRY, Place.FALLBACK): "a chain that failed is not walked again",
    (Place.RETRY, Place.DEADLINE): "every retry gets a deadline of its own",
}


def _misplaced(policies: tuple[Policy, ...]) -> list[tuple[str, str, str]]:
    return [
        (_name(outer), _name(inner), why)
        for index, outer in enumerate(policies)
        for inner in policies[index + 1 :]
        if (why := _OUT_OF_ORDER.get((_place(outer), _place(inner))))
    ]
