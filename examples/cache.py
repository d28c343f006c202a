"""The same question three times, once as a stream: the model is asked once."""

import asyncio
import os
import tempfile
from pathlib import Path

from agents import Agent, RunConfig, Runner

from hanzo_agents import Cache, HanzoModelProvider, SQLiteStore, track

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "answers.db")  # a path of your own keeps them for the next start
        cache = Cache(ttl=3600, store=store)
        provider = connect(policies=[cache])
        config = RunConfig(model_provider=provider, tracing_disabled=True)
        agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")

        with track() as journals:
            first = await Runner.run(agent, "What is 2 + 2?", run_config=config)
            again = await Runner.run(agent, "What is 2 + 2?", run_config=config)
            streamed = Runner.run_streamed(agent, "What is 2 + 2?", run_config=config)
            async for _ in streamed.stream_events():
                pass

        print(first.final_output)
        print("the same each time:", first.final_output == again.final_output == streamed.final_output)
        for journal in journals:
            attempt = journal.attempts[0]
            print("from the cache" if attempt.cache_hit else "asked", f"${journal.cost.amount or 0}")
        stats = cache.stats()
        print(f"{stats.hits} hits saved {stats.saved_tokens} tokens")
        store.close()


if __name__ == "__main__":
    asyncio.run(main())
