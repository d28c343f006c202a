"""The answer, token by token; then what it took."""

import asyncio
import os

from agents import Agent, ModelSettings, RunConfig, Runner
from openai.types.responses import ResponseTextDeltaEvent

from hanzo_agents import HanzoModelProvider, track

provider = HanzoModelProvider() if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local()
config = RunConfig(model_provider=provider, tracing_disabled=True)


async def main() -> None:
    agent = Agent(name="Poet", instructions="Be brief.", model_settings=ModelSettings(max_tokens=80))
    with track() as journals:
        result = Runner.run_streamed(agent, "Write one sentence about the sea.", run_config=config)
        async for event in result.stream_events():
            if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
                print(event.data.delta, end="", flush=True)

    call = journals[0].answered
    assert call is not None
    print(f"\n\n{call.model}: first token after {call.ttft:.2f} s, {call.usage}, {call.cost}")


if __name__ == "__main__":
    asyncio.run(main())
