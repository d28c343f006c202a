"""The model by the task: who would answer an easy question and a hard one, why, and what is personal in a text."""

import asyncio
import os

from agents import Agent, RunConfig, Runner

from hanzo_agents import HanzoModelProvider, Price, Route, Target, track
from hanzo_agents.routing import ModelFacts, complexity, contains_pii

if os.environ.get("HANZO_ROUTER_URL"):
    connect, small, large = HanzoModelProvider, Target("gpt-4o-mini"), Target("gpt-4o")
else:
    # The embedded node has one model. It is asked the easy question; the hard one is only explained.
    connect, small, large = HanzoModelProvider.local, Target("smollm2-135m-instruct"), Target("gpt-4o")

provider = connect(
    policies=[
        Route(
            to=[small, large],
            # What you know of models goes before the catalogue, and before public prices.
            models={small.name: ModelFacts(quality=0.7)},
            prices={small.name: Price(input=0, output=0), large.name: Price(input="2.50", output=10)},
        )
    ],
)


async def main() -> None:
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    for question in ("What is the capital of Peru?", "Prove that there are infinitely many primes."):
        plan = await provider.explain(agent, question)
        (decision,) = [step.decision for step in plan.steps if step.policy == "Route" and step.decision]
        print(f"{question}\n  complexity {complexity(question)}\n  {decision.reason}")

    with track() as journals:
        result = await Runner.run(
            agent,
            "What is the capital of Peru?",
            run_config=RunConfig(model_provider=provider, tracing_disabled=True),
        )
    chosen = next(decision for decision in journals[0].decisions if decision.policy == "Route")
    print(f"{chosen.data['target']} answered, not {list(chosen.data['passed'])}: {result.final_output}")

    text = "Write to jane.doe@example.com about order 2024-11-05, please."
    print([f"{found.kind} at {found.start}" for found in contains_pii(text)])


if __name__ == "__main__":
    asyncio.run(main())
