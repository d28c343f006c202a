"""What the cache would have said, held against what the model says: before it may answer, and afterwards."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_scenes import AGAIN, CAPITAL, ask, read, said, scene

from hanzo_agents import track
from hanzo_agents.policies.semantic.agreement import agree
from hanzo_agents.policies.semantic.trial import FEWEST, WINDOW, Trial, least_share

NEVER = "never the same twice"


def questions(count):
    return [f"What is the capital of country{number}x?" for number in range(count)]


def asked_again(text):
    return f"Please tell me, {text[0].lower()}{text[1:]}"


async def twice(client, texts):
    """Ask each question, and again in other words; the answers to the second."""
    found = []
    for text in texts:
        await ask(client, text)
        found.append(await ask(client, asked_again(text)))
    return found


async def test_in_the_shadow_nothing_is_answered_and_all_is_compared():
    router, cache, client = scene(shadow=True, says=lambda text: "Canberra")
    with track() as journals:
        answers = await twice(client, questions(3))
    assert not any(answer.from_cache for answer in answers)
    assert len(router.asked) == 6
    stats = cache.stats()
    assert (stats.state, stats.hits, stats.compared, stats.disagreed) == ("shadow", 0, 3, 0)
    compared = [d for j in journals for d in j.decisions if d.action == "compares"]
    assert [d.data["agree"] for d in compared] == [True] * 3


async def test_it_answers_once_so_many_comparisons_agree(caplog):
    caplog.set_level(logging.INFO)
    _, cache, client = scene(shadow=3, says=lambda text: "Canberra")
    answers = await twice(client, questions(5))
    assert [answer.from_cache for answer in answers] == [False] * 3 + [True] * 2
    assert cache.stats().state == "serving"
    assert "answers from now on: 0 of 3" in caplog.text


async def test_it_does_not_while_they_disagree():
    _, cache, client = scene(shadow=3, max_false_hits=0.9, says=lambda text: f"The city of {hash(text)}")
    await twice(client, questions(2))
    assert cache.stats().disagreed == 2


async def test_a_sample_is_compared_afterwards_and_shuts_it_off(caplog):
    cities = iter(range(10_000))
    _, cache, client = scene(sample=0.5, max_false_hits=0.1, says=lambda text: f"city{next(cities)}")
    with track() as journals:
        answers = await twice(client, questions(8))
    hits = [answer.from_cache for answer in answers]
    assert hits == [True, False, True, False, False, False, False, False]
    stats = cache.stats()
    assert (stats.state, stats.compared, stats.disagreed, stats.hits) == ("off", 2, 2, 2)
    assert "shuts itself off" in [d.action for j in journals for d in j.decisions]
    (warning,) = [record for record in caplog.records if "shut itself off" in record.message]
    assert warning.levelno == logging.WARNING
    assert "2 of 2" in warning.getMessage()
    bypassed = [d.reason for d in journals[-1].decisions if d.policy == "SemanticCache"]
    assert bypassed == ["it has shut itself off: too many answers disagreed with the model's"]
    cache.reopen()
    assert cache.stats().state == "serving"
    assert (await ask(client, asked_again(questions(1)[0]))).from_cache


async def test_streams_are_compared_at_their_end():
    _, cache, client = scene(shadow=True, says=lambda text: "The capital is Canberra")
    await read(await ask(client, CAPITAL, stream=True))
    stream = await ask(client, AGAIN, stream=True)
    assert cache.stats().compared == 0
    await read(stream)
    assert cache.stats().compared == 1
    async with await ask(client, AGAIN, stream=True) as left:
        await anext(left)
    assert cache.stats().compared == 1


async def test_what_was_compared_is_not_kept_twice():
    _, cache, client = scene(shadow=True, says=lambda text: "Canberra")
    for text in (CAPITAL, AGAIN, CAPITAL):
        await said(client, text)
    assert cache.stats().kept == 1


async def test_ones_own_comparison(caplog):
    seen = []
    _, cache, client = scene(shadow=True, agree=lambda one, other: seen.append((one, other)) or False)
    await said(client, CAPITAL)
    await said(client, AGAIN)
    assert seen == [(f"about {CAPITAL}", f"about {AGAIN}")]
    assert cache.stats().disagreed == 1
    _, cache, client = scene(shadow=True, agree=lambda one, other: 1 / 0)
    await said(client, CAPITAL)
    assert await said(client, AGAIN) == f"about {AGAIN}"
    assert cache.stats().compared == 0
    assert "could not be compared" in caplog.text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("4", "2 + 2 = 4."),
        ("Canberra", "The capital of Australia is Canberra."),
        ("Yes, it is.", "Yes, it is legal to record a call there."),
        (
            "Use git reset --soft HEAD~1 to undo the last commit.",
            "To undo your last commit, use git reset --soft HEAD~1.",
        ),
        ("", ""),
        ("It is not safe to eat.", "Raw, it is not safe to eat. It is safe when it is cooked."),
    ],
)
def test_answers_that_say_the_same(one, other):
    assert agree(one, other)
    assert agree(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("4", "5"),
        ("Canberra", "Vienna"),
        ("Yes, you can.", "No, you cannot."),
        ("It costs 20 dollars a month for each user.", "It costs 50 dollars a month for each user."),
        ("Canberra", ""),
        ("It is safe to eat.", "It is not safe to eat."),
        (
            "You can take both drugs together with food at night.",
            "You cannot take both drugs together with food at night.",
        ),
        (
            "The city of Springfield has 5 million people living there as of 2020.",
            "The city of Springfield has 7 million people living there as of 2020.",
        ),
        ("Fly from Paris to London.", "Fly from London to Paris."),
    ],
)
def test_answers_that_do_not(one, other):
    assert not agree(one, other)
    assert not agree(other, one)


@given(st.lists(st.booleans(), max_size=60), st.sampled_from([0.05, 0.2, 0.5]), st.sampled_from([False, True, 5]))
def test_a_trial_never_serves_when_it_should_not(outcomes, most, shadow):
    trial = Trial(shadow=shadow, sample=0, most=most)
    seen = []
    for outcome in outcomes:
        if trial.state == "off":
            assert not trial.serves()
        seen.append(outcome)
        before = trial.state
        changed = trial.compared(agree=outcome)
        assert (changed is None) == (trial.state == before)
        wrong = seen[-WINDOW:].count(False)
        if wrong >= FEWEST and least_share(wrong, min(len(seen), WINDOW)) > most:
            assert trial.state == "off"
        if shadow is True:
            assert trial.state != "serving"
        if shadow == 5 and shadow is not True and len(seen) < 5:
            assert trial.state != "serving"


def test_a_shut_trial_stays_shut():
    trial = Trial(shadow=False, sample=0, most=0.05)
    for _ in range(3):
        trial.compared(agree=False)
    for _ in range(400):
        trial.compared(agree=True)
    assert trial.state == "off"


def test_one_disagreement_shuts_nothing_off():
    trial = Trial(shadow=False, sample=0, most=0.01)
    assert trial.compared(agree=False) is None
    assert trial.state == "serving"


def test_a_sample_is_as_large_as_it_says():
    trial = Trial(shadow=False, sample=0.02, most=0.05)
    served = [trial.serves() for _ in range(1000)]
    assert served.count(False) == 20
    assert all(served[:49])
