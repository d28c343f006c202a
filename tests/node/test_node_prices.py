"""The embedded node says that what runs on it costs nothing, so that it passes a budget without a word of setup."""

import pytest

from hanzo_agents import AsyncHanzo, HanzoModelProvider, Price, Target, Usage, track
from hanzo_agents.node import LocalNode

pytestmark = pytest.mark.node


async def test_a_local_model_is_free_and_not_merely_unpriced():
    node = LocalNode.shared()
    (model,) = node.models
    async with AsyncHanzo(node.base_url, "local", model=model) as client:
        assert client.prices.known(Target(model)) is None
        pricing = await client.prices.learn(Target(model))
        assert pricing.cost(Usage(1_000_000, 1_000_000)) == pricing.most(1_000_000, 1_000_000) == 0
        assert pricing.max_output > 0
        assert await client.prices.learn(Target("another")) is None
        with track() as journals:
            await client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}], max_tokens=3)
        assert (journals[0].cost.amount, journals[0].cost.basis) == (0, "reported")
        await client.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_of_the_node_cost_nothing_for_certain(stream):
    """Nobody has asked for its prices, and a zero in the usage is not believed."""
    async with HanzoModelProvider.local() as provider:
        with track() as journals:
            answer = await provider.client.chat.completions.create(
                messages=[{"role": "user", "content": "Hi"}], max_tokens=3, stream=stream
            )
            if stream:
                assert [chunk async for chunk in answer]
    assert (journals[0].cost.amount, journals[0].cost.basis) == (0, "reported")


async def test_both_spellings_of_the_page():
    provider = HanzoModelProvider.local()
    pages = [await provider.client.get(path, cast_to=object) for path in ("/model/info", "/models")]
    entry = pages[0]["data"][0]
    assert entry["model_name"] == pages[1]["data"][0]["id"]
    assert entry["model_info"]["max_output_tokens"] == pages[1]["data"][0]["context_length"]
    assert Price(input=entry["model_info"]["input_cost_per_token"], output=0).free
    await provider.aclose()
