"""What holds for every command: help, usage, and one readable message instead of a traceback."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from hanzo_agents.cli import app, main
from hanzo_agents.cli.problem import Problem, printable
from hanzo_agents.testing.fault_server import faults

COMMANDS = ("chat", "check", "mcp", "models", "node", "quickstart", "usage")
LEAVES = [
    *((command,) for command in COMMANDS if command != "mcp"),
    *(("mcp", name) for name in ("call", "serve", "tools")),
]


def test_the_script_runs_main():
    (script,) = entry_points(group="console_scripts", name="hanzo-agents")
    assert script.load() is main


def test_help_names_the_commands(run):
    result = run("--help")
    assert result.exit_code == 0
    assert set(app.commands) == set(COMMANDS)
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("group", [(), ("mcp",)], ids=["all", "mcp"])
def test_lists_of_commands_end_no_line_in_the_middle(run, group):
    assert "..." not in run(*group, "--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_command_explains_itself(run, command):
    result = run(*command, "-h")
    assert result.exit_code == 0
    assert "--debug" in result.stdout


def test_help_does_not_wait_for_the_agents_sdk():
    code = (
        "import sys\n"
        "from hanzo_agents.cli import app\n"
        "app(['check', '--help'], standalone_mode=False)\n"
        "print(sorted({'agents', 'openai', 'rich', 'xllamacpp'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_the_module_is_the_script():
    done = subprocess.run(
        [sys.executable, "-m", "hanzo_agents.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("hanzo-agents, version ")


@pytest.mark.parametrize(
    "arguments",
    [("sing",), ("chat", "--loud"), ("node", "--port", "70000"), ("models", "--env-file", "no/such/file")],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(run, arguments):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


@pytest.mark.parametrize("command", ["models", "check", "chat"])
def test_without_a_router_it_says_what_to_set(run, command):
    result = run(command, *(["hello"] if command == "chat" else []))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: HANZO_ROUTER_URL: not set")
    assert "--local" in result.stderr


def test_without_a_key_it_says_so(run, monkeypatch):
    monkeypatch.setenv("HANZO_ROUTER_URL", "http://127.0.0.1:9/v1")
    result = run("quickstart")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: HANZO_API_KEY: not set")


@pytest.mark.parametrize(
    ("url", "key", "field"),
    [
        ("ftp://127.0.0.1/v1", "k", "HANZO_ROUTER_URL"),
        ("http://router.test/v1", "k", "HANZO_ROUTER_URL"),
        ("http://127.0.0.1:9/v1", "k\u00e9y", "HANZO_API_KEY"),
    ],
)
def test_a_wrong_setting_is_named(run, monkeypatch, url, key, field):
    monkeypatch.setenv("HANZO_ROUTER_URL", url)
    monkeypatch.setenv("HANZO_API_KEY", key)
    result = run("models")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {field}: ")
    assert key not in result.stderr or key == "k"


def test_models_are_listed_one_a_line(run, router):
    result = run("models")
    assert (result.exit_code, result.stdout) == (0, "zen-1\n")


def test_settings_come_from_a_file_when_asked(run, router, monkeypatch, tmp_path):
    file = tmp_path / "router.env"
    file.write_text(f"HANZO_ROUTER_URL={router.base_url}\nHANZO_API_KEY=from-the-file\n")
    monkeypatch.delenv("HANZO_ROUTER_URL")
    monkeypatch.delenv("HANZO_API_KEY")
    assert run("models", "--env-file", str(file)).stdout == "zen-1\n"
    assert router.requests[-1].headers["authorization"] == "Bearer from-the-file"


def test_an_error_has_no_traceback_unless_it_is_wanted(run, always):
    always("/v1/models", faults.status(401))
    plain = run("models")
    debugged = run("models", "--debug")
    assert plain.exit_code == debugged.exit_code == 1
    assert plain.stderr.startswith("Error: HANZO_API_KEY: ")
    assert "Traceback" not in plain.output
    assert debugged.stderr.startswith("Traceback")
    assert debugged.stderr.endswith(plain.stderr)


def test_an_error_that_nobody_expected_is_one_line_too(run, router, monkeypatch):
    async def fails(self):
        raise RuntimeError("the roof is on fire")

    monkeypatch.setattr("hanzo_agents.provider.HanzoModelProvider.list_models", fails)
    result = run("models")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: RuntimeError: the roof is on fire\n")
    assert "--debug" in result.stderr


def test_a_reader_that_has_left_is_no_error(monkeypatch):
    def gone(self, work):
        raise BrokenPipeError

    monkeypatch.setattr("hanzo_agents.cli.models.Connection.run", gone)
    with pytest.raises(BrokenPipeError):
        app(["models"], standalone_mode=False)


def test_nothing_printed_drives_the_terminal():
    assert printable("a\x1b[2Jb\r\x07c\n\td\x9b1m") == "a[2Jbc\n\td1m"
    assert Problem("\x1b]0;title\x07oops").message == "]0;titleoops"
