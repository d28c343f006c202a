"""One question, one answer."""

import asyncio
import os

from agents import Agent, RunConfig, Runner

from hanzo_agents import HanzoModelProvider

# The router, when HANZO_ROUTER_URL, HANZO_API_KEY and HANZO_MODEL are set; else a small model on this machine.
provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()
config = RunConfig(model_provider=provider, tracing_disabled=True)


async def main() -> None:
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    result = await Runner.run(agent, "What is 2 + 2?", run_config=config)
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
