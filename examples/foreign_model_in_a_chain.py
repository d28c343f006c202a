"""A model of somebody else's first; Hanzo when it fails."""

import asyncio
import os

from agents import Agent, RunConfig, Runner
from agents.testing import ScriptedModel

from hanzo_agents import Fallback, HanzoModelProvider, Retry, Target, track, wrap

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()

# Any `agents.Model` will do: LiteLLM's, Bedrock's, your own. This one only ever fails.
foreign = ScriptedModel([ConnectionError("the foreign model is away")])


async def main() -> None:
    model = wrap(foreign, Retry(attempts=1), Fallback(to=[Target(provider.get_model(None))]))
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.", model=model)
    with track() as journals:
        result = await Runner.run(agent, "What is 2 + 2?", run_config=RunConfig(tracing_disabled=True))

    for decision in journals[0].decisions:
        print(f"{decision.policy} {decision.action}: {decision.reason}")
    print(result.final_output)


if __name__ == "__main__":
    asyncio.run(main())
