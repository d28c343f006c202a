"""An agent that uses a Python function."""

import asyncio
import os

from agents import Agent, RunConfig, Runner, function_tool

from hanzo_agents import HanzoModelProvider

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()
config = RunConfig(model_provider=provider, tracing_disabled=True)


@function_tool
def get_weather(city: str) -> str:
    """Get the current weather in a city."""
    print(f"get_weather({city!r})")
    return f"It is sunny and 24 degrees in {city}."


async def main() -> None:
    agent = Agent(name="Assistant", instructions="You are a helpful assistant.", tools=[get_weather])
    result = await Runner.run(agent, "What's the weather in Paris?", run_config=config)
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
