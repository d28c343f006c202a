"""A client as a program has one every day: cached, counted, and kept on this machine when there is no router."""

import os

from hanzo_agents import Hanzo

mode = "hybrid" if os.environ.get("HANZO_ROUTER_URL") else "local"


def main() -> None:
    with Hanzo(
        inference_mode=mode,
        enable_cache=True,
        cache_ttl=600,
        daily_budget=1.0,
        max_retries=2,
        retry_on=["rate_limit", "timeout", "server_error"],
        circuit_breaker={"failure_threshold": 5, "timeout": 60},
        enable_analytics=True,
    ) as hanzo:
        question = [{"role": "user", "content": "In one sentence: what is a circuit breaker?"}]
        estimate = hanzo.estimate_cost(messages=question, max_tokens=60)
        print(f"{estimate.model}: at most ${estimate.cost:.4f}")
        try:
            for _ in range(2):
                reply = hanzo.chat.completions.create(messages=question, max_tokens=60)
                print(reply.choices[0].message.content)
                print(f"by {reply.model} of {reply.provider}, ${reply.cost}, from the cache: {reply.from_cache}")
        except hanzo.errors.BudgetExceeded as refused:
            print(f"{refused.budget_type} limit of ${refused.limit}")

        summary = hanzo.analytics.get_summary()
        print(f"{summary.total_requests} calls, {summary.cache_hit_rate:.0%} cached, ${summary.total_cost:.2f}")


if __name__ == "__main__":
    main()
