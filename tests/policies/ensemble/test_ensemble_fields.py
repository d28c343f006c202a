"""What a user gives, refused where it makes no sense."""

import pickle

import pytest

from hanzo_agents import Blend, EnsembleFailed, Failure, Judge, Target
from hanzo_agents.errors import ConfigError, HanzoError, RateLimited


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Blend([]), "Blend.models: expected 2 to 20 models, got 0"),
        (lambda: Blend(["a"]), "Blend.models: expected 2 to 20 models, got 1"),
        (lambda: Blend("abc"), "Blend.models: expected a list of model names or Targets, got 'abc'"),
        (lambda: Blend(["a", 3]), "Blend.models: expected a model's name or a Target, got int"),
        (lambda: Blend(["a", "a"]), "Blend.models: expected each model once, got 'a' again"),
        (lambda: Blend([str(n) for n in range(21)]), "Blend.models: expected 2 to 20 models, got 21"),
        (
            lambda: Blend(["a", "b"], synthesizer=3),
            "Blend.synthesizer: expected a model's name or a Target, got int",
        ),
        (lambda: Blend(["a", "b"], strategy="vote"), "Blend.strategy: expected one of 'consensus', "),
        (lambda: Blend(["a", "b"], strategy=None), "got None"),
        (lambda: Blend(["a", "b"], layers=2), 'Blend.layers: only strategy="moa" has any, got 2'),
        (lambda: Blend(["a", "b"], samples=2), 'Blend.samples: only strategy="self_moa" has any, got 2'),
        (
            lambda: Blend(["a", "b"], strategy="moa", layers=6),
            "Blend.layers: expected an integer from 1 to 5, got 6",
        ),
        (lambda: Blend(["a"], strategy="self_moa", samples=1), "Blend.samples: expected an integer from 2 to 20"),
        (lambda: Blend(["a", "b"], strategy="self_moa"), "samples one model, got 2"),
        (lambda: Blend(["a", "b"], quorum=3), "Blend.quorum: expected an integer from 1 to 2, got 3"),
        (lambda: Blend(["a", "b"], quorum=True), "Blend.quorum: expected an integer from 1 to 2, got True"),
        (lambda: Blend(["a", "b"], strategy="chain", quorum=2), "Blend.quorum: expected an integer from 1 to 1"),
        (lambda: Blend(["a", "b"], agreement=0), "Blend.agreement: expected a share above 0 and up to 1, got 0"),
        (lambda: Blend(["a", "b"], patience=0), "Blend.patience: expected a number of seconds > 0"),
        (lambda: Blend(["a", "b"], patience="1s"), "Blend.patience: expected a number of seconds > 0"),
        (lambda: Blend(["a", "b"], tool_turns=1), "Blend.tool_turns: expected True or False, got 1"),
        (lambda: Judge(["a"]), "Judge.contestants: expected 2 to 20 models, got 1"),
        (lambda: Judge(["a", "b"], judge=""), "Judge.judge: expected a model's name, got an empty string"),
        (lambda: Judge(["a", "b"], criteria="short"), "Judge.criteria: expected a list of texts, got 'short'"),
        (lambda: Judge(["a", "b"], criteria=["", "x"]), "Judge.criteria: expected texts, got '' among them"),
        (lambda: Judge(["a", "b"], quorum=0), "Judge.quorum: expected an integer from 1 to 2, got 0"),
        (lambda: Judge(["a", "b"], agreement=2), "Judge.agreement: expected a share above 0 and up to 1, got 2"),
    ],
)
def test_the_error_names_the_field_what_came_and_what_was_expected(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert message in str(caught.value)


def test_no_key_shows():
    blend = Blend([Target("a", "https://a.test/v1", "sk-secret"), "b"])
    assert "sk-secret" not in repr(blend) + str(blend.routing)


def test_what_decides_the_answer_is_part_of_the_key():
    given = [
        Blend(["a", "b"]), Blend(["b", "a"]), Blend(["a", "b"], synthesizer="c"), Blend(["a", "b"], quorum=2),
        Blend(["a", "b"], strategy="moa"), Blend(["a", "b"], strategy="moa", layers=3),
        Blend(["a"], strategy="self_moa"), Blend(["a"], strategy="self_moa", samples=2),
        Blend(["a", "b"], agreement=None), Blend(["a", "b"], tool_turns=True),
        Blend([Target("a", "https://a.test/v1", "k"), "b"]),
        Judge(["a", "b"]), Judge(["a", "b"], judge="c"), Judge(["a", "b"], criteria=["x"]),
    ]  # fmt: skip
    assert len({str(policy.routing) for policy in given}) == len(given)


def test_the_error_pickles_and_splits():
    error = EnsembleFailed([Failure("a", RateLimited("full", retry_after=3.0)), Failure("b", ValueError("odd"))])
    assert isinstance(error, HanzoError)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is EnsembleFailed
    assert str(again) == str(error) == "too few of the models answered: a: RateLimited: full; b: ValueError: odd"
    assert [failure.target for failure in again.failures] == ["a", "b"]
    matched, rest = error.split(ValueError)
    assert len(matched.exceptions) == len(rest.exceptions) == 1
