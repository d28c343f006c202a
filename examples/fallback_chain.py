"""Three targets in a chain: a model that is not there, a router that is down, and one that answers."""

import asyncio
import os

from agents import Agent, RunConfig, Runner

from hanzo_agents import HanzoModelProvider, Retry, Target, track

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local

provider = connect(
    model="gpt-of-tomorrow",
    fallbacks=[
        Target("gpt-4", base_url="http://127.0.0.1:9/v1", api_key="a-key-of-its-own"),
        os.environ.get("HANZO_MODEL", "smollm2-135m-instruct"),
    ],
    policies=[Retry(attempts=1)],  # nothing to wait for in an example; without this, each target gets three tries
)


async def main() -> None:
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    with track() as journals:
        result = await Runner.run(
            agent, "What is 2 + 2?", run_config=RunConfig(model_provider=provider, tracing_disabled=True)
        )

    for attempt in journals[0].attempts:
        print(f"{attempt.target}: {type(attempt.error).__name__ if attempt.error else 'answered'}")
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
