"""Laws of money: tokens never earn any, twice as many cost twice, and the whole is the sum of its parts."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents import Price, Usage
from hanzo_agents.prices.price import Dearest

amounts = st.one_of(
    st.integers(0, 10_000), st.floats(0, 10_000, allow_nan=False), st.decimals(0, 10_000, places=6).map(str)
)
prices = st.builds(
    Price,
    input=amounts, output=amounts, cached_input=st.none() | amounts, cache_write=st.none() | amounts,
    reasoning=st.none() | amounts, per_request=amounts,
)  # fmt: skip
counts = st.integers(0, 10**9)
whole = st.builds(
    lambda plain, cached, written, said, thought: Usage(
        plain + cached + written, said + thought, "reported", cached, thought, written
    ),
    counts, counts, counts, counts, counts,
)  # fmt: skip
anyhow = st.builds(Usage, counts, counts, st.just("reported"), counts, counts, counts)


@pytest.fixture(autouse=True, scope="module")
def _exact():
    """The sums of these tests are exact; those of the package are in any context."""
    with localcontext(prec=200):
        yield


def plus(a, b):
    return Usage(
        a.input_tokens + b.input_tokens,
        a.output_tokens + b.output_tokens,
        "reported",
        a.cached_tokens + b.cached_tokens,
        a.reasoning_tokens + b.reasoning_tokens,
        a.cache_write_tokens + b.cache_write_tokens,
    )


@given(prices, anyhow)
def test_a_cost_is_never_negative_and_never_rounded(price, usage):
    cost = price.cost(usage)
    assert cost >= price.per_request >= 0
    assert cost.is_finite()


@given(prices, whole, whole)
def test_two_requests_cost_what_each_of_them_costs(price, one, other):
    assert price.cost(plus(one, other)) + price.per_request == price.cost(one) + price.cost(other)


@given(prices, whole, st.integers(0, 6))
def test_so_many_times_the_tokens_cost_so_many_times_as_much(price, usage, times):
    many = Usage(0, 0)
    for _ in range(times):
        many = plus(many, usage)
    assert price.cost(many) - price.per_request == (price.cost(usage) - price.per_request) * times


@given(prices, anyhow, whole)
def test_more_tokens_never_cost_less(price, usage, more):
    assert price.cost(plus(usage, more)) >= price.cost(usage)


@given(prices, whole)
def test_the_parts_add_up(price, usage):
    plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    said = usage.output_tokens - usage.reasoning_tokens
    parts = (
        (plain, price.input), (usage.cached_tokens, price.cached_input), (usage.cache_write_tokens, price.cache_write),
        (said, price.output), (usage.reasoning_tokens, price.reasoning),
    )  # fmt: skip
    in_micros = sum((Decimal(tokens) * each for tokens, each in parts), Decimal(0))
    assert price.cost(usage) - price.per_request == in_micros / 1_000_000


@given(prices, whole)
def test_nothing_costs_more_than_the_most(price, usage):
    assert price.cost(usage) <= price.most(usage.input_tokens, usage.output_tokens)


@given(prices, prices, whole)
def test_the_dearest_is_as_dear_as_the_dearer(one, other, usage):
    dearest = Dearest((one, other))
    assert dearest.cost(usage) == max(one.cost(usage), other.cost(usage))
    assert dearest.cost(usage) <= dearest.most(usage.input_tokens, usage.output_tokens)
