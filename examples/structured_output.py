"""An answer as a typed Python object."""

import asyncio
import os

from agents import Agent, RunConfig, Runner
from pydantic import BaseModel

from hanzo_agents import HanzoModelProvider

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()


class Event(BaseModel):
    """What an invitation says."""

    name: str
    day: str
    people: list[str]


async def main() -> None:
    agent = Agent(name="Clerk", instructions="Extract the event.", output_type=Event)
    result = await Runner.run(
        agent, "Alice and Bob go to the science fair on Friday.", run_config=RunConfig(model_provider=provider)
    )
    event = result.final_output_as(Event, raise_if_incorrect_type=True)
    print(f"name: {event.name}\nday: {event.day}\npeople: {', '.join(event.people)}")


if __name__ == "__main__":
    asyncio.run(main())
