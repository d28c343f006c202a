"""Three agents: one decides who answers."""

import asyncio
import os

from agents import Agent, ModelSettings, RunConfig, Runner, handoff
from agents.extensions.handoff_filters import remove_all_tools

from hanzo_agents import HanzoModelProvider

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()
config = RunConfig(model_provider=provider, tracing_disabled=True)

brief = ModelSettings(max_tokens=60)
weather = Agent(
    name="Weather expert",
    handoff_description="Knows the weather, the climate and the seasons.",
    instructions="You are a weather expert. Be concise.",
    model_settings=brief,
)
maths = Agent(
    name="Maths expert",
    handoff_description="Knows numbers, arithmetic and geometry.",
    instructions="You are a mathematician. Be concise.",
    model_settings=brief,
)
reception = Agent(
    name="Reception",
    instructions="Hand the question to the right expert.",
    # The expert sees the conversation as if it had been asked at once.
    handoffs=[handoff(expert, input_filter=remove_all_tools) for expert in (weather, maths)],
    model_settings=ModelSettings(tool_choice="required"),
)


async def main() -> None:
    result = await Runner.run(reception, "What is the water cycle?", run_config=config)
    print(f"{result.last_agent.name}: {result.final_output}")


if __name__ == "__main__":
    asyncio.run(main())
