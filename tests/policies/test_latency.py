"""What is observed of targets, and what second legs may spend."""

import math
import threading

import pytest
from calls import PlainView, make_call
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents import ConfigError, Target
from hanzo_agents.policies.hedge.allowance import Allowance
from hanzo_agents.policies.hedge.latency import MOST_TARGETS, Latencies, latency_key
from hanzo_agents.policies.spend import Spend

SECONDS = st.floats(0, 1e6)


@given(seen=st.lists(SECONDS, min_size=1, max_size=60), window=st.integers(1, 30), share=st.floats(0.01, 0.999))
def test_a_percentile_is_the_nearest_rank_of_the_latest(seen, window, share):
    latencies = Latencies(window)
    for seconds in seen:
        latencies.note("a", seconds)
    latest = sorted(seen[-window:])
    found = latencies.percentile("a", share)
    assert found in latest
    assert sum(seconds <= found for seconds in latest) >= math.floor(share * len(latest))
    assert sum(seconds < found for seconds in latest) <= share * len(latest)
    assert latencies.count("a") == len(latest)


def test_p95_of_twenty_is_the_nineteenth():
    latencies = Latencies()
    for seconds in range(1, 21):
        latencies.note("a", seconds)
    assert latencies.percentile("a", 0.95) == 19


def test_what_is_observed_of_one_deployment_or_model_says_nothing_of_another():
    def key(model, *, asked="m", deployment=None, key="k"):
        headers = None if deployment is None else {"x-deployment": deployment}
        target = Target(model, base_url="https://gate.test/v1", api_key=key, headers=headers)
        return latency_key(make_call(target, view=PlainView(model=asked)))

    alike = {key("m"), key(None), key("m", key="another")}
    assert len(alike) == 1
    assert len(alike | {key("m", deployment="a"), key("m", deployment="b"), key("n"), key(None, asked="o")}) == 5


def test_what_is_no_time_is_not_noted():
    latencies = Latencies()
    for junk in (-1.0, math.nan, math.inf):
        latencies.note("a", junk)
    assert latencies.percentile("a", 0.95) is None


def test_targets_are_bounded():
    latencies = Latencies()
    for number in range(3 * MOST_TARGETS):
        latencies.note(number, 1.0)
    assert repr(latencies) == f"Latencies(window=200, targets={MOST_TARGETS}, scope=this object)"
    assert (latencies.count(0), latencies.count(3 * MOST_TARGETS - 1)) == (0, 1)


def test_many_threads_note_at_once():
    latencies = Latencies(50)

    def note():
        for number in range(500):
            latencies.note("a", number / 7)
            latencies.percentile("a", 0.5)

    threads = [threading.Thread(target=note) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert latencies.count("a") == 50


@pytest.mark.parametrize("window", [0, -1, 1.5, True, "200", None])
def test_a_window_is_a_number_of_observations(window):
    with pytest.raises(ConfigError, match=r"Latencies\.window"):
        Latencies(window)


TOKENS = st.integers(0, 1000)
SPENDS = st.builds(Spend, TOKENS, TOKENS, st.none() | st.floats(0, 1))


@given(share=st.floats(0.01, 1), steps=st.lists(st.tuples(SPENDS, SPENDS, st.none() | SPENDS), max_size=50))
def test_what_is_taken_was_earned_in_every_currency(share, steps):
    """Legs that take what was expected of them: their sum is within the share, in tokens and in known dollars."""
    allowance = Allowance(share)
    earned = taken = 0.0
    for own, extra, first in steps:
        affordable = allowance.affords(own, extra)
        assert allowance.withdraw(own, extra) == affordable
        taken += extra.tokens * affordable
        # Its own first leg is counted in advance, and earns then.
        spend = own if affordable else first
        if spend is not None:
            allowance.earn(spend)
            earned += spend.tokens
        assert taken <= share * earned + 1e-6 * max(1.0, taken)


@given(paid=SPENDS, took=SPENDS)
def test_a_settled_leg_has_paid_what_it_took(paid, took):
    allowance = Allowance(0.5)
    allowance.settle(paid, took)
    assert allowance._tokens.credit == pytest.approx(paid.tokens - took.tokens)
    unsent = Allowance(0.5)
    unsent.settle(paid, None)
    assert unsent._tokens.credit == paid.tokens
    assert unsent._usd.credit == (paid.usd or 0.0)
