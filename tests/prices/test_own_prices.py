"""A user's own prices go before what anybody else says."""

import pytest

from hanzo_agents import ConfigError, Price, Target
from hanzo_agents.prices import checked_table, over

MINE = Price(input=1, output=2)


class Theirs:
    """Prices that know every model, or none."""

    def __init__(self, pricing=None):
        self.pricing = pricing
        self.asked = []

    def known(self, target):
        return self.pricing

    async def learn(self, target):
        self.asked.append(target)
        return self.pricing


async def test_a_price_of_ones_own_wins_and_nobody_is_asked():
    theirs = Theirs(Price(input=9, output=9))
    prices = over({"m": MINE}, theirs)
    assert prices.known(Target("m")) == await prices.learn(Target("m")) == MINE
    assert theirs.asked == []


async def test_for_other_models_the_others_are_asked():
    theirs = Theirs(Price(input=9, output=9))
    prices = over({"m": MINE}, theirs)
    assert prices.known(Target("n")) is await prices.learn(Target("n")) is theirs.pricing
    assert theirs.asked == [Target("n")]


def test_a_targets_label_goes_before_its_models_name():
    away = Target("m", "https://other.test/v1", "sk-key", label="mine, elsewhere")
    prices = over({"m": MINE, "mine, elsewhere": Price(input=0, output=0)}, Theirs())
    assert prices.known(away).input == 0
    assert prices.known(Target("m", label="another")) == MINE
    assert prices.known(Target("openai/m")) is None
    assert prices.known(Target()) is None


@pytest.mark.parametrize(
    ("own", "theirs", "limit"),
    [(None, None, None), (None, 7, 7), (5, 7, 5), (5, None, 5)],
)
def test_who_limits_the_answer_is_whoever_knows(own, theirs, limit):
    prices = over({"m": MINE.with_max_output(own)}, Theirs(Price(input=9, output=9, max_output=theirs)))
    assert prices.known(Target("m")) == MINE.with_max_output(limit)


def test_nothing_laid_over_prices_is_the_prices():
    theirs = Theirs()
    assert over({}, theirs) is theirs


def test_prices_in_layers():
    prices = over({"a": MINE}, over({"b": MINE.with_max_output(3)}, Theirs()))
    assert prices.known(Target("a")) == MINE
    assert prices.known(Target("b")).max_output == 3
    assert repr(prices).startswith("over(['a'], over(['b'], ")


def test_a_table_is_copied():
    given = {"m": MINE}
    checked = checked_table("Budget.prices", given)
    given.clear()
    assert checked == {"m": MINE}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([("m", MINE)], "expected a dict of model names and Prices, got list"),
        (MINE, "got Price"),
        ({5: MINE}, "expected model names, got 5"),
        ({" ": MINE}, "expected model names, got ' '"),
        ({"m": 0.5}, r"Budget\.prices\['m'\]: expected a Price\(input=..., output=...\), got float"),
        ({"m": {"input": 1, "output": 2}}, "got dict"),
    ],
)
def test_what_is_no_table_of_prices_is_refused(table, why):
    with pytest.raises(ConfigError, match=rf"^Budget\.prices.*{why}|{why}"):
        checked_table("Budget.prices", table)
