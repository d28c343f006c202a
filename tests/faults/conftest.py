"""Two subjects before the same server: the SDK's own model, bare, and ours. Both are driven by the real Runner."""

import asyncio
import os

import pytest
from agents import (
    Agent,
    Model,
    ModelProvider,
    ModelSettings,
    OpenAIChatCompletionsModel,
    RunConfig,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI

from hanzo_agents import HanzoModelProvider
from hanzo_agents._kernel.clock import SystemClock, using_clock
from hanzo_agents.testing.fault_server import FaultServer

KEY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No traces leave, and nothing of the environment comes in."""
    set_tracing_disabled(disabled=True)
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "HANZO_"))]:
        monkeypatch.delenv(name)


class OneModel(ModelProvider):
    """Hands out the one model it was given."""

    def __init__(self, model: Model):
        self.model = model

    def get_model(self, model_name):
        return self.model


class Patience(SystemClock):
    """A clock on which waiting takes no time: sleeps are noted, and done. It begins at `EPOCH`."""

    EPOCH = 1_800_000_000.0

    def __init__(self):
        self.slept = []
        self.passed = 0.0

    def now(self):
        return super().now() + self.passed

    def wall(self):
        return self.EPOCH + self.passed

    async def sleep(self, delay):
        self.slept.append(delay)
        self.passed += delay


class Heard:
    """One run, as its user sees it.

    Attributes:
        text: the final output; None when the run failed.
        deltas: the pieces of text that a streamed run showed, also before it failed.
        error: what the run raised.
        usage: what the SDK counted.
    """

    def __init__(self):
        self.text = self.error = self.usage = None
        self.deltas = []


class Stage:
    """A server, the two subjects before it, and a user who asks them.

    Attributes:
        server: the upstream of both subjects.
        clock: time in which waiting is free; `clock.slept` says how long the policies of ours waited.
        calls: what the tools were called with.
        tools: two tools with arguments and one without, which record that they ran.
    """

    def __init__(self, server):
        self.server = server
        self.clock = Patience()
        self.calls = []
        self.tools = record_in(self.calls)
        self.subjects = []

    def bare(self, *, max_retries=0):
        """What the SDK does on its own."""
        client = AsyncOpenAI(base_url=self.server.base_url, api_key=KEY, max_retries=max_retries)
        self.subjects.append(client.close)
        return OneModel(OpenAIChatCompletionsModel("m", client))

    def hanzo(self, *policies, **settings):
        """What ours does, with these policies and no others."""
        settings = {"base_url": self.server.base_url, "api_key": KEY, "model": "m", **settings}
        provider = HanzoModelProvider(policies=list(policies), **settings)
        self.subjects.append(provider.aclose)
        return provider

    async def ask(self, provider, *, stream, prompt="Hi", tools=(), settings=None, **more):
        """Run an agent. What the run raises comes back in `.error`."""
        heard = Heard()
        agent = Agent(name="a", tools=list(tools), model_settings=settings or ModelSettings())
        more = {"max_turns": 5, "run_config": RunConfig(model_provider=provider), **more}
        try:
            with using_clock(self.clock):
                if stream:
                    result = Runner.run_streamed(agent, prompt, **more)
                    async for event in result.stream_events():
                        if getattr(getattr(event, "data", None), "type", "") == "response.output_text.delta":
                            heard.deltas.append(event.data.delta)
                else:
                    result = await Runner.run(agent, prompt, **more)
        except Exception as error:
            heard.error = error
        else:
            heard.text = result.final_output
            heard.usage = result.context_wrapper.usage
        return heard


def record_in(calls):
    @function_tool
    def add(a: int, b: int) -> int:
        calls.append(("add", a, b))
        return a + b

    @function_tool
    def mul(a: int, b: int) -> int:
        calls.append(("mul", a, b))
        return a * b

    @function_tool
    def now() -> str:
        calls.append(("now",))
        return "noon"

    return [add, mul, now]


@pytest.fixture
async def stage():
    """Both subjects before one server. After the test nothing of them may be left, neither tasks nor sockets."""
    before = asyncio.all_tasks()
    with FaultServer() as server:
        stage = Stage(server)
        yield stage
        await server.until(lambda: asyncio.all_tasks() - before <= {asyncio.current_task()})
        for close in stage.subjects:
            await close()
        await server.until(lambda: server.open_connections == 0)
