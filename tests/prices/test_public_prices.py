"""List prices by name: spellings, dates, tiers, and what the list does not know."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from genai_prices import data_snapshot
from genai_prices.types import (
    ClauseEquals,
    ClauseStartsWith,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
)

from hanzo_agents import Price, Target, Usage
from hanzo_agents.prices import public
from hanzo_agents.prices.price import Tiered
from hanzo_agents.prices.public import PUBLIC, PublicPrices
from hanzo_agents.testing.clock import FakeClock


def model(name, prices):
    return ModelInfo(id=name, match=ClauseEquals(equals=name), prices=prices)


def flat(**prices):
    return ModelPrice(**{name: Decimal(price) for name, price in prices.items()})


BOTH = flat(input_mtok="1", output_mtok="2")


@pytest.fixture
def listed():
    """A list of our own: `listed(model(...), ...)` sells the models as provider "acme", at api.acme.test."""

    def put(*models):
        acme = Provider(
            id="acme", name="Acme", api_pattern=r"https://api\.acme\.test",
            model_match=ClauseStartsWith(starts_with="a-"), models=list(models),
        )  # fmt: skip
        data_snapshot.set_custom_snapshot(data_snapshot.DataSnapshot([acme], from_auto_update=False))
        return PublicPrices()

    yield put
    data_snapshot.set_custom_snapshot(None)


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("OpenAI/GPT-4o", "gpt-4o"),
        ("litellm/openai/gpt-4o", "gpt-4o"),
        ("hanzo/gpt-4o", "gpt-4o"),
        ("any-llm/litellm/gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("azure/gpt-4o", "gpt-4o"),
        ("azure_ai/gpt-4o", "gpt-4o"),
        ("anthropic/claude-3-haiku-20240307", "claude-3-haiku-20240307"),
        ("gemini/gemini-1.5-pro", "vertex_ai/gemini-1.5-pro"),
    ],
)
def test_one_model_has_many_spellings(name, same_as):
    assert PUBLIC.of(name) is not None
    assert PUBLIC.of(name) == PUBLIC.of(same_as)


@pytest.mark.parametrize(
    "name",
    [
        "text-embedding-3-small",
        "bedrock/anthropic.claude-3-haiku-20240307-v1:0",
        "openrouter/anthropic/claude-3.5-sonnet",
        "groq/llama-3.1-8b-instant",
        "mistral/mistral-large-latest",
        "xai/grok-3",
        "deepseek/deepseek-chat",
        "claude-sonnet-4-5",
    ],
)
def test_models_of_many_providers_are_listed(name):
    assert PUBLIC.of(name).cost(Usage(1000, 1000)) > 0


@pytest.mark.parametrize(
    "name",
    ["", " ", "/", "litellm/", "m", "smollm2", "my-gpt-4o", "gpt-4o-clone", "my-claude", "ollama/llama3",
     "ollama/gpt-4o", "openai/smollm2", "nobody/gpt-4o", "openai/", "gpt-4o/openai"],
)  # fmt: skip
def test_what_the_list_does_not_have_is_unknown(name):
    assert PUBLIC.of(name) is None


def test_cached_and_written_tokens_have_their_list_price():
    haiku = PUBLIC.of("claude-3-haiku-20240307")
    assert haiku == Price(input="0.25", output="1.25", cached_input="0.03", cache_write="0.3")


def test_an_address_of_a_provider_says_whose_the_model_is():
    known = PUBLIC.known(Target("llama-3.1-8b-instant", "https://api.groq.com/openai/v1", "sk-key"))
    assert known == PUBLIC.of("groq/llama-3.1-8b-instant")
    assert PUBLIC.known(Target("llama-3.1-8b-instant")) is None
    assert PUBLIC.known(Target("claude-3-haiku-20240307", "https://api.groq.com/openai/v1", "sk-key")) is None
    other = Target("claude-3-haiku-20240307", "https://router.test/v1", "sk-key")
    assert PUBLIC.known(other) == PUBLIC.of("claude-3-haiku-20240307")


async def test_there_is_nobody_to_ask():
    assert await PUBLIC.learn(Target("gpt-4o")) is PUBLIC.known(Target("gpt-4o"))
    assert PUBLIC.known(Target()) is None


def test_a_threshold_changes_the_price_of_all_tokens(listed):
    tiers = TieredPrices(base=Decimal(1), tiers=[Tier(100, Decimal(3)), Tier(200, Decimal(5))])
    prices = listed(model("a-b", ModelPrice(input_mtok=tiers, output_mtok=Decimal(2))))
    assert prices.of("a-b") == Tiered((100, 200), tuple(Price(input=each, output=2) for each in (1, 3, 5)))


def test_every_kind_of_token_and_the_request_itself(listed):
    everything = flat(
        input_mtok="1", output_mtok="2", cache_read_mtok="0.1", cache_write_mtok="1.25",
        output_reasoning_mtok="3", requests_kcount="5", web_searches_kcount="9",
    )  # fmt: skip
    assert listed(model("a-b", everything)).of("a-b") == Price(
        input=1, output=2, cached_input="0.1", cache_write="1.25", reasoning=3, per_request="0.005"
    )


@pytest.mark.parametrize(
    ("name", "prices", "known"),
    [
        ("a-b", flat(), None),
        ("a-b:free", flat(), Price(input=0, output=0)),
        ("a-b", flat(input_mtok="1"), None),
        ("a-embed", flat(input_mtok="1"), Price(input=1, output=0)),
        ("a-b", flat(output_mtok="1"), None),
        ("a-b", flat(input_mtok="0", output_mtok="0"), Price(input=0, output=0)),
        ("a-b", flat(audio_hours="1"), None),
        ("a-b", flat(input_mtok="-1", output_mtok="1"), None),
    ],
)
def test_an_entry_with_gaps_is_unknown_unless_it_says_free(listed, name, prices, known):
    assert listed(model(name, prices)).of(name) == known


def test_prices_that_change_on_a_day_change_on_that_day(listed):
    later = ConditionalPrice(StartDateConstraint(date(2026, 3, 1)), prices=flat(input_mtok="5", output_mtok="6"))
    pricing = listed(model("a-b", [ConditionalPrice(prices=BOTH), later])).of("a-b")
    with FakeClock(wall=datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)) as clock:
        assert pricing.cost(Usage(1_000_000, 0)) == 1
        clock.advance(2)
        assert pricing.cost(Usage(1_000_000, 0)) == 5
        assert pricing.most(0, 1_000_000) == 6
    assert pricing.max_output is None


def test_a_list_that_lacks_the_price_of_one_time_is_not_trusted(listed):
    later = ConditionalPrice(StartDateConstraint(date(2026, 3, 1)), prices=flat())
    assert listed(model("a-b", [ConditionalPrice(prices=BOTH), later])).of("a-b") is None


def test_an_updated_list_counts_at_once(listed):
    prices = listed(model("a-b", BOTH))
    assert prices.of("a-b") == Price(input=1, output=2)
    listed(model("a-b", flat(input_mtok="9", output_mtok="9")))
    assert prices.of("a-b") == Price(input=9, output=9)


def test_no_more_names_are_remembered_than_fit(listed, monkeypatch):
    monkeypatch.setattr(public, "MOST_NAMES", 3)
    prices = listed(model("a-b", BOTH))
    for number in range(10):
        assert prices.of(f"x-{number}") is None
    assert prices.of("a-b") is not None
    assert len(prices._found) <= 3


def test_the_list_is_imported_only_when_it_is_asked():
    code = (
        "import sys, hanzo_agents\n"
        "hanzo_agents.HanzoModelProvider, hanzo_agents.Price, hanzo_agents.AsyncHanzo\n"
        "assert 'genai_prices' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
