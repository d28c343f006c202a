"""What an attempt cost when its upstream did not say: its tokens, at the prices that are known."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from hanzo_agents._kernel.journal import Cost

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.journal import Attempt
    from hanzo_agents._kernel.price import Pricing

__all__ = ["estimate"]

_logger = logging.getLogger("hanzo_agents")


def estimate(call: Call, attempt: Attempt, *, group: str | None = None) -> None:
    """Give an attempt that has tokens but no cost the cost that they come to; unknown where prices are.

    Never raises: an account must not turn a good answer into an error.

    Args:
        call: the call, which knows the prices.
        attempt: its usage is read, and its cost written.
        group: the model that a router says has answered, by the name under which callers ask for it.
    """
    if attempt.cost.amount is not None or attempt.usage is None:
        return
    try:
        pricing = _pricing(call, attempt.model, group)
        if pricing is not None:
            attempt.cost = Cost(pricing.cost(attempt.usage), "estimated")
    except Exception:
        _logger.exception("a cost could not be estimated")


def _pricing(call: Call, answered: str | None, group: str | None) -> Pricing | None:
    """The prices of the model that answered.

    A router that fell back by itself names another group than was asked for, and that one's prices hold. Where
    the target's own are unknown (an alias), the name under which the model answered may be a known one.
    """
    target = call.priced_target
    asked = target.name
    if group and group != asked:
        return call.prices.known(replace(target, model=group, label=None))
    pricing = call.prices.known(target)
    if pricing is None and answered and answered != asked:
        pricing = call.prices.known(replace(target, model=answered, label=None))
    return pricing
