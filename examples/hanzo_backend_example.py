"""The backend integration guide in one file: an agent, one with tools, two models, production settings."""

import asyncio
import os
from dataclasses import replace

from agents import Agent, ModelSettings, RunConfig, Runner, function_tool

from hanzo_agents import Deadline, HanzoModelProvider, Retry

# The router, when HANZO_ROUTER_URL, HANZO_API_KEY and HANZO_MODEL are set; else a small model on this machine.
# One provider serves the whole program: it keeps the connections. `get_hanzo_provider()` shares one for you.
connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local
provider = connect(
    user_id="user-123",  # whom the calls are for, in the router's records
    metadata={"tags": ["example"]},
    policies=[Retry(attempts=3), Deadline(total=300)],
)
config = RunConfig(model_provider=provider, model_settings=ModelSettings(max_tokens=100), tracing_disabled=True)


@function_tool
def explain_error(status: int) -> str:
    """Look up what an error's status code means."""
    print(f"explain_error({status})")
    return "The API key is wrong or has expired."


async def basic_example() -> None:
    print("\n=== Basic Agent ===")
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    result = await Runner.run(agent, "What is an API gateway?", run_config=config)
    print(f"Response: {result.final_output}")


async def tools_example() -> None:
    print("\n=== Agent with Tools ===")
    agent = Agent(
        name="SupportAgent",
        instructions="You are a customer support agent. Use the tool to look errors up.",
        tools=[explain_error],
        model_settings=ModelSettings(tool_choice="required"),
    )
    result = await Runner.run(agent, "What does error 401 mean?", run_config=config)
    print(f"Response: {result.final_output}")


async def multi_model_example() -> None:
    """A fast model for short questions, a capable one for the others."""
    print("\n=== Two Models ===")
    fast = provider.client.default_model
    capable = os.environ.get("HANZO_CAPABLE_MODEL", fast)
    agent = Agent(name="Analyst", instructions="You are a helpful assistant. Be concise.")
    for question in ("What is 2 + 2?", "Explain in one sentence what the water cycle does for the planet."):
        model = fast if len(question) < 50 else capable
        result = await Runner.run(agent, question, run_config=replace(config, model=model))
        print(f"{model}: {result.final_output}")


async def main() -> None:
    print(f"Using {provider.client.base_url}")
    await basic_example()
    await tools_example()
    await multi_model_example()


if __name__ == "__main__":
    asyncio.run(main())
