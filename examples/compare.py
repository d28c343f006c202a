"""The same question to several models: all their answers, as they speak, and what they took."""

import asyncio
import os

from hanzo_agents import AsyncHanzo

# The embedded node has one model. Before a router: ["gpt-4o", "claude-3-5-sonnet", "zen-1"].
MODELS = [os.environ.get("HANZO_MODEL", "smollm2-135m-instruct")]
QUESTION = "What is the capital of France?"


async def main() -> None:
    connect = AsyncHanzo if os.environ.get("HANZO_ROUTER_URL") else AsyncHanzo.local
    async with connect() as client:
        compared = await client.compare(
            models=MODELS, messages=[{"role": "user", "content": QUESTION}], max_tokens=40
        )
        for one in compared.responses:
            print(f"{one.model} ({one.status}, {one.completion_tokens} tokens, ${one.cost}): {one.content}")
        print(f"fastest: {compared.summary.fastest}, all together: ${compared.summary.cost}")

        # The same as events. Several models speak at the same time, so each piece says whose it is.
        async for event in await client.compare(
            models=MODELS, messages=[{"role": "user", "content": QUESTION}], max_tokens=40, stream=True
        ):
            if event.event == "delta":
                print(event.delta, end="", flush=True)
            elif event.event == "done":
                print(f"\n[{event.model} is done]")


if __name__ == "__main__":
    asyncio.run(main())
