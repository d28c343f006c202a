"""The backend integration guide in one file: an agent, one with tools, two models, production settings."""

import asyncio
import os

from agents import Agent, ModelSettings, RunConfig, Runner, function_tool

from hanzo_agents import Deadline, HanzoModelProvider, Retry

# The router, when HANZO_ROUTER_URL, HANZO_API_KEY and HANZO_MODEL are set; else a small model on this machine.
# One provider serves the whole program: it keeps the connections. `get_hanzo_provider()` shares one for you.
connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local
provider = connect(
    user_id="user-123",  # whom the calls are for, in the router's records
    metadata={"tags": ["example"]},
    policies=[Retry(attempts=3), Deadline(total=120)],
)
config = RunConfig(model_provider=provider, model_settings=ModelSettings(max_tokens=100))


@function_tool
def search_knowledge_base(query: str) -> str:
    """Search the knowledge base for help with a problem."""
    print(f"search_knowledge_base({query!r})")
    return "A 401 error means that the API key is wrong or has expired."


async def basic_example() -> None:
    print("\n=== Basic Agent ===")
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    result = await Runner.run(agent, "What is an API gateway?", run_config=config)
    print(f"Response: {result.final_output}")


async def tools_example() -> None:
    print("\n=== Agent with Tools ===")
    agent = Agent(
        name="SupportAgent",
        instructions="You are a customer support agent. Use the tool to find information.",
        tools=[search_knowledge_base],
        model_settings=ModelSettings(tool_choice="required"),
    )
    result = await Runner.run(agent, "The API returns 401 errors. Why?", run_config=config)
    print(f"Response: {result.final_output}")


async def multi_model_example() -> None:
    """A fast model for short questions, a capable one for the others."""
    print("\n=== Two Models ===")
    fast = provider.client.default_model
    capable = os.environ.get("HANZO_CAPABLE_MODEL", fast)
    agent = Agent(name="Analyst", instructions="You are a helpful assistant. Be concise.")
    for question in ("What is 2 + 2?", "Name one advantage of microservices over one large program, and why."):
        model = fast if len(question) < 50 else capable
        result = await Runner.run(agent, question, run_config=RunConfig(
            model_provider=provider, model=model, model_settings=ModelSettings(max_tokens=100)
        ))  # fmt: skip
        print(f"{model}: {result.final_output}")


async def main() -> None:
    print(f"Using {provider.client.base_url}")
    await basic_example()
    await tools_example()
    await multi_model_example()


if __name__ == "__main__":
    asyncio.run(main())
