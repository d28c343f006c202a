"""Circuits of every store against a small model of what a circuit is, step by step."""

import itertools
import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hanzo_agents.stores.circuits import Rules
from hanzo_agents.testing.clock import FakeClock

WINDOW = 60
TICK = WINDOW / 10
STEPS = {"memory": (150, 50), "sqlite": (25, 40), "redis": (25, 40)}


def result(pending):
    """What an operation answers, without a loop."""
    return pending.value if hasattr(pending, "value") else pending.future.result(timeout=10)


class Model:
    """What a circuit is, in as few words as possible. Time only moves in ticks, so that slices are exact."""

    def __init__(self, rules):
        self.rules = rules
        self.state = "closed"
        self.epoch = 0
        self.fresh()

    def fresh(self):
        self.row, self.events, self.leases, self.passed, self.told = 0, [], {}, 0, set()
        self.until, self.held = -math.inf, False

    def enter(self, state):
        before, self.state = self.state, state
        self.epoch += 1
        self.fresh()
        return None if before == state else (before, state)

    def open(self, now, rest):
        change = self.enter("open")
        self.until = now + (rest or 0)
        self.held = rest is None
        return change

    def close(self):
        return self.enter("closed")

    def waiting(self, now):
        """Seconds until somebody may pass; None when nobody knows."""
        if self.state == "closed":
            return 0
        if self.state == "open":
            return None if self.held else max(self.until - now, 0)
        busy = [end for end in self.leases.values() if end > now]
        room = len(self.leases) + self.passed < self.rules.probes or len(busy) < len(self.leases)
        return 0 if room else min(busy) - now

    def shown(self, now):
        due = self.state == "open" and not self.held and self.until <= now
        return "half_open" if due else self.state

    def admit(self, now, by):
        """(admitted, is a probe, change)"""
        if self.state == "closed":
            return True, False, None
        renews = self.state == "half_open" and by in self.leases
        if self.waiting(now) != 0 and not renews:
            return False, False, None
        change = self.enter("half_open") if self.state == "open" else None
        if by not in self.leases and len(self.leases) + self.passed >= self.rules.probes:
            del self.leases[min((end, other) for other, end in self.leases.items() if end <= now)[1]]
        self.leases[by] = now + self.rules.lease
        return True, True, change

    def record(self, now, by, epoch, verdict, rest):
        if epoch != self.epoch or self.state == "open":
            return None
        self.leases.pop(by, None)
        if rest:
            return self.open(now, rest)
        if verdict == "neutral" or by in self.told:
            return None
        if self.state == "half_open":
            if verdict == "failure":
                return self.open(now, self.rules.rest)
            self.told.add(by)
            self.passed += 1
            return self.enter("closed") if self.passed >= self.rules.probes else None
        if verdict == "failure" or self.row or self.rules.rate is not None:
            self.told.add(by)
        self.row = self.row + 1 if verdict == "failure" else 0
        if self.rules.rate is not None:
            self.events.append((now, verdict == "failure"))
        return self.open(now, self.rules.rest) if verdict == "failure" and self.trips(now) else None

    def window(self, now):
        inside = [failed for when, failed in self.events if when > now - WINDOW]
        return len(inside), sum(inside)

    def trips(self, now):
        if self.rules.failures is not None and self.row >= self.rules.failures:
            return True
        calls, failed = self.window(now)
        return self.rules.rate is not None and calls >= self.rules.least and failed >= self.rules.rate * calls


RULES = st.builds(
    Rules,
    failures=st.sampled_from([1, 2, 3, None]),
    rate=st.sampled_from([0.5, 0.25, 1.0]),
    least=st.integers(1, 6),
    window=st.just(float(WINDOW)),
    rest=st.sampled_from([12.0, 30.0, 60.0]),
    probes=st.integers(1, 3),
    lease=st.sampled_from([12.0, 60.0]),
) | st.builds(
    Rules,
    failures=st.integers(1, 4),
    rest=st.sampled_from([12.0, 60.0]),
    probes=st.integers(1, 3),
    lease=st.sampled_from([12.0, 60.0]),
)


class CircuitMachine(RuleBasedStateMachine):
    def __init__(self, circuits):
        super().__init__()
        result(circuits.reset())
        self.circuits = circuits
        self.clock = FakeClock()
        self.numbers = itertools.count()
        self.calls = []
        self.ended = []

    @initialize(rules=RULES)
    def begin(self, rules):
        self.rules, self.model = rules, Model(rules)

    @property
    def now(self):
        return self.clock.now()

    def told(self, change, expected):
        found = None if change is None else (change.before, change.after)
        assert found == expected

    def ask(self, by):
        expected = self.model.admit(self.now, by)
        answer = result(self.circuits.admit("k", by, self.rules, clock=self.clock))
        change = answer.change and (answer.change.before, answer.change.after)
        assert (answer.admitted, answer.probe, change) == expected
        return answer

    @rule(count=st.integers(1, 4))
    def calls_ask(self, count):
        for _ in range(count):
            by = f"call-{next(self.numbers)}"
            answer = self.ask(by)
            if answer.admitted:
                assert answer.epoch == self.model.epoch
                self.calls.append((by, answer.epoch))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_call_asks_again(self, data):
        self.ask(data.draw(st.sampled_from(self.calls))[0])

    def tell(self, by, epoch, verdict, rest=0.0):
        expected = self.model.record(self.now, by, epoch, verdict, rest)
        change = self.circuits.record("k", by, epoch, verdict, self.rules, clock=self.clock, rest=rest)
        self.told(result(change), expected)

    def end(self, data, verdict, rest=0.0):
        # The latest are the most telling: what is older mostly belongs to an epoch that is over.
        call = self.calls.pop(-1 - data.draw(st.integers(0, min(len(self.calls) - 1, 5))))
        self.ended.append(call)
        self.tell(*call, verdict, rest)

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_call_fails(self, data):
        self.end(data, "failure")

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def a_call_succeeds(self, data):
        self.end(data, "success")

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), rest=st.sampled_from([0.0, 0.0, 90.0, 600.0]))
    def a_call_says_nothing(self, data, rest):
        self.end(data, "neutral", rest)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), verdict=st.sampled_from(["success", "failure", "neutral"]))
    def a_call_that_ended_is_told_of_again(self, data, verdict):
        by, epoch = data.draw(st.sampled_from(self.ended[-5:]))
        if by in self.model.told or epoch != self.model.epoch:
            self.tell(by, epoch, verdict)

    @rule(ticks=st.integers(1, 11))
    def time_passes(self, ticks):
        self.clock.advance(ticks * TICK)

    @precondition(lambda self: self.model.waiting(self.now))
    @rule(early=st.sampled_from([0.0, 0.0, TICK]))
    def somebody_may_pass_again(self, early):
        self.clock.advance(max(self.model.waiting(self.now) - early, 0.0))

    @rule(what=st.sampled_from(["open", "open", "hold", "close", "forget"]))
    def somebody_sets_it(self, what):
        if what == "forget":
            result(self.circuits.reset("k"))
            self.model = Model(self.rules)
            self.calls, self.ended = [], []
        elif what == "close":
            # A circuit that never failed is none, and has no epoch to end.
            if self.model.epoch or self.model.row or self.model.events:
                change = result(self.circuits.close("k", "by hand", self.rules, clock=self.clock))
                self.told(change, self.model.close())
        else:
            rest = None if what == "hold" else 30.0
            change = result(self.circuits.open("k", "by hand", rest, self.rules, clock=self.clock))
            self.told(change, self.model.open(self.now, rest))

    @invariant()
    def it_looks_as_the_model_does(self):
        if not hasattr(self, "model"):
            return
        view = result(self.circuits.look("k", self.rules, clock=self.clock))
        model = self.model
        assert view.state == model.shown(self.now)
        waiting = model.waiting(self.now)
        assert view.retry_after == (waiting if waiting is None else pytest.approx(waiting, abs=1e-3))
        assert view.admits == (waiting == 0)
        assert (view.failures, view.calls, view.failed) == (model.row, *model.window(self.now))
        assert (view.probes, view.passed, view.held) == (len(model.leases), model.passed, model.held)
        assert view.epoch == model.epoch
        assert view.probes <= self.rules.probes
        assert (view.reason == "") == (model.state == "closed")


def test_every_store_keeps_circuits_as_the_model_does(store, request):
    examples, steps = STEPS[request.node.callspec.params["store"]]
    run_state_machine_as_test(
        lambda: CircuitMachine(store.circuits),
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )
