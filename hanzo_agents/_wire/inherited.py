"""What a copy of a client takes over beside the SDK's own options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from hanzo_agents._kernel.stack import Stack
from hanzo_agents._wire.labels import Labels
from hanzo_agents.policies.retry import Retry
from hanzo_agents.prices.learned import Endpoints

__all__ = ["Inherited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """Settings of ours that `copy` and sibling clients carry along.

    Attributes:
        limit: bytes at which a reply is abandoned.
        insecure: plain http to other machines is permitted.
        owns_http: the HTTP client is ours to close.
        provider: who answers at this address, where the address itself does not tell.
        single: every call is exactly one request.
        away: the client is a copy for another address: organization and project stay at home.
        learned: what endpoints told of their models' prices; a copy need not ask again.
        beside: what the client keeps beside its stack; the wire does not look into it.
    """

    stack: Stack
    model: str | None
    labels: Labels
    limit: int
    insecure: bool
    owns_http: bool
    single: bool = False
    provider: str | None = None
    away: bool = False
    learned: Endpoints = field(default_factory=Endpoints, compare=False)
    beside: Any = field(default=None, repr=False)

    def with_retries(self, max_retries: int) -> Inherited:
        """As `with_options(max_retries=...)` asks: 0 is exactly one request, more replaces the Retry there is."""
        if max_retries == 0:
            return replace(self, single=True)
        policies = (
            replace(policy, attempts=max_retries + 1) if isinstance(policy, Retry) else policy
            for policy in self.stack.policies
        )
        return replace(self, stack=Stack.silently(policies), single=False)

    def bare(self) -> Inherited:
        """For an endpoint that is only a target of ours: its calls come through our stack already."""
        return replace(self, stack=Stack(), labels=Labels(), model=None, provider=None, beside=None)
