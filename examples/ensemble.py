"""An agent whose model is an ensemble: drafts, one answer, and tools that only the one who answers may call."""

import asyncio
import os

from agents import Agent, ModelSettings, RunConfig, Runner, function_tool

from hanzo_agents import Blend, HanzoModelProvider, track

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local
MODEL = os.environ.get("HANZO_MODEL", "smollm2-135m-instruct")

# Different models make the better panel: Blend(["gpt-4o", "claude-3-5-sonnet", "zen-1"], strategy="council").
# With one model there are drafts.
provider = connect(policies=[Blend([MODEL], strategy="self_moa", samples=2, agreement=None)])


@function_tool
def opening_hours(day: str) -> str:
    """When the library is open."""
    return f"On {day}: 9 to 17."


async def main() -> None:
    agent = Agent(
        name="Librarian",
        instructions="You help visitors of a library. Be concise.",
        tools=[opening_hours],
        model_settings=ModelSettings(max_tokens=24),
    )
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    question = "Name three good reasons to visit a library."
    print(await provider.explain(agent, question, run_config=config))

    with track() as journals:
        result = await Runner.run(agent, question, run_config=config)
    for journal in journals:
        for decision in journal.decisions:
            print(f"{decision.policy} {decision.action}: {decision.reason}")
        print(f"{len(journal.attempts)} requests")
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
