"""A budget for a day and one for a run: reserved before each call is sent, settled with what it cost."""

import asyncio
import os

from agents import Agent, RunConfig, Runner

from hanzo_agents import Budget, BudgetExceeded, HanzoModelProvider, MemoryStore, Price, run_budget

model = os.environ.get("HANZO_MODEL", "smollm2-135m-instruct")
budget = Budget(
    daily=10,
    monthly=200,
    store=MemoryStore(),  # without this, a file in your state folder keeps the account for all your programs
    prices={model: Price(input=5, output=15)},  # as if it cost: US dollars per million tokens
    max_output=60,
)
connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local
provider = connect(model=model, policies=[budget])


async def main() -> None:
    agent = Agent(name="Assistant", instructions="Answer in one short sentence.")
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    with run_budget(0.05) as run:
        result = await Runner.run(agent, "What is a budget?", run_config=config)
    print(result.final_output)
    print(f"spent ${run.spent:f}, left ${run.remaining:f}, by agent {list(run.by_agent)}")

    with run_budget(0.0001):
        try:
            await Runner.run(agent, "And a ledger?", run_config=config)
        except BudgetExceeded as refused:
            print(f"refused: {refused}")


if __name__ == "__main__":
    asyncio.run(main())
