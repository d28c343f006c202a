"""`quickstart` runs a real agent, shows the tool and the answer as they come, and what it took."""

import pytest

from hanzo_agents.testing.fault_server import Usage, answers, faults


def cells(output, name):
    (line,) = [line for line in output.splitlines() if f"│ {name} " in line]
    return line.split("│")[2].strip()


def test_before_a_router(run, router):
    router.script(
        answers.tool_call("get_weather", {"city": "Paris"}, usage=Usage(100, 10, cost=0.001)),
        answers.text("It is sunny in Paris.", usage=Usage(120, 8, cost=0.0005)),
    )
    result = run("quickstart")
    assert result.exit_code == 0
    assert f"Asking zen-1 at {router.base_url}\n" in result.stdout
    assert 'Tool:   get_weather({"city": "Paris"})\n' in result.stdout
    assert "        returned: It is sunny and 24 degrees in Paris.\n" in result.stdout
    assert "Agent:  It is sunny in Paris.\n" in result.stdout
    assert cells(result.stdout, "Attempts") == "2 for 2 model calls"
    assert cells(result.stdout, "Tokens") == "220 in, 18 out (reported)"
    assert cells(result.stdout, "Cost") == "$0.0015 (reported)"
    assert result.stdout.splitlines()[-2:] == [
        "Try next:  hanzo-agents chat",
        "Or read:   examples/tools.py, which is this agent in a few lines of Python",
    ]


def test_a_broken_answer_ends_in_a_message(run, router):
    router.script(answers.tool_call("get_weather", {"city": "Paris"}), faults.status(400, message="no more"))
    result = run("quickstart")
    assert result.exit_code == 1
    assert result.stderr == "Error: the router refused the request (400: no more)\n"


@pytest.mark.node
def test_without_a_router_the_embedded_node_answers(run):
    result = run("quickstart")
    assert result.exit_code == 0, result.output
    assert 'get_weather({"city": "Paris"})' in result.stdout
    assert "Paris" in result.stdout.split("Agent:")[1]
    assert cells(result.stdout, "Model that answered") == "smollm2-135m-instruct"
    assert cells(result.stdout, "Attempts") == "2 for 2 model calls"
    assert cells(result.stdout, "Tokens").endswith("(reported)")
    assert cells(result.stdout, "Time to first token").count(" s") == 2
    assert "hanzo-agents chat --local" in result.stdout


@pytest.mark.node
def test_a_router_can_be_passed_over(run, router):
    assert run("quickstart", "--local").exit_code == 0
    assert router.hits == 0
