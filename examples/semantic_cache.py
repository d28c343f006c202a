"""The same question in other words: the model is asked once; one that only looks the same is told apart."""

import asyncio
import os

from agents import Agent, RunConfig, Runner

from hanzo_agents import Cache, HanzoModelProvider, SemanticCache, track

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local

QUESTIONS = (
    "What is the capital of France?",
    "Hi! Could you tell me what France's capital is?",
    "What is the capital of Finland?",
)


async def main() -> None:
    # With shadow=True it would only compare, and answer nothing.
    similar = SemanticCache(ttl=3600)
    provider = connect(policies=[Cache(ttl=3600), similar])
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")

    for question in QUESTIONS:
        with track() as journals:
            result = await Runner.run(agent, question, run_config=config)
        said = [f"{d.action}: {d.reason}" for d in journals[0].decisions if d.policy == "SemanticCache"]
        print(question, "->", result.final_output.splitlines()[0])
        print("  ", "; ".join(said) or "asked")

    stats = similar.stats()
    print(f"{stats.hits} hit, {stats.misses} misses, {stats.gated} told apart, state: {stats.state}")


if __name__ == "__main__":
    asyncio.run(main())
