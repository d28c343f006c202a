"""Amounts of money, as users write them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.ledger import MOST

__all__ = ["Amount", "checked"]

Amount = Decimal | float | str
"""US dollars; a float means the number it prints as."""


def checked(field: str, value: object) -> Decimal:
    """An amount as a Decimal.

    Raises:
        ConfigError: it is not a number, negative, not finite, or more than an account holds; names `field`.
    """
    expected = f"US dollars from 0 to {MOST:,f}"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ConfigError(f"{field}: expected {expected}, got {type(value).__name__}")
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ConfigError(f"{field}: expected {expected}, got {value!r}") from None
    if not (amount.is_finite() and 0 <= amount <= MOST):
        raise ConfigError(f"{field}: expected {expected}, got {value!r}")
    return amount.copy_abs()
