"""`chat` streams answers, remembers, stops an answer at Ctrl-C, and leaves at the prompt."""

import sys

import pytest
from terminal import Terminal

from hanzo_agents.testing.fault_server import answers, faults

MISSING = faults.status(404, error_code="model_not_found", message="no such model")


def test_one_question(run, router):
    router.script("Hello there!")
    result = run("chat", "--system", "Be kind.", "Good", "morning")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Hello there!\n", "")
    (request,) = [request for request in router.requests if request.method == "POST"]
    assert [(m["role"], m["content"]) for m in request.messages] == [
        ("system", "Be kind."),
        ("user", "Good morning"),
    ]
    assert request.json["stream"] is True
    assert request.model == "zen-1"


def test_a_question_on_standard_input(run, router):
    router.script("Hello!")
    assert run("chat", stdin="Good\nmorning\n").stdout == "Hello!\n"
    assert router.requests[-1].messages[-1]["content"] == "Good\nmorning"


def test_nothing_on_standard_input_is_wrong_usage(run, router):
    result = run("chat", stdin=" \n")
    assert result.exit_code == 2
    assert "PROMPT: expected a question" in result.stderr
    assert router.hits == 0


def test_what_a_model_says_does_not_drive_the_terminal(run, router):
    router.script("\x1b[2Jgone\x07")
    assert run("chat", "hello").stdout == "[2Jgone\n"


def test_a_refusal_is_shown(run, router):
    router.script(answers.refusal("I would rather not."))
    assert run("chat", "hello").stdout == "I would rather not.\n"


def test_fallbacks_answer_and_it_is_said(run, router):
    router.model("zen-0").script(MISSING)
    router.model("zen-1").script(MISSING)
    router.model("zen-2").script("Hello!")
    result = run("chat", "-m", "zen-0", "--fallback", "zen-1", "--fallback", "zen-2", "hello")
    assert (result.exit_code, result.stdout) == (0, "Hello!\n")
    assert result.stderr == "(zen-2 answered, at attempt 3)\n"


def test_a_chain_that_failed_says_how_each_did(run, router):
    router.script(MISSING, repeat=True)
    result = run("chat", "-m", "zen-0", "--fallback", "zen-1", "hello")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: --fallback: every model of the chain failed",
        "  zen-0: model: the router has no 'zen-0' (404: no such model)",
        "  zen-1: model: the router has no 'zen-1' (404: no such model)",
    ]


def test_half_an_answer_is_shown_and_then_the_error(run, router):
    router.script(faults.cut_between_events(answers.text("Hello there!", pieces=4)))
    result = run("chat", "hello")
    assert result.exit_code == 1
    assert result.stdout.endswith("\n")
    assert result.stderr.startswith("Error: HANZO_ROUTER_URL: what came from")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
class TestOnATerminal:
    @pytest.fixture
    def terminal(self, router):
        env = {"HANZO_ROUTER_URL": router.base_url, "HANZO_API_KEY": "k"}
        with Terminal("chat", env=env) as terminal:
            terminal.shows("> ")
            yield terminal

    def test_it_remembers_and_ctrl_d_leaves(self, terminal, router):
        router.script("Hello Alice!", "You are Alice.")
        terminal.types("I am Alice\n")
        terminal.shows("Hello Alice!\n> ")
        terminal.types("\nWho am I?\n")
        terminal.shows("You are Alice.\n> ")
        terminal.types("\x04")
        assert terminal.ends() == 0
        said = [(message["role"], message["content"]) for message in router.requests[-1].messages]
        assert said == [("user", "I am Alice"), ("assistant", "Hello Alice!"), ("user", "Who am I?")]

    def test_ctrl_c_stops_an_answer_and_the_talk_goes_on(self, terminal, router):
        router.script(faults.hang_mid_body(answers.text("One two three four", pieces=4)), "Fine.")
        terminal.types("Count\n")
        terminal.shows("One")
        router.wait_for(lambda: router.paused == 1)
        terminal.types("\x03")
        terminal.shows("(stopped; the question is forgotten)\n> ")
        router.wait_for(lambda: router.paused == 0)
        terminal.types("How are you?\n")
        terminal.shows("Fine.\n> ")
        assert [message["content"] for message in router.requests[-1].messages] == ["How are you?"]
        terminal.rests()
        terminal.types("\x03")
        assert terminal.ends() == 0

    def test_an_error_is_said_and_the_talk_goes_on(self, terminal, router):
        router.script(faults.status(400, message="too rude"), "Fine.")
        terminal.types("Grr\n")
        terminal.shows("Error: the router refused the request (400: too rude)\n> ")
        terminal.types("How are you?\n")
        terminal.shows("Fine.\n> ")


@pytest.mark.node
def test_the_embedded_node_talks(run):
    result = run("chat", "--local", "--system", "You are a helpful assistant. Be concise.", "What is 2 + 2?")
    assert result.exit_code == 0
    assert "4" in result.stdout
