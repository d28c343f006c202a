"""What a mode call took: tokens, dollars and credits, summed over the models that took part."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Usage
from hanzo_agents._kernel.money import EXACT, added
from hanzo_agents._kernel.shapes import dicts
from hanzo_agents._kernel.tokens import estimate_tokens
from hanzo_agents._wire.facts import filled, usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hanzo_agents.llmwise.view import ModeView

__all__ = ["Tally"]

MOST = 10**12
"""Of tokens, dollars or credits. More is no figure, and may take for ever to reckon with."""

_COUNTED = ("prompt_tokens", "completion_tokens", "cost", "credits_charged")


class Tally:
    """Adds up what events and answers say.

    A figure without a model is the whole call's; figures with one are that model's, and only together the call's.

    Args:
        credit_usd: US dollars of a credit, where the caller knows; what is charged in credits is then a cost.
    """

    __slots__ = ("_credit", "_figures", "_view", "model")

    def __init__(self, view: ModeView, credit_usd: Decimal | None) -> None:
        self.model: str | None = None
        self._view = view
        self._credit = credit_usd
        self._figures: dict[str, dict[str | None, Decimal]] = {name: {} for name in _COUNTED}

    def take(self, told: Mapping[str, Any]) -> bool:
        """Note what an event, or a whole answer, says; whether it has figures."""
        several = self._view.operation != "chat"
        parts = [self._note(part, str(part.get("model"))) for part in dicts(told.get("responses"))]
        model = told.get("model")
        if not several:
            answered = told.get("final_model") or told.get("resolved_model") or model
            self.model = answered if isinstance(answered, str) else self.model
        return self._note(told, model if several and isinstance(model, str) else None) or any(parts)

    @property
    def told(self) -> Any:
        """Tokens and dollars as far as they were reported, under the names of a usage object."""
        cost = self._total("cost")
        charged = self._total("credits_charged")
        if cost is None and charged is not None and self._credit is not None:
            cost = EXACT.multiply(charged, self._credit)
        told = SimpleNamespace(cost=cost)
        tokens = {name: self._total(name) for name in ("prompt_tokens", "completion_tokens")}
        if any(count is not None for count in tokens.values()):
            vars(told).update({name: int(count or 0) for name, count in tokens.items()})
        return told

    def usage(self, said: str) -> Usage:
        """The tokens, estimated from the texts where nobody counted them.

        Args:
            said: all that was answered.
        """
        return filled(usage_of(self.told), lambda: self._estimate(said))

    def _estimate(self, said: str) -> Usage:
        read = estimate_tokens(self._view.text) * self._view.choices
        return Usage(read, estimate_tokens(said), "estimated")

    def _note(self, told: Mapping[str, Any], model: str | None) -> bool:
        figures = {name: amount for name in _COUNTED if (amount := _amount(told.get(name))) is not None}
        for name, amount in figures.items():
            self._figures[name][model] = amount
        return bool(figures)

    def _total(self, name: str) -> Decimal | None:
        """The whole call's figure, None while a model's is missing."""
        figures = self._figures[name]
        if None in figures:
            return figures[None]
        if not figures or len(figures) < self._view.choices or self._view.operation in {"blend", "judge"}:
            return None
        return added(figures.values())


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount <= MOST else None
