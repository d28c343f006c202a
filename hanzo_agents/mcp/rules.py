"""What a tool may take: time, room, repetition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.clock import Duration, required_seconds, seconds
from hanzo_agents._kernel.fields import check_count
from hanzo_agents.errors import ConfigError
from hanzo_agents.policies.breaker import Breaker
from hanzo_agents.policies.deadline import Deadline
from hanzo_agents.policies.rate_limit import RateLimit
from hanzo_agents.policies.retry import Retry

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Predicate
    from hanzo_agents._kernel.stack import Policy

__all__ = ["ToolRules", "rules_by_tool"]


@dataclass(frozen=True, kw_only=True)
class ToolRules:
    """The limits of calls to a tool. Each tool has a circuit and a pace of its own.

    Attributes:
        timeout: seconds for the whole call, repetitions and waits included. 60 is the default of MCP's TypeScript
            SDK.
        retries: how often a call is repeated when the connection was lost, if the server says that the tool
            changes nothing or may be repeated. A call that was certainly not sent is repeated whatever the tool.
        max_result: characters of a result that the model gets. 100,000 are about 25,000 tokens, the default of
            Claude Code.
        breaker: refuses calls to a tool whose server keeps failing; None never does.
        rate_limit: calls a minute, and at once; None for no limit.
    """

    timeout: Duration = 60.0
    retries: int = 1
    max_result: int = 100_000
    breaker: Breaker | None = field(default_factory=Breaker)
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        """Check the fields; ConfigError names the one that is wrong."""
        seconds("ToolRules.timeout", required_seconds("ToolRules.timeout", self.timeout), zero=False)
        check_count("ToolRules.retries", self.retries, 0)
        check_count("ToolRules.max_result", self.max_result, 200)
        for name, kind in (("breaker", Breaker), ("rate_limit", RateLimit)):
            value: Any = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise ConfigError(
                    f"ToolRules.{name}: expected a {kind.__name__} or None, got {type(value).__name__}"
                )

    def policies(self, on: Predicate) -> list[Policy]:
        """What stands around a call, outermost first.

        Args:
            on: which failures are worth a repetition.
        """
        retry = Retry(attempts=self.retries + 1, base_delay=0.2, on=on, budget=None)
        around = (Deadline(total=self.timeout), retry, self.breaker, self.rate_limit)
        return [policy for policy in around if policy is not None]


def rules_by_tool(rules: Any, tool_rules: Any) -> tuple[ToolRules, dict[str, ToolRules]]:
    """The rules of a client, checked: those for all tools, and those for some.

    Raises:
        ConfigError: something is none.
    """
    if rules is not None and not isinstance(rules, ToolRules):
        raise ConfigError(f"rules: expected ToolRules, got {type(rules).__name__}")
    special = dict(tool_rules or {})
    for name, own in special.items():
        if not isinstance(name, str) or not isinstance(own, ToolRules):
            raise ConfigError(
                f"tool_rules: expected names of tools and ToolRules, got {name!r}: {type(own).__name__}"
            )
    return rules or ToolRules(), special
