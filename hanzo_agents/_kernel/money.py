"""Sums of US dollars, exact whatever precision the program around us has set for its own decimals."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EXACT", "added"]

EXACT = Context(prec=60)
"""Money is not rounded, whatever precision the program around us works with."""


def added(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts."""
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
