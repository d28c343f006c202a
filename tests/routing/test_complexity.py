"""The complexity score: what it says of tasks, and how it says it. How often it is right is in benchmarks/routing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents.routing import Complexity, complexity


@pytest.mark.parametrize(
    "text",
    ["Hello!", "What is the capital of France?", "Translate to German: good evening", "", "Guten Morgen", "¿Qué tal?", "翻译:早上好",
     "Summarise in one sentence: " + "The cat sat on the mat and looked at the rain. " * 40],
)  # fmt: skip
def test_easy(text):
    assert complexity(text).score < 0.5


@pytest.mark.parametrize(
    "text",
    ["Prove it.", "Fix the race condition.", "Beweise den Satz von Rolle.", "Démontre ce théorème.", "证明这个定理",
     "Design a sharded ledger and weigh consistency against latency.", "Solve x^3 - 2x + 1 = 0 and justify each step."],
)  # fmt: skip
def test_hard(text):
    assert complexity(text).score > 0.5


def talk(*turns):
    return [
        {"role": role, "content": text}
        for role, text in zip(["user", "assistant"] * len(turns), turns, strict=False)
    ]


def test_a_follow_up_is_as_hard_as_its_task():
    hard = "Refactor the scheduler so that jobs can be cancelled, without a deadlock."
    easy = "Fix the typo in the README."
    assert complexity(talk(hard, "Done, two tests fail.", "commit it")).score == complexity(hard).score
    assert complexity(talk(easy, "Done.", "commit it")).score == complexity(easy).score
    assert complexity(talk(hard, "Done.", "ok", "Shall I?", "yes")).score == complexity(hard).score
    assert complexity(talk(hard, "Done.", "Thanks a lot!")).score < 0.5
    assert complexity(talk(easy, "Done.", hard)).score > 0.5


def test_results_of_tools_and_parts_are_read_for_what_they_are():
    asked = {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "Prove the theorem."},
            {"type": "input_image", "image_url": "x"},
        ],
    }
    assert complexity([asked, {"type": "function_call_output", "output": "thanks"}]) == complexity(
        "Prove the theorem."
    )
    assert complexity([{"role": "system", "content": "Prove it."}]).score < 0.5


def test_it_says_why():
    found = complexity("Prove that the sequence converges.")
    assert found.because[0][0] == "hard task"
    assert str(found).startswith(f"{found.score:.2f} (hard task +")
    assert str(Complexity(0.5)) == "0.50"


@given(st.text(max_size=300))
def test_any_text_has_a_score(text):
    found = complexity(text)
    assert 0 <= found.score <= 1
    assert found == complexity([{"role": "user", "content": text}])


def test_a_long_paste_does_not_take_long():
    assert complexity("Summarise: " + "word " * 200_000).score < 0.5
