"""A router that is down: two calls find out, and those after them no longer ask it."""

import asyncio
import logging
import os
import sys

from agents import Agent, RunConfig, Runner

from hanzo_agents import Breaker, HanzoModelProvider, Retry, Target, track

spare = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()


breaker = Breaker(failure_threshold=2, timeout=60)
provider = HanzoModelProvider(
    "http://127.0.0.1:9/v1",
    "a-key-of-its-own",
    model="gpt-4",
    fallbacks=[Target(spare.get_model(None), label="the spare")],
    policies=[breaker, Retry(attempts=1)],
)


async def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(name)s: %(message)s")
    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    for question in ("What is 2 + 2?", "And 3 + 3?", "And 4 + 4?"):
        with track() as journals:
            result = await Runner.run(
                agent, question, run_config=RunConfig(model_provider=provider, tracing_disabled=True)
            )
        asked = [attempt.target for attempt in journals[0].attempts]
        print(f"asked {', then '.join(asked)}: {result.final_output}")

    for target, circuit in breaker.states().items():
        print(f"{target}: {circuit.state}, a probe may go in {circuit.retry_after:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
