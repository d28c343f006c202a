"""The gate: pairs of questions that it must tell apart, and pairs that it must not."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents import LexicalGate
from hanzo_agents.policies.semantic.gate.reading import MOST_CHARACTERS, spelled

gate = LexicalGate()
FOLDER = Path(__file__).parents[3] / "benchmarks" / "semantic"
PAIRS = [
    json.loads(line) for file in sorted(FOLDER.glob("pairs_*.jsonl")) for line in file.read_text().splitlines()
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 2+2?", "What is two plus two?"),
        ("What is 15% of 200?", "what is fifteen percent of 200"),
        ("How many kilometres are in five miles?", "How many kilometers are in 5 miles?"),
        ("How do I undo the last git commit?", "How can I undo my last commit in git?"),
        ("What's the capital of Australia?", "Australia's capital is what?"),
        ("Who wrote Pride and Prejudice?", "who is the author of Pride and Prejudice"),
        ("Please tell me how photosynthesis works.", "How does photosynthesis work?"),
        ("What is the difference between TCP and UDP?", "What's the difference between UDP and TCP?"),
        ("At sea level, what is the boiling point of water?", "What is the boiling point of water at sea level?"),
        ("What year did World War II end?", "In which year did WW2 end?"),
        ("Summarise chapter two", "Please summarize chapter 2."),
        ("Is it OK to eat raw eggs?", "Can I eat raw eggs?"),
    ],
)
def test_the_same(one, other):
    assert gate(one, other) is None
    assert gate(other, one) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 10²?", "What is 102?"),
        ("What is new in Python 3.1?", "What is new in Python 3.10?"),
        ("Is 1,5 kg too much?", "Is 15 kg too much?"),
        ("Explain one two three", "Explain six"),
        ("Who is agent 007?", "Who is agent 7?"),
        ("How fast is 10 Mb/s?", "How fast is 10 MB/s?"),
        ("How strong is 5 mW?", "How strong is 5 MW?"),
        ("How do I get a loan?", "How do I give a loan?"),
        ("How do I cut long hair?", "How do I cut hair?"),
        ("Can dogs eat grapes?", "Do dogs eat grapes?"),
        ("Which dogs bite?", "Do dogs bite?"),
        ("What is your name?", "What is my name?"),
        ("Which foods that are not spicy are good?", "Which foods that are spicy are not good?"),
        ("Should I eat, then exercise?", "Should I exercise, then eat?"),
        ("If it rains, is it cancelled?", "If it is cancelled, does it rain?"),
        ('Translate "the big dog" into French', 'Translate "a large dog" into French'),
        ("Translate to French: I need help", "Translate to French: I needed help"),
        ("What is the past tense of take?", "What is the past tense of took?"),
        ("What does a && b do?", "What does a || b do?"),
        ("What does x++ do?", "What does x-- do?"),
        ("What happens at midnight?", "What happened at midnight?"),
        ("Does Tom owe Ann or does Ann owe Tom money?", "Does Ann owe Tom or does Tom owe Ann money?"),
        ("Write a haiku.\nIt is about rain", "Write a haiku.\nIt is about snow"),
    ],
)
def test_what_is_easily_taken_for_the_same(one, other):
    assert gate(one, other) is not None
    assert gate(other, one) is not None


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ("What is 17 times 23?", "What is 17 times 32?", "numbers"),
        ("Is 1.5 enough?", "Is 15 enough?", "numbers"),
        ("What is two plus two?", "What is two minus two?", "words"),
        ("How many miles are in 10 km?", "How many miles are in 10 m?", "words"),
        ("Who is the CEO of Apple?", "Who is the CEO of Google?", "names"),
        ("Which cities have a metro?", "Which cities don't have a metro?", "negated"),
        ("Flights from Paris to London", "Flights from London to Paris", "changed places"),
        ("Did Brutus kill Caesar?", "Did Caesar kill Brutus?", "changed places"),
        ("Is 3 greater than 5?", "Is 5 greater than 3?", "changed places"),
        ("May I share this with my team?", "Must I share this with my team?", "must"),
        ("What is my balance?", "What is his balance?", "persons"),
        ("Who is the president?", "Who was the president?", "times"),
        ("Why do people lie?", "When do people lie?", "something else"),
        ("Who is US in this sentence?", "Who is us in this sentence?", "words|names"),
        ("Who directed Alien?", "Who directed Aliens?", "words|names"),
        ("What is a C string?", "What is a C# string?", "quoted"),
    ],
)
def test_not_the_same(one, other, reason):
    import re

    for objection in (gate(one, other), gate(other, one)):
        assert objection is not None
        assert re.search(reason, objection), objection


def test_no_more_than_one_near_miss_in_a_hundred_passes():
    """Over all labelled near-misses, those that were held back included."""
    misses = [pair for pair in PAIRS if not pair["same"]]
    passed = [pair["id"] for pair in misses if gate(pair["a"], pair["b"]) is None]
    assert len(misses) >= 400
    assert len(passed) <= len(misses) / 100, passed


@given(st.text(max_size=200), st.text(max_size=200))
def test_it_is_symmetric_and_takes_anything(one, other):
    assert (gate(one, other) is None) == (gate(other, one) is None)
    assert gate(one, one) is None
    assert spelled(one) or not one


@given(st.sampled_from(PAIRS), st.integers(0, 5))
def test_what_is_added_to_one_side_is_seen(pair, number):
    assert gate(pair["a"], f"{pair['a']} Answer in {number + 7} words.") is not None


def test_long_texts_are_the_same_only_when_they_are():
    text = "word " * MOST_CHARACTERS
    assert gate(text, text) is None
    assert gate(text, text + "more") == "they are too long to be compared by words"


def test_other_languages_are_taken_word_for_word():
    assert gate("Wie spät ist es?", "Wie spät ist es") is None
    assert gate("Wie spät ist es?", "Wie alt ist es?") is not None
    assert gate("日本の首都は?", "日本の首都は") is None
    assert gate("日本の首都は?", "中国の首都は?") is not None
