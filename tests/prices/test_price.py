"""A price: what it takes, what tokens cost at it, and what it refuses."""

from decimal import Decimal, localcontext

import pytest

import hanzo_agents
from hanzo_agents import ConfigError, Price, Usage
from hanzo_agents.prices.price import Dearest, Limited, Tiered

FULL = Price(
    input=2,
    output=10,
    cached_input=0.5,
    cache_write="2.5",
    reasoning=Decimal(20),
    per_request="0.001",
    max_output=99,
)
PLAIN = Price(input=2, output=10)


def test_it_is_exported():
    assert hanzo_agents.Price is Price


@pytest.mark.parametrize("value", [0.1, "0.1", Decimal("0.1")], ids=repr)
def test_a_price_is_the_number_that_was_written(value):
    assert Price(input=value, output=value).input == Decimal("0.1")


@pytest.mark.parametrize(
    ("price", "usage", "dollars"),
    [
        (PLAIN, Usage(0, 0), "0"),
        (PLAIN, Usage(1_000_000, 0), "2"),
        (PLAIN, Usage(0, 1_000_000), "10"),
        (PLAIN, Usage(1000, 100), "0.003"),
        (PLAIN, Usage(1000, 100, cached_tokens=500, cache_write_tokens=500, reasoning_tokens=100), "0.003"),
        (FULL, Usage(0, 0), "0.001"),
        (FULL, Usage(1_000_000, 0), "2.001"),
        (FULL, Usage(1_000_000, 0, cached_tokens=1_000_000), "0.501"),
        (FULL, Usage(1_000_000, 0, cache_write_tokens=1_000_000), "2.501"),
        (FULL, Usage(1_000_000, 0, cached_tokens=400_000, cache_write_tokens=200_000), "1.501"),
        (FULL, Usage(0, 1_000_000, reasoning_tokens=1_000_000), "20.001"),
        (FULL, Usage(0, 1_000_000, reasoning_tokens=500_000), "15.001"),
    ],
)
def test_each_kind_of_token_has_its_price(price, usage, dollars):
    assert price.cost(usage) == Decimal(dollars)


def test_parts_larger_than_the_whole_make_no_negative_rest():
    assert PLAIN.cost(Usage(10, 0, cached_tokens=30)) == PLAIN.cost(Usage(30, 0))
    assert PLAIN.cost(Usage(0, 10, reasoning_tokens=30)) == PLAIN.cost(Usage(0, 30))


def test_money_is_not_rounded_by_a_program_that_works_with_less_precision():
    with localcontext(prec=3):
        assert str(Price(input="1234.56789", output=Decimal(987654321)).input) == "1234.56789"
        assert PLAIN.cost(Usage(123_456_789, 1)) == Decimal("246.913588")


def test_the_most_is_the_dearest_way_to_count_the_same_tokens():
    assert FULL.most(1_000_000, 1_000_000) == Decimal("22.501")
    assert PLAIN.most(1000, 100) == PLAIN.cost(Usage(1000, 100))


@pytest.mark.parametrize("field", ["input", "output", "cached_input", "cache_write", "reasoning", "per_request"])
@pytest.mark.parametrize(
    "junk",
    [-1, "-0.01", float("nan"), float("inf"), "1e999", "free", "", True, [], 10**30, Decimal("NaN")],
    ids=repr,
)
def test_what_is_no_price_is_refused_by_name(field, junk):
    with pytest.raises(ConfigError, match=rf"^Price\.{field}: expected US dollars"):
        Price(**{"input": 1, "output": 1, field: junk})


@pytest.mark.parametrize("junk", [0, -1, 1.5, "9", True], ids=repr)
def test_what_is_no_token_limit_is_refused_by_name(junk):
    with pytest.raises(ConfigError, match=r"^Price\.max_output: expected tokens > 0"):
        Price(input=1, output=1, max_output=junk)


def test_beyond_the_eighteenth_decimal_a_price_is_nothing():
    assert Price(input="1e-18", output="1.9e-18").output == Decimal("1e-18")
    assert Price(input=5e-324, output=0).free


def test_a_price_needs_both_sides():
    with pytest.raises(TypeError):
        Price(input=1)


def test_prices_are_values():
    assert Price(input=1, output=2) == Price(input="1.0", output=2.0)
    assert len({Price(input=1, output=2), Price(input="1", output="2")}) == 1
    with pytest.raises(AttributeError):
        PLAIN.input = 3
    assert "input=Decimal('10')" in repr(Price(input=Decimal("1E+1"), output=0))


def test_another_limit_changes_nothing_else():
    assert FULL.with_max_output(99) is FULL
    assert FULL.with_max_output(5) == Price(
        input=2, output=10, cached_input="0.5", cache_write="2.5", reasoning=20, per_request="0.001", max_output=5
    )


def test_beyond_a_threshold_the_other_price_holds_for_all_tokens():
    tiered = Tiered((1000, 2000), (PLAIN, FULL, Price(input=100, output=100)))
    assert tiered.cost(Usage(1000, 1)) == PLAIN.cost(Usage(1000, 1))
    assert tiered.cost(Usage(1001, 1)) == FULL.cost(Usage(1001, 1))
    assert tiered.cost(Usage(2001, 0)) == Decimal("0.2001")
    assert tiered.most(1001, 5) == FULL.most(1001, 5)
    assert tiered.max_output is None


def test_of_several_deployments_the_dearest_counts_and_none_is_trusted_to_be_short():
    other = Price(input=3, output=1, max_output=7)
    dearest = Dearest((PLAIN, other))
    assert dearest.cost(Usage(10, 0)) == other.cost(Usage(10, 0))
    assert dearest.cost(Usage(0, 10)) == PLAIN.cost(Usage(0, 10))
    assert dearest.most(0, 10) == PLAIN.most(0, 10)
    assert dearest.max_output is None
    assert Dearest((FULL, other)).max_output == 99


def test_a_limit_from_elsewhere_leaves_the_price():
    limited = Limited(FULL, 3)
    assert limited.max_output == 3
    assert limited.cost(Usage(9, 9)) == FULL.cost(Usage(9, 9))
    assert limited.most(9, 9) == FULL.most(9, 9)
