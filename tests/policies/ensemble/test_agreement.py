"""When answers say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents.policies.ensemble import agreement, likeness
from hanzo_agents.policies.ensemble.agreement import agreed


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Paris.", "paris", True),
        ("The answer is 42.", "the answer is: 42", True),
        ("The answer is 42.", "The answer is 43.", False),
        ("Tabs are not allowed in YAML files.", "Tabs are allowed in YAML files.", False),
        ("It isn't safe to do that here.", "It is safe to do that here.", False),
        ("Paris", "Lyon", False),
        ("", "", False),
        ("?", "?", False),
        ("One two three four five six.", "six five four three two one", False),
        ("The answer is -5.", "The answer is 5.", False),
        ("It is \u22125 degrees.", "It is 5 degrees.", False),
        ("It costs .5 a piece.", "It costs 5 a piece.", False),
        ("x < 3", "x > 3", False),
        ("x != y", "x = y", False),
        ("a / b", "a + b", False),
        ("It costs $5.", "It costs \u20ac5.", False),
        ("if a && b: go", "if a || b: go", False),
        ("Write it in C.", "Write it in C#.", False),
        ("Write it in C.", "Write it in C++.", False),
        ("\u2705 It is safe to delete.", "\u274c It is safe to delete.", False),
        ("**Paris**, (the capital) \u2013 `yes`!", "- Paris: the capital... yes", True),
    ],
)
def test_the_same_is_the_same_but_for_how_it_is_written(one, other, alike):
    assert (likeness(one, other) >= 0.9) == alike


@given(st.text(), st.text())
def test_it_is_a_measure(one, other):
    assert 0.0 <= likeness(one, other) <= 1.0
    assert likeness(one, other) == likeness(other, one)
    assert likeness(one, one) in {0.0, 1.0}


def test_many_long_answers_are_each_read_once(monkeypatch):
    read = []
    words = agreement._words
    monkeypatch.setattr(agreement, "_words", lambda text: read.append(text) or words(text))
    answers = [f"Answer {number} of several that differ." for number in range(20)]
    assert agreed(answers, of=20, threshold=0.9) is None
    assert read == answers


def test_more_than_half_must_agree():
    same = "It is Paris, on the Seine."
    assert agreed([same], of=1, threshold=0.9) is None
    assert agreed([same, same], of=2, threshold=0.9) == [0, 1]
    assert agreed([same, same], of=4, threshold=0.9) is None
    assert agreed(["Lyon.", same, same], of=3, threshold=0.9) == [1, 2]
    assert agreed([], of=3, threshold=0.9) is None
