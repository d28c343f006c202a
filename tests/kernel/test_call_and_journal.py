"""A call is frozen and every policy passes on its own version; the journal keeps what happened."""

from dataclasses import FrozenInstanceError, replace
from decimal import Decimal

import pytest
from calls import make_call

from hanzo_agents import Attempt, ConfigError, Cost, Decision, Journal, Target, Usage, track
from hanzo_agents._kernel.tracking import open_journal, track_only
from hanzo_agents.testing.clock import FakeClock


def test_a_call_is_frozen():
    with pytest.raises(FrozenInstanceError):
        make_call().attempt = 2


def test_versions_of_a_call():
    call = make_call()
    again = call.again().again()
    assert (call.attempt, again.attempt) == (1, 3)
    moved = again.aimed_at(Target("b"))
    assert (moved.attempt, str(moved.target), moved.view.model) == (1, "b", "b")
    assert moved.journal is call.journal


def test_the_earlier_deadline_counts():
    call = make_call()
    assert call.remaining() is None
    assert call.within(5).within(9).deadline == 5
    assert call.within(9).within(5).deadline == 5


def test_what_is_left_shrinks_with_the_clock():
    with FakeClock(start=100) as clock:
        call = make_call(deadline=110)
        assert call.remaining() == 10
        clock.advance(12)
        assert call.remaining() == -2


def test_guards_add_up():
    seen = []
    call = make_call().guard(lambda _: seen.append(1)).guard(lambda _: seen.append(2))
    for check in call.guards:
        check(call)
    assert seen == [1, 2]
    assert make_call().guards == ()


def test_a_call_prints_without_what_it_carries():
    assert "payload" not in repr(make_call(payload="the secret"))


def attempt(cost=None, basis="reported", **more):
    made = Attempt(1, "m", 0.0, **more)
    made.cost = Cost(None if cost is None else Decimal(cost), "unknown" if cost is None else basis)
    return made


@pytest.mark.parametrize(
    ("attempts", "total"),
    [
        ([], (None, "unknown")),
        ([attempt("0.1"), attempt("0.2")], (Decimal("0.3"), "reported")),
        ([attempt("0.1"), attempt("0.2", "estimated")], (Decimal("0.3"), "estimated")),
        ([attempt("0.1"), attempt()], (None, "unknown")),
        ([attempt("0.1"), attempt(sent=False)], (Decimal("0.1"), "reported")),
    ],
    ids=["none", "reported", "part estimated", "part unknown", "part never sent"],
)
def test_the_cost_of_a_call_is_unknown_as_soon_as_one_part_is(attempts, total):
    journal = Journal(0.0, "chat", attempts=attempts)
    assert (journal.cost.amount, journal.cost.basis) == total


def test_the_answer_is_that_of_the_last_accepted_attempt():
    first, second = attempt(), attempt()
    journal = Journal(0.0, "chat", attempts=[first, second])
    assert journal.answered is None
    first.accepted = 2.0
    assert journal.answered is first
    assert first.ttft == 2.0
    assert second.ttft is None


def test_usage_adds_up():
    assert Usage(3, 4).total_tokens == 7


def test_a_journal_closes_once():
    ends = []

    class Observer:
        def call_ended(self, journal):
            ends.append(journal.error)

    journal = Journal(0.0, "chat")
    journal.watched_by(Observer())
    error = ValueError()
    journal.close(1.0, error)
    journal.close(2.0)
    assert (journal.ended, journal.error, ends) == (1.0, error, [error])


def test_decisions_are_kept_with_their_reason():
    call = make_call()
    call.note("Retry", "retries", "503", delay=1)
    assert call.journal.decisions == [Decision("Retry", "retries", "503", {"delay": 1})]


def test_tracking_nests_and_legs_are_kept_out():
    with track() as outer:
        one = open_journal(0.0, "chat")
        legs = []
        with track_only(legs):
            leg = open_journal(0.0, "chat")
        with track() as inner:
            two = open_journal(0.0, "chat")
    open_journal(0.0, "chat")
    assert (outer, inner, legs) == ([one, two], [two], [leg])


@pytest.mark.parametrize("value", [5, None, object()])
def test_what_names_no_target_is_refused(value):
    with pytest.raises(ConfigError, match="target: expected a model's name or a Target"):
        Target.of(value)


def test_targets_from_what_users_write():
    target = Target("m")
    assert Target.of(target) is target
    assert Target.of("m") == target
    assert not target.foreign
    assert Target(object()).foreign


def test_a_foreign_target_goes_by_the_models_own_name():
    class Named:
        model = "bedrock/claude"

    assert str(Target(Named())) == "bedrock/claude"
    assert str(Target(object())) == "object"


def test_a_call_but_for_some_fields_is_what_replace_makes():
    call = make_call()
    assert call.but(attempt=3, single=True) == replace(call, attempt=3, single=True)
    assert call.but() == call
    assert call.but() is not call
    with pytest.raises(AttributeError):
        call.but(nonsense=1)


def test_a_journal_that_is_printed_shows_facts_and_not_who_watches():
    journal = Journal(0.0, "chat")
    journal.watched_by(object())
    assert "observers" not in repr(journal)
