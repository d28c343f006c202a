"""One provider, many event loops and threads. Rows 63 and 64."""

import asyncio
import gc
import threading

import openai
import pytest
from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner
from openai import AsyncOpenAI

from hanzo_agents import HanzoModelProvider
from hanzo_agents.testing.fault_server import FaultServer, faults

KEY = "sk-canary-0123456789"
AGENT = Agent(name="a")


@pytest.fixture
def server():
    with FaultServer() as server:
        server.script("Hello!", repeat=True)
        yield server


@pytest.fixture
def provider(server):
    return HanzoModelProvider(server.base_url, KEY, model="m", policies=[])


async def ask(provider, *, stream=False):
    config = RunConfig(model_provider=provider)
    if not stream:
        return (await Runner.run(AGENT, "Hi", run_config=config)).final_output
    result = Runner.run_streamed(AGENT, "Hi", run_config=config)
    async for _ in result.stream_events():
        pass
    return result.final_output


def in_threads(number, work):
    """Run `work` in threads at once, each with a loop of its own, and return what came of it."""
    results = []
    together = threading.Barrier(number)

    def run():
        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        together.wait()
        try:
            results.append(work())
        except Exception as error:
            results.append(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
def test_five_loops_one_after_another(server, provider, stream):
    assert [asyncio.run(ask(provider, stream=stream)) for _ in range(5)] == ["Hello!"] * 5
    gc.collect()
    server.wait_for(lambda: server.open_connections == 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_bare_sdk_fails_in_the_second(server):
    results = three_loops(
        OpenAIChatCompletionsModel("m", AsyncOpenAI(base_url=server.base_url, api_key=KEY, max_retries=0))
    )
    assert results[0] == "Hello!"
    assert any(result in (RuntimeError, openai.APIConnectionError) for result in results)
    gc.collect()


def three_loops(model):
    def attempt():
        try:
            return asyncio.run(Runner.run(AGENT, "Hi", run_config=RunConfig(model=model))).final_output
        except Exception as error:
            return type(error)  # the error itself would keep its sockets alive

    return [attempt() for _ in range(3)]


def test_eight_threads(server, provider):
    config = RunConfig(model_provider=provider)
    answered = in_threads(8, lambda: Runner.run_sync(AGENT, "Hi", run_config=config).final_output)
    assert answered == ["Hello!"] * 8
    gc.collect()
    server.wait_for(lambda: server.open_connections == 0)


# Runner.run_sync shuts down the generators of the loop that it then uses again.
@pytest.mark.filterwarnings("ignore:asynchronous generator .* was scheduled after:ResourceWarning")
def test_again_and_again_in_each_of_eight_threads(server, provider):
    config = RunConfig(model_provider=provider)

    def work():
        return [Runner.run_sync(AGENT, "Hi", run_config=config).final_output for _ in range(3)]

    assert in_threads(8, work) == [["Hello!"] * 3] * 8
    gc.collect()
    server.wait_for(lambda: server.open_connections == 0)


def test_many_runs_at_once_in_one_loop(server, provider):
    async def main():
        async with provider:
            return await asyncio.gather(*(ask(provider, stream=n % 2 == 0) for n in range(40)))

    assert asyncio.run(main()) == ["Hello!"] * 40
    server.wait_for(lambda: server.open_connections == 0)


def test_a_fault_in_one_loop_is_none_in_the_next(server, provider):
    server.model("m").script(faults.cut_in_json(), faults.reset(), "Better", repeat=True)
    for _ in range(2):
        with pytest.raises(Exception, match=r"finish_reason|Connection"):
            asyncio.run(ask(provider, stream=True))
    assert asyncio.run(ask(provider)) == "Better"


class TestClosing:
    async def test_twice(self, server, provider):
        await ask(provider)
        await provider.aclose()
        await provider.aclose()
        await server.until(lambda: server.open_connections == 0)

    async def test_before_anything_was_asked(self, provider):
        await provider.aclose()

    async def test_it_opens_again_when_it_is_used_again(self, server, provider):
        await ask(provider)
        await provider.aclose()
        assert await ask(provider) == "Hello!"
        await provider.aclose()
        await server.until(lambda: server.open_connections == 0)

    def test_from_another_loop(self, server, provider):
        asyncio.run(ask(provider))
        asyncio.run(provider.aclose())
        gc.collect()
        server.wait_for(lambda: server.open_connections == 0)

    def test_never(self, server):
        asyncio.run(ask(HanzoModelProvider(server.base_url, KEY, model="m", policies=[])))
        gc.collect()
        server.wait_for(lambda: server.open_connections == 0)

    async def test_during_a_call(self, server, provider):
        server.model("m").script(faults.hang())
        asking = asyncio.create_task(ask(provider))
        await server.until(lambda: server.paused == 1)
        await provider.aclose()
        server.release()
        await asyncio.wait({asking})
        assert asking.exception() is not None
        await provider.aclose()
        await server.until(lambda: server.open_connections == 0)
