"""Which calls a cache may answer: whose they are, and whether they ask for variety."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hanzo_agents._kernel.canonical import joined
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.codec import Question

__all__ = ["Tenant", "asked_by", "check_temperature", "checked_tenant", "tenant_of", "too_warm"]

Tenant = str | Callable[["Call"], str | None] | None
"""A name, or a function of the call that gives one; None: the endpoint's key alone tells callers apart."""


def checked_tenant(field: str, tenant: object) -> str:
    """The name of a tenant."""
    if not isinstance(tenant, str) or not tenant:
        raise ConfigError(f"{field}: expected a non-empty string, got {tenant!r}")
    return tenant


def tenant_of(field: str, tenant: Tenant, call: Call, question: Question) -> str | None:
    """The tenant of a call. Where it needs one and has none, that is the question's obstacle."""
    if tenant is not None and not isinstance(tenant, str):
        tenant = tenant(call)
        if tenant is None:
            question.obstacle = "the call has no tenant"
            return None
        checked_tenant(field, tenant)
    if tenant is None and not question.secret:
        question.obstacle = "the endpoint's key may change each time, and no tenant says whose call it is"
    return tenant


def asked_by(tenant: str | None, question: Question, version: bytes) -> bytes:
    """All that an answer depends on: the question, whose it is, and what this version takes for a question."""
    named = () if tenant is None else (tenant.encode("utf-8", "surrogatepass"),)
    return joined((version, question.asked, *named))


def check_temperature(field: str, most: object) -> None:
    """Refuse what is neither None nor a number from 0."""
    if most is not None and (isinstance(most, bool) or not isinstance(most, int | float) or not most >= 0):
        raise ConfigError(f"{field}: expected a number >= 0 or None, got {most!r}")


def too_warm(question: Question, most: float | None) -> str | None:
    """Why a question asks for variety, which a cache takes away; None when it does not."""
    asked = question.temperature
    if most is None or asked is None or asked <= most:
        return None
    return f"the call asks for a temperature of {asked:g}"
