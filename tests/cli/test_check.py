"""`check` prints what the guide shows, asserts what it claims, and says what to type when something is wrong."""

import pytest

from hanzo_agents.testing.fault_server import answers, faults
from hanzo_agents.testing.scripted import ScriptedRouter

CHAT, MODELS, ALIVE = "/v1/chat/completions", "/v1/models", "/health/liveliness"

ALL_IS_WELL = """\
=== Checking Hanzo Router Health ===
✓ Router health check passed
✓ Available models: 150 found

=== Testing Basic Agent ===
✓ Basic test passed!
Response: 4

=== Testing Agent with Tools ===
✓ Tool test passed!
Response: The result of 15 * 23 is 345.

=== Testing Conversation ===
✓ Conversation test passed!
Response: Hello, Alice!

✓ All tests passed: zen-1 at {url}
"""


class Model:
    """Answers the three tests; a test says which answers it gives instead."""

    def __init__(
        self, four="4", arguments=(15, 23), result="The result of 15 * 23 is 345.", alice="Hello, Alice!"
    ):
        self.four, self.arguments, self.result, self.alice = four, arguments, result, alice

    def __call__(self, request):
        if request.path == ALIVE:
            return answers.json("I'm alive!")
        said = [message["content"] for message in request.messages if message["role"] == "user"]
        if request.messages[-1]["role"] == "tool":
            assert request.messages[-1]["content"] == str(self.arguments[0] * self.arguments[1])
            return self.result
        if request.json.get("tools") and self.arguments:
            return answers.tool_call("multiply", dict(zip("ab", self.arguments, strict=True)))
        if request.json.get("tools"):
            return self.result
        if "2 + 2" in said[0]:
            return self.four
        return self.alice if len(said) == 2 else "Nice to meet you."


@pytest.fixture
def checked(run, monkeypatch):
    """Run `check` before a router whose model is like this."""

    def checked(**model):
        models = [f"zen-{number}" for number in range(1, 151)]
        with ScriptedRouter(Model(**model), models=models) as server:
            monkeypatch.setenv("HANZO_ROUTER_URL", server.base_url)
            monkeypatch.setenv("HANZO_API_KEY", "k")
            result = run("check", "--model", "zen-1")
            result.server = server
        return result

    return checked


def test_all_is_well(checked):
    result = checked()
    assert result.stdout == ALL_IS_WELL.format(url=result.server.base_url)
    assert result.exit_code == 0


def test_the_routers_own_health_page_is_never_asked(checked):
    paths = [request.path for request in checked().server.requests]
    assert paths[:2] == [ALIVE, MODELS]
    assert set(paths) == {ALIVE, MODELS, CHAT}


@pytest.mark.parametrize("four", ["The answer is 4.", "2+2=4", "**4**", "4.0", "It's 4, of course"])
def test_four_in_any_words(checked, four):
    assert checked(four=four).exit_code == 0


@pytest.mark.parametrize(
    ("model", "line"),
    [
        ({"four": "42"}, "✗ Basic test failed: expected a 4 in the answer\nResponse: 42\n"),
        ({"four": "2.4"}, "✗ Basic test failed: expected a 4 in the answer\nResponse: 2.4\n"),
        (
            {"arguments": None, "result": "It is 345."},
            "✗ Tool test failed: the model did not call the tool\nResponse: It is 345.\n",
        ),
        (
            {"arguments": (15, 24), "result": "It is 345."},
            "✗ Tool test failed: expected the tool to be called with 15 and 23, got [(15, 24)]\nResponse: It is 345.\n",
        ),
        (
            {"result": "It is 3450."},
            "✗ Tool test failed: the tool returned 345, and the answer does not say so\nResponse: It is 3450.\n",
        ),
        (
            {"alice": "Who are you?"},
            "✗ Conversation test failed: expected the name Alice from the first message\nResponse: Who are you?\n",
        ),
    ],
)
def test_what_is_claimed_is_asserted(checked, model, line):
    result = checked(**model)
    assert result.exit_code == 1
    assert line in result.stdout
    assert "All tests passed" not in result.stdout
    name = line.removeprefix("✗ ").split(" failed")[0]
    assert result.stderr.startswith(f"Error: {name} failed: the router answers, but not as an agent needs it")


def test_the_arguments_may_come_in_either_order(checked):
    assert checked(arguments=(23, 15)).exit_code == 0


def test_nothing_listens(run, monkeypatch):
    with faults.closed_port() as url:
        monkeypatch.setenv("HANZO_ROUTER_URL", f"{url}/v1")
        monkeypatch.setenv("HANZO_API_KEY", "k")
        result = run("check", "--model", "zen-1")
    assert result.exit_code == 1
    assert result.stdout.endswith("✗ Router health check failed\n")
    assert result.stderr.startswith(f"Error: HANZO_ROUTER_URL: cannot connect to the router at {url}/v1: ")
    assert "docker compose up router" in result.stderr
    assert "export HANZO_ROUTER_URL=" in result.stderr


# What the router really sends: hanzo-llm 1.82.2, without a database.
NO_DATABASE = faults.status(400, message="No connected db.", kind="no_db_connection", error_code="400")
INVALID_MODEL = faults.status(
    400,
    message="{'error': '/chat/completions: Invalid model name passed in model=gpt-5. Call `/v1/models` to view "
    "available models for your key.'}",
    kind="None",
    error_code="400",
)
DEPLOYMENT_WITHOUT_MODEL = faults.status(
    404,
    message="llm.NotFoundError: NotFoundError: OpenAIException - The model 'x' does not exist. "
    "Received Model Group=gpt-5\nAvailable Model Group Fallbacks=None",
    kind="None",
    error_code="404",
)
NO_SUCH_PAGE = faults.status(404, body={"detail": "Not Found"})

WRONG = [
    (MODELS, NO_DATABASE, "HANZO_API_KEY: ", "export HANZO_API_KEY=<the router's master key>"),
    (MODELS, faults.status(401), "HANZO_API_KEY: ", 'export HANZO_API_KEY="new-key"'),
    (MODELS, faults.echo_authorization(), "HANZO_API_KEY: ", 'export HANZO_API_KEY="new-key"'),
    (CHAT, NO_DATABASE, "HANZO_API_KEY: ", "no_db_connection"),
    (CHAT, faults.status(403), "HANZO_API_KEY: this key may not do that", "export HANZO_API_KEY="),
    (CHAT, INVALID_MODEL, "model: the router has no 'gpt-5' (400: /chat/completions: Inv", "hanzo-agents models"),
    (
        CHAT,
        DEPLOYMENT_WITHOUT_MODEL,
        "model: the router has 'gpt-5', and the deployment behind it",
        "--model NAME",
    ),
    (CHAT, faults.status(404, error_code="model_not_found"), "model: the router has no 'gpt-5'", "--model NAME"),
    (CHAT, NO_SUCH_PAGE, "HANZO_ROUTER_URL: there is no router's API at", "(404: Not Found)"),
    (CHAT, faults.status(400, message="no"), "the router refused the request", "(400: no)"),
    (CHAT, faults.status(400, body={"error": "no"}), "the router refused the request", "(400: no)"),
    (MODELS, faults.html(), "HANZO_ROUTER_URL: what came from", "export HANZO_ROUTER_URL="),
    (ALIVE, faults.html(), "HANZO_ROUTER_URL: what answers at", "is no router"),
    (ALIVE, faults.status(503), "HANZO_ROUTER_URL: ", "Is the address right"),
    (ALIVE, faults.redirect("https://login.test/"), "HANZO_ROUTER_URL: ", "export HANZO_ROUTER_URL="),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong[0]}-{wrong[2]}")
def test_what_is_wrong_is_named_with_what_to_type(run, always, wrong):
    path, reply, field, fix = wrong
    always(path, reply)
    result = run("check", "--model", "gpt-5")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {field}")
    assert fix in result.stderr
    assert "Traceback" not in result.output
    assert "✗ " in result.stdout


def test_with_several_models_one_must_be_named(run, always):
    always(MODELS, answers.models(*(f"zen-{number}" for number in range(1, 13))))
    result = run("check")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: model: none was named, and the router has 12: zen-1, zen-2, ")
    assert "and 4 more\n  Name one: add --model zen-1, or export HANZO_MODEL=zen-1" in result.stderr


def test_a_router_without_models(run, always):
    always(MODELS, answers.models())
    result = run("check")
    assert result.exit_code == 1
    assert "models" in result.stderr


@pytest.mark.node
def test_the_embedded_node_passes(run):
    result = run("check", "--local")
    assert result.exit_code == 0, result.output
    assert "✓ Available models: 1 found" in result.stdout
    assert "✓ Tool test passed!" in result.stdout
    assert "✓ All tests passed" in result.stdout
