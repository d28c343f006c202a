"""Metrics for Prometheus, and a log of what was decided: of an agent whose first model is not there."""

import asyncio
import logging
import os
import sys

import httpx2
from agents import Agent, RunConfig, Runner

from hanzo_agents import HanzoModelProvider, Log, Metrics, Retry, watch

connect = HanzoModelProvider if os.environ.get("HANZO_ROUTER_URL") else HanzoModelProvider.local

provider = connect(
    model="gpt-of-tomorrow",
    fallbacks=[os.environ.get("HANZO_MODEL", "smollm2-135m-instruct")],
    policies=[Retry(attempts=1)],
)


async def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(name)s: %(message)s")
    metrics = Metrics()
    watch(metrics)
    watch(Log())

    agent = Agent(name="Assistant", instructions="You are a helpful assistant. Be concise.")
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    await Runner.run(agent, "What is 2 + 2?", run_config=config)

    # A service keeps `metrics.serve()` open, for Prometheus to read every few seconds.
    with metrics.serve(port=0) as server:
        page = httpx2.get(server.url).text
    for line in page.splitlines():
        if line.startswith(("hanzo_requests_total", "hanzo_attempts_total", "hanzo_tokens_total")):
            print(line)


if __name__ == "__main__":
    asyncio.run(main())
