"""What is known of models by their names, and what users know better."""

import pytest

from hanzo_agents.routing import CATALOGUE, TIERS, ModelFacts
from hanzo_agents.routing.catalogue import facts_of


@pytest.mark.parametrize(
    ("name", "as_known"),
    [
        ("gpt-4", "gpt-4"), ("gpt-4-0613", "gpt-4"), ("gpt-4o-2024-08-06", "gpt-4o"), ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("openai/gpt-4o", "gpt-4o"), ("anthropic/claude-3-haiku-20240307", "claude-3-haiku"), ("claude-opus-4-1", "claude-3-opus"),
        ("gpt-5-mini", "gpt-4.1-mini"), ("gpt-5", "gpt-4.1"), ("llama3:8b", "llama-3-8b"), ("llama-3-70b", "llama-3-70b"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "llama-3.1-8b"), ("mistral-7b-instruct-v0.2", "mistral-7b"),
        ("some-model-70b-chat", "llama-3.1-70b"), ("smollm2-135m-instruct", "smollm2-135m"), ("qwen2.5-0.5b-instruct", "smollm2-360m"),
    ],
)  # fmt: skip
def test_a_name_is_understood(name, as_known):
    assert facts_of(name, {}).quality == CATALOGUE[as_known].quality
    assert facts_of(name, {}).source


@pytest.mark.parametrize("name", ["zen-1", "gpt-4o-nano", "", "m"])
def test_what_nobody_has_published_is_not_known(name):
    assert facts_of(name, {}).quality is None


def test_context_windows_come_from_the_price_list():
    assert facts_of("gpt-4", {}).context_window == 8192
    assert facts_of("anthropic/claude-3-haiku-20240307", {}).context_window == 200_000
    assert facts_of("zen-1", {}).context_window is None


def test_users_go_first_and_what_they_leave_open_is_filled_in():
    own = {"gpt-4": ModelFacts(quality=0.5), "gpt-4o": ModelFacts(context_window=9)}
    assert facts_of("gpt-4", own) == ModelFacts(quality=0.5, context_window=8192)
    assert facts_of("openai/gpt-4o", own).context_window == 9
    assert facts_of("gpt-4o", own).quality == CATALOGUE["gpt-4o"].quality


@pytest.mark.parametrize("name", ["claude-opus-4-1", "gpt-5", "some-model-70b-chat", "gpt-oss-20b"])
def test_an_estimate_is_called_one(name):
    assert facts_of(name, {}).source.startswith("this package's own estimate")


def test_every_entry_says_where_its_figure_stands():
    assert all(facts.source and facts.quality for facts in CATALOGUE.values())
    assert list(TIERS.values()) == sorted(TIERS.values())
