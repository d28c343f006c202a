"""Every read-only request of the LLMWise API, once, with the key in LLMWISE_API_KEY: does the account answer?

Nothing is written, bought or asked of a model. What fails is named, and the exit status is the number of failures.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

from openai import APIConnectionError

from hanzo_agents.llmwise import LLMWise, LLMWiseError


def checks(client: LLMWise) -> dict[str, Callable[[], Any]]:
    """What there is to read, by the name of the method."""
    return {
        "models": client.models,
        "conversations": lambda: client.conversations(limit=5),
        "history": lambda: client.history(limit=5),
        "credits_wallet": client.credits_wallet,
        "credits_balance": client.credits_balance,
        "credits_transactions": lambda: client.credits_transactions(limit=5),
        "credits_packs": client.credits_packs,
        "usage_summary": lambda: client.usage_summary(days=7),
        "usage_recent": lambda: client.usage_recent(days=7, limit=5),
        "keys_info": client.keys_info,
        "memory_list": lambda: client.memory_list(limit=5),
        "memory_search": lambda: client.memory_search(q="hello", top_k=1),
        "optimization_policy": client.optimization_policy,
        "optimization_report": lambda: client.optimization_report(days=1),
        "optimization_snapshots": lambda: client.optimization_snapshots(limit=1),
        "optimization_alerts": lambda: client.optimization_alerts(limit=1),
        "optimization_test_templates": client.optimization_test_templates,
        "optimization_test_suites": lambda: client.optimization_test_suites(limit=1),
        "optimization_test_runs": lambda: client.optimization_test_runs(limit=1),
        "optimization_regression_schedules": lambda: client.optimization_regression_schedules(limit=1),
        "settings_keys": client.settings_keys,
        "settings_privacy": client.settings_privacy,
        "settings_copilot_state": client.settings_copilot_state,
    }


def shape(answer: list[Any] | dict[str, Any] | str) -> str:
    """What came, without what is in it."""
    if isinstance(answer, list):
        return f"{len(answer)} of them"
    return ", ".join(sorted(answer)) if isinstance(answer, dict) else f"{len(answer)} characters"


def main() -> int:
    """Run the checks; the number of those that failed."""
    failures = 0
    with LLMWise() as client:
        print(f"asking {client.base_url}")
        for name, check in checks(client).items():
            try:
                print(f"ok    {name}: {shape(check())}")
            except (LLMWiseError, APIConnectionError) as error:
                failures += 1
                print(f"FAIL  {name}: {error}")
    print(f"{failures} failed" if failures else "all is well")
    return failures


if __name__ == "__main__":
    if not os.environ.get("LLMWISE_API_KEY"):
        sys.exit("set LLMWISE_API_KEY to a key of LLMWise (mm_sk_...)")
    sys.exit(main())
