"""Turns: one at a time, and what is told in the middle of one is done right after it."""

import logging
import threading

import pytest

from hanzo_agents._kernel.turns import Turns
from hanzo_agents.stores.pending import Done, in_turn


def test_what_is_put_in_the_middle_is_done_before_the_turn_ends_for_anybody_else():
    turns, log = Turns(), []
    with turns:
        turns.put(log.append, "put")
        log.append("in the turn")
    assert log == ["in the turn", "put"]


def test_what_is_put_by_a_job_comes_after_it_and_in_order():
    turns, log = Turns(), []

    def job():
        turns.put(log.append, 1)
        turns.put(log.append, 2)
        log.append(0)

    turns.put(job)
    assert log == [0, 1, 2]


def test_a_turn_within_a_turn_begins_at_once_but_jobs_wait_for_the_outer_one():
    turns, log = Turns(), []
    with turns:
        with turns:
            turns.put(log.append, "put")
        assert not turns.enter()
        assert log == []
    assert log == ["put"]


def test_who_waits_for_a_turn_finds_everything_done():
    turns, log = Turns(), []
    assert turns.enter()
    putting = threading.Thread(target=turns.put, args=(log.append, "of another thread"))
    putting.start()
    putting.join(10)
    assert not putting.is_alive(), "to put is never to wait"
    assert log == []
    turns.leave()
    assert log == ["of another thread"]


def test_a_job_that_fails_is_logged_and_takes_nothing_with_it(caplog):
    turns, log = Turns(), []
    with caplog.at_level(logging.ERROR, "hanzo_agents"):
        turns.put(lambda: 1 / 0)
        with turns:
            turns.put(lambda: 1 / 0)
            turns.put(log.append, "next")
    assert log == ["next"]
    assert len(caplog.records) == 2
    with turns:  # it was given back
        pass


def test_an_exit_in_a_job_leaves_the_turn_free():
    turns = Turns()

    def leave():
        raise SystemExit

    with pytest.raises(SystemExit):
        turns.put(leave)
    with pytest.raises(SystemExit), turns:
        turns.put(leave)
    entering = threading.Thread(target=turns.__enter__)
    entering.start()
    entering.join(10)
    assert not entering.is_alive()


def test_an_operation_in_turn_is_done_at_once_or_told_later():
    turns, told = Turns(), []
    at_once = in_turn(turns, lambda: "a", "test")
    assert isinstance(at_once, Done)
    at_once.tell(told.append, told.append)
    with turns:
        later = in_turn(turns, lambda: "b", "test")
        failing = in_turn(turns, lambda: {}["nothing"], "test")
        later.tell(told.append, told.append)
        failing.tell(told.append, lambda error: told.append(type(error)))
        assert told == ["a"]
    assert told == ["a", "b", KeyError]


def test_threads_that_put_and_take_lose_nothing():
    turns, sums = Turns(), {"put": 0, "taken": 0}

    def add(what):
        known = sums[what]
        sums[what] = known + 1

    def work():
        for _ in range(2000):
            turns.put(add, "put")
            with turns:
                add("taken")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert sums == {"put": 8000, "taken": 8000}
    assert not turns._later


def test_a_child_does_not_wait_for_a_turn_that_its_parent_has():
    turns, log = Turns(), []
    taking = threading.Thread(target=turns.enter)  # a thread that is no more, as in a child
    taking.start()
    taking.join(10)
    turns.put(log.append, "told")
    assert log == []
    turns.forked()
    with turns:
        assert log == ["told"]
