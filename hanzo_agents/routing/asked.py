"""What one call, or a block of calls, asks of its routing beyond what `Route` says for all."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.clock import seconds
from hanzo_agents.errors import ConfigError
from hanzo_agents.routing.catalogue import tier_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from hanzo_agents._kernel.clock import Duration

__all__ = ["Asked", "asked_now", "dollars_of", "routed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a block asks; None leaves it to `Route`."""

    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    quality: float | None = None
    max_latency: float | None = None
    max_cost: Decimal | None = None


_NOTHING = Asked()
_asked: ContextVar[Asked] = ContextVar("hanzo_agents_routing_asked", default=_NOTHING)


def asked_now() -> Asked:
    """What the block around the caller asks."""
    return _asked.get()


@contextmanager
def routed(
    *,
    options: Mapping[str, Any] | None = None,
    quality: float | str | None = None,
    max_latency: Duration | None = None,
    max_cost: Decimal | float | str | None = None,
) -> Generator[None]:
    """Have the calls of a block routed with these wishes; blocks nest, and what one leaves out holds from outside.

        with routed(options={"user_role": "enterprise"}, quality="excellent"):
            await Runner.run(agent, "...")

    Args:
        options: handed to the methods of a `RoutingStrategy`; never sent to anybody.
        quality: the least that will do: "acceptable", "good", "excellent", or a share from 0 to 1.
        max_latency: seconds to the first useful event.
        max_cost: US dollars that one request may cost.

    Raises:
        ConfigError: names the wish that is none.
    """
    outer = _asked.get()
    if options is not None and not hasattr(options, "keys"):
        raise ConfigError(f"options: expected a mapping, got {type(options).__name__}")
    least = tier_of("quality", quality)
    latency = seconds("max_latency", max_latency, zero=False)
    cost = dollars_of("max_cost", max_cost)
    token = _asked.set(
        Asked(
            options={**outer.options, **(options or {})},
            quality=outer.quality if least is None else least,
            max_latency=outer.max_latency if latency is None else latency,
            max_cost=outer.max_cost if cost is None else cost,
        )
    )
    try:
        yield
    finally:
        _asked.reset(token)


def dollars_of(field: str, value: object) -> Decimal | None:
    """US dollars that a user gives, None for none given.

    Raises:
        ConfigError: it is no amount >= 0.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ConfigError(f"{field}: expected US dollars, got {type(value).__name__}")
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        raise ConfigError(f"{field}: expected US dollars, got {value!r}") from None
    if not (amount.is_finite() and amount >= 0):
        raise ConfigError(f"{field}: expected US dollars >= 0, got {value!r}")
    return amount
