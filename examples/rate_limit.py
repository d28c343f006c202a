"""Five questions at once; two may be under way, four go in a minute: others wait their turn, or are told when."""

import asyncio
import os

from agents import Agent, ModelSettings, RunConfig, Runner

from hanzo_agents import HanzoModelProvider, RateLimit, RateLimited

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local

limit = RateLimit(
    requests_per_minute=4,
    max_concurrent=2,
    max_wait=30,  # seconds; without it a call waits as long as its deadline allows
    key="the example",  # one limit for all models
)
config = RunConfig(model_provider=connect(policies=[limit]), tracing_disabled=True)
agent = Agent(name="Guide", instructions="Be brief.", model_settings=ModelSettings(max_tokens=20))


async def ask(city: str) -> None:
    try:
        result = await Runner.run(agent, f"In which country is {city}?", run_config=config)
    except RateLimited as refused:
        print(f"{city}: not now, but in {refused.retry_after:.0f} s")
    else:
        print(f"{city}: {result.final_output}")


async def main() -> None:
    await asyncio.gather(*(ask(city) for city in ("Lima", "Oslo", "Rome", "Accra", "Hanoi")))
    state = limit.state()
    print(f"{state.requests} of {state.requests_per_minute} requests in the last minute, {limit.scope}")


if __name__ == "__main__":
    asyncio.run(main())
