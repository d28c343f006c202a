"""The floors that benchmarks/routing is held to: they are counts on frozen texts, the same on every machine."""

from pathlib import Path

import pytest


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from benchmarks.routing import __main__, report, score

    return __main__, report, score


def test_the_halves_are_what_was_frozen(benchmark):
    main, _, score = benchmark
    assert main.changed() == []
    halves = [{prompt.asked for prompt in score.prompts(half)} for half in ("tuning", "held_out")]
    assert sum(map(len, halves)) >= 300


def test_the_score_beats_the_length_rule_by_ten_points(benchmark):
    _, report, score = benchmark
    of = score.prompts("held_out")
    gain = score.mean(report._right(report._hard, of)) - score.mean(report._right(score.length_rule, of))
    assert gain >= 0.10


def test_personal_data_is_found_and_nothing_else(benchmark):
    _, report, score = benchmark
    of = report._counts("held_out")
    assert score.precision(of) >= 0.95
    assert score.recall(of) >= 0.95
