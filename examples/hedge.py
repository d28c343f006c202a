"""A second leg when the first is slow; before it, what would happen, with no model called."""

import asyncio
import os

from agents import Agent, RunConfig, Runner

from hanzo_agents import HanzoModelProvider, Hedge, track

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local

provider = connect(
    policies=[
        # So soon, and for every call, only in an example. Hedge(to=["another-model"]) waits for the slowest
        # twentieth, and spends a twentieth.
        Hedge(after=0.02, max_extra_spend=1.0)
    ],
)


async def main() -> None:
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    print(await provider.explain(agent, "What is 2 + 2?"))

    with track() as journals:
        result = await Runner.run(
            agent, "What is 2 + 2?", run_config=RunConfig(model_provider=provider, tracing_disabled=True)
        )
    for attempt in journals[0].attempts:
        print(f"leg {attempt.number}: {'answered' if attempt.accepted is not None else 'left'}")
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
