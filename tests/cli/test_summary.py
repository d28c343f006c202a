"""The table counts what the journals say, and never shows a figure as better known than it is."""

from decimal import Decimal

from hanzo_agents._kernel.journal import Attempt, Cost, Journal, Usage
from hanzo_agents.cli.summary import Summary


def journal(*attempts):
    return Journal(0.0, "chat", attempts=list(attempts))


def answered(model="zen-1", *, usage=None, cost=None, ttft=0.25, number=1):
    return Attempt(number, "asked", 1.0, model=model, accepted=1.0 + ttft, usage=usage, cost=cost or Cost())


def reported(amount):
    return Cost(Decimal(amount), "reported")


def rows(*journals):
    return dict(Summary.of(journals).rows())


def test_calls_are_added_up():
    shown = rows(
        journal(answered(usage=Usage(230, 24), cost=reported("0.00012"), ttft=1.171)),
        journal(answered(usage=Usage(65, 12), cost=reported("0.00003"), ttft=0.134)),
    )
    assert shown == {
        "Model that answered": "zen-1",
        "Attempts": "2 for 2 model calls",
        "Tokens": "295 in, 36 out (reported)",
        "Cost": "$0.00015 (reported)",
        "Time to first token": "1.17 s, then 0.13 s",
    }


def test_failed_attempts_count_and_the_substitute_is_named():
    failed = Attempt(1, "asked", 0.0, status_code=404, error=RuntimeError(), cost=reported("0"))
    shown = rows(journal(failed, answered("zen-2", usage=Usage(1, 1), cost=reported("0.5"))))
    assert shown["Model that answered"] == "zen-2"
    assert shown["Attempts"] == "2 for 1 model call"
    assert shown["Cost"] == "$0.50 (reported)"


def test_the_least_known_figure_decides():
    estimated = answered(usage=Usage(1, 1, "estimated"), cost=Cost(Decimal("0.01"), "estimated"))
    shown = rows(journal(answered(usage=Usage(1, 1), cost=reported("0.01"))), journal(estimated))
    assert shown["Tokens"] == "2 in, 2 out (estimated)"
    assert shown["Cost"] == "$0.02 (estimated)"


def test_unknown_is_not_zero():
    shown = rows(journal(answered(usage=Usage(1, 1), cost=reported("0.01"))), journal(answered()))
    assert shown["Tokens"] == "unknown"
    assert shown["Cost"] == "unknown"


def test_nothing_happened():
    assert rows() == {
        "Model that answered": "none",
        "Attempts": "0 for 0 model calls",
        "Tokens": "unknown",
        "Cost": "unknown",
        "Time to first token": "none",
    }


def test_small_amounts_have_no_exponent():
    shown = rows(journal(answered(cost=Cost(Decimal("1.2E-8"), "reported"))))
    assert shown["Cost"] == "$0.000000012 (reported)"
