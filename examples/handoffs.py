"""Three agents: one decides who answers."""

import asyncio
import os

from agents import Agent, ModelSettings, RunConfig, Runner

from hanzo_agents import HanzoModelProvider

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()

brief = ModelSettings(max_tokens=60)
weather = Agent(
    name="Weather expert",
    handoff_description="Knows the weather, the climate and the seasons.",
    instructions="You explain the weather in one sentence.",
    model_settings=brief,
)
maths = Agent(
    name="Maths expert",
    handoff_description="Knows numbers, arithmetic and geometry.",
    instructions="You explain mathematics in one sentence.",
    model_settings=brief,
)
reception = Agent(
    name="Reception",
    instructions="Hand the question to the right expert.",
    handoffs=[weather, maths],
    model_settings=ModelSettings(tool_choice="required"),
)


async def main() -> None:
    result = await Runner.run(
        reception,
        "Why does it rain in autumn?",
        run_config=RunConfig(model_provider=provider, tracing_disabled=True),
    )
    print(f"{result.last_agent.name}: {result.final_output}")


if __name__ == "__main__":
    asyncio.run(main())
