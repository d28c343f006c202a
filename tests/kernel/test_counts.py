"""Limits as the least strict of servers reads them, and sums of money that nothing rounds."""

import decimal
import math
from decimal import Decimal

import pytest

from hanzo_agents._kernel.counts import bounded, ceiling, count_of, json_size
from hanzo_agents._kernel.journal import Attempt, Cost, Journal
from hanzo_agents._kernel.money import added
from hanzo_agents.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "count"),
    [
        (50, 50), ("50", 50), (" 50 ", 50), (50.0, 50), ("50.0", 50), (10.2, 11), ("1e5", 100_000),
        (10**30, 1 << 53), (float("inf"), 1 << 53), ("1e999999", 1 << 53),
        (0, None), (-1, None), ("-1", None), (-0.5, None), (float("nan"), None), ("nan", None), ("sNaN", None),
        ("", None), ("many", None), (None, None), (True, None), ([5], None), ({}, None), (b"5", None),
    ],
)  # fmt: skip
def test_a_count_is_read_as_the_least_strict_of_servers_reads_it(given, count):
    assert count_of(given) == count


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ((), None), ((None, None), None), ((None, 5), 5), ((10, 100_000), 100_000), ((100_000, 10), 100_000),
        ((10, "50"), 50), ((10, -1), None), (("junk", 10), None), ((0, 10), None),
    ],
)  # fmt: skip
def test_of_several_limits_the_largest_bounds_and_none_where_one_is_no_bound(limits, most):
    assert ceiling(limits) == most


@pytest.mark.parametrize(
    ("given", "bound"), [(10, 10), ("10", 10), (500, 100), (-1, 100), (None, 100), ("0", 100)]
)
def test_a_limit_is_only_ever_made_smaller(given, bound):
    assert bounded(given, 100, "max_tokens") == bound


@pytest.mark.parametrize("given", ["x", [], True, {}, math.nan, "NaN"])
def test_a_limit_that_is_no_number_is_refused_by_name(given):
    with pytest.raises(ConfigError, match=r"^max_tokens: expected a number of tokens, got "):
        bounded(given, 100, "max_tokens")


def test_the_size_of_what_is_sent_is_that_of_its_json():
    assert json_size({"a": ["é", 1]}) == len('{"a":["é",1]}'.encode())
    assert json_size("x" * 9) == 11
    assert json_size({"a": object}) > 10, "what is no JSON counts as its text"


def test_sums_of_money_are_exact_whatever_the_program_has_set():
    attempts = [
        Attempt(1, "m", 0.0, cost=Cost(amount, "reported")) for amount in (Decimal(100), Decimal("0.000007"))
    ]
    journal = Journal(0.0, "chat", attempts=attempts)
    with decimal.localcontext(prec=3):
        assert added([Decimal(100), Decimal("0.000007")]) == Decimal("100.000007")
        assert journal.cost.amount == Decimal("100.000007")
