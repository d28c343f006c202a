"""RateLimitedProvider: one limit around anybody's provider, and nothing else."""

import asyncio
import inspect

import pytest
from agents import Agent, Model, ModelProvider, ModelSettings, RunConfig, Runner
from agents.testing import ModelStep, ScriptedModel, assistant_message

from hanzo_agents import ConfigError, FallbackProvider, HanzoModelProvider, PolicyModel, RateLimitedProvider, track
from hanzo_agents.errors import RateLimited
from hanzo_agents.testing.clock import FakeClock

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


class Provider(ModelProvider):
    """Somebody's: a model for each name, each call ten seconds long."""

    def __init__(self, seconds=10):
        self.seconds = seconds
        self.models = {}
        self.times = []
        self.closed = 0

    def get_model(self, model_name):
        if model_name not in self.models:
            self.models[model_name] = ScriptedModel([ModelStep(responder=self._respond) for _ in range(50)])
        return self.models[model_name]

    async def _respond(self, _call):
        from hanzo_agents._kernel.clock import current_clock

        clock = current_clock()
        self.times.append(clock.now())
        await clock.sleep(self.seconds)
        return [assistant_message("ok")]

    async def aclose(self):
        self.closed += 1


async def ask(provider, model="m", *, stream=False, seconds=None):
    agent = Agent(name="A", model=model, model_settings=ModelSettings(timeout=seconds))
    config = RunConfig(model_provider=provider)
    if not stream:
        return (await Runner.run(agent, "Hi", run_config=config)).final_output
    result = Runner.run_streamed(agent, "Hi", run_config=config)
    async for _ in result.stream_events():
        pass
    return result.final_output


@both
async def test_all_models_of_the_provider_share_one_limit(stream):
    inner = Provider()
    provider = RateLimitedProvider(inner, requests_per_minute=2, max_concurrent=1)
    with FakeClock(auto=True):
        answers = await asyncio.gather(*(ask(provider, name, stream=stream) for name in ("a", "b", "c")))
    assert answers == ["ok"] * 3
    assert inner.times == [0, 10, 60]


async def test_each_model_may_have_its_own():
    inner = Provider()
    provider = RateLimitedProvider(inner, max_concurrent=1, key="target")
    with FakeClock(auto=True):
        await asyncio.gather(*(ask(provider, name) for name in ("a", "b", "a")))
    assert inner.times == [0, 0, 10]


async def test_the_wait_is_told_and_the_limit_shows_its_state():
    provider = RateLimitedProvider(Provider(), requests_per_minute=1)
    with FakeClock(auto=True), track() as journals:
        await ask(provider)
        await ask(provider)
        assert provider.limit.state().requests == 1
    assert [d.action for journal in journals for d in journal.decisions] == ["waits"]


async def test_a_wait_beyond_the_models_timeout_is_refused_and_not_retried():
    inner = Provider()
    provider = RateLimitedProvider(inner, requests_per_minute=1)
    with FakeClock(auto=True):
        await ask(provider)
        with pytest.raises(RateLimited) as refused:
            await ask(provider, seconds=20)
    assert refused.value.retry_after == 50
    assert len(inner.times) == 1


async def test_a_chain_of_providers_moves_on_from_one_that_is_busy():
    busy, spare = Provider(), Provider()
    limited = RateLimitedProvider(busy, requests_per_minute=1)
    chain = FallbackProvider([("a", limited), ("b", spare)])
    with FakeClock(auto=True):
        for _ in range(2):
            assert await ask(chain, None) == "ok"
    assert (busy.times, spare.times) == ([0], [10])


async def test_it_is_closed_with_what_it_wraps():
    inner = Provider()
    provider = RateLimitedProvider(inner, max_concurrent=1)
    await provider.aclose()
    assert inner.closed == 1


def test_a_model_is_the_same_each_time_while_the_providers_is():
    inner = Provider()
    provider = RateLimitedProvider(inner, max_concurrent=1)
    model = provider.get_model("a")
    assert isinstance(model, PolicyModel)
    assert provider.get_model("a") is model
    inner.models.clear()
    assert provider.get_model("a") is not model
    assert [type(policy).__name__ for policy in model.stack] == ["Trace", "RateLimit"]


def test_every_way_into_a_model_is_behind_the_limit():
    """A method that the SDK adds to its models must not pass by."""
    added = {
        name
        for name, member in vars(Model).items()
        if inspect.isroutine(member) and (not name.startswith("_") or name == "_cleanup_on_run_end")
    }
    assert added <= set(vars(PolicyModel))


@pytest.mark.parametrize("junk", ["http://router.test/v1", None, 5, Provider])
def test_what_is_no_provider_is_refused_with_the_form_that_is_right(junk):
    with pytest.raises(ConfigError, match=r"RateLimitedProvider\(HanzoModelProvider\(base_url, api_key\), req"):
        RateLimitedProvider(junk, requests_per_minute=60)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "requests_per_minute, tokens_per_minute"),
        ({"requests_per_minute": 0}, r"requests_per_minute: expected an integer"),
        ({"max_concurrent": 1, "rate": 5}, "rate"),
    ],
)
def test_a_wrong_limit_is_refused(fields, named):
    with pytest.raises(ConfigError, match=named):
        RateLimitedProvider(Provider(), **fields)


def test_the_repr_says_what_and_how_far():
    provider = RateLimitedProvider(
        HanzoModelProvider("https://router.test/v1", "sk-canary"), requests_per_minute=60
    )
    assert repr(provider) == (
        "RateLimitedProvider(HanzoModelProvider, RateLimit(requests_per_minute=60, "
        "key='provider HanzoModelProvider', scope='this object'))"
    )
