"""An answer as a typed Python object."""

import asyncio
import os

from agents import Agent, RunConfig, Runner
from pydantic import BaseModel

from hanzo_agents import HanzoModelProvider

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()
config = RunConfig(model_provider=provider, tracing_disabled=True)


class Person(BaseModel):
    """What a sentence says about somebody."""

    name: str
    age: int
    city: str


async def main() -> None:
    agent = Agent(name="Clerk", instructions="Extract the person.", output_type=Person)
    result = await Runner.run(agent, "Alice is 30 years old and lives in Paris.", run_config=config)
    person = result.final_output_as(Person, raise_if_incorrect_type=True)
    print(f"name: {person.name}\nage:  {person.age}\ncity: {person.city}")


if __name__ == "__main__":
    asyncio.run(main())
