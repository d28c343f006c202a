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
    place: str


async def main() -> None:
    agent = Agent(name="Clerk", instructions="Extract the event.", output_type=Event)
    result = await Runner.run(
        agent,
        "The science fair is in Paris on Friday.",
        run_config=RunConfig(model_provider=provider, tracing_disabled=True),
    )
    event = result.final_output_as(Event, raise_if_incorrect_type=True)
    print(f"name: {event.name}\nday: {event.day}\nplace: {event.place}")


if __name__ == "__main__":
    asyncio.run(main())
