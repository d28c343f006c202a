"""`hanzo-agents check`: is the setup right? Asks real questions and asserts what it claims."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from hanzo_agents.cli.connection import Connection, address, chosen_model, connected
from hanzo_agents.cli.problem import Command, Problem, printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agents import RunConfig, TResponseInputItem

    from hanzo_agents.provider import HanzoModelProvider

__all__ = ["check"]

_FOUR = re.compile(r"(?<![\d.,])4(\.0+)?(?![.,]?\d)")
_345 = re.compile(r"(?<![\d.,])345(\.0+)?(?![.,]?\d)")


@click.command(cls=Command)
@connected
def check(*, connection: Connection) -> None:
    """Check the router, its key and a model, with real answers.

    Asks whether the router is alive, lists its models, and runs three agents: one that answers, one that must use
    a tool, one that must remember. Exits with 1 unless all is as it should be.

    The router's /health is never asked: it calls every deployment.
    """
    failed = connection.run(lambda provider: _check(provider, local=connection.local))
    if failed:
        raise Problem(
            f"{' and '.join(failed)} failed: the router answers, but not as an agent needs it\n"
            "  Try a more capable model: add --model NAME (see: hanzo-agents models)"
        )


async def _check(provider: HanzoModelProvider, *, local: bool) -> list[str]:
    """Run every check; returns the names of the tests that failed."""
    from agents import ModelSettings, RunConfig

    await _check_router(provider)
    config = RunConfig(
        model_provider=provider,
        model=await chosen_model(provider),
        tracing_disabled=True,
        # The embedded model chatters on; a model that reasons first needs its room.
        model_settings=ModelSettings(max_tokens=60) if local else ModelSettings(),
    )
    tests: list[tuple[str, str, Callable[[RunConfig], Awaitable[_Outcome]]]] = [
        ("Basic Agent", "Basic test", _basic),
        ("Agent with Tools", "Tool test", _tools),
        ("Conversation", "Conversation test", _conversation),
    ]
    failed: list[str] = []
    for title, name, test in tests:
        click.echo(f"\n=== Testing {title} ===")
        try:
            outcome = await test(config)
        except Exception:
            _bad(f"{name} failed")
            raise
        if outcome.wrong:
            failed.append(name)
            _bad(f"{name} failed: {outcome.wrong}")
        else:
            _good(f"{name} passed!")
        click.echo(f"Response: {printable(outcome.response)}")
    if not failed:
        click.echo()
        _good(f"All tests passed: {config.model} at {address(provider)}")
    return failed


async def _check_router(provider: HanzoModelProvider) -> None:
    click.echo("=== Checking Hanzo Router Health ===")
    try:
        alive = await provider.health()
    except Exception:
        _bad("Router health check failed")
        raise
    if not alive:
        _bad("Router health check failed")
        raise Problem(
            f"HANZO_ROUTER_URL: what answers at {address(provider)} is no router, or it is not well\n"
            "  Is the address right, with its /v1? export HANZO_ROUTER_URL=http://localhost:4000/v1"
        )
    _good("Router health check passed")
    try:
        models = await provider.list_models()
    except Exception:
        _bad("The models cannot be listed")
        raise
    _good(f"Available models: {len(models)} found")


@dataclass(frozen=True)
class _Outcome:
    """What came back, and what is wrong with it; an empty `wrong` is a pass."""

    response: str
    wrong: str


async def _basic(config: RunConfig) -> _Outcome:
    from agents import Agent, Runner

    agent = Agent(name="TestAssistant", instructions="You are a helpful assistant. Be concise.")
    result = await Runner.run(agent, "What is 2 + 2? Answer with the number alone.", run_config=config)
    response = str(result.final_output)
    return _Outcome(response, "" if _FOUR.search(response) else "expected a 4 in the answer")


async def _tools(config: RunConfig) -> _Outcome:
    from agents import Agent, Runner, function_tool

    calls: list[tuple[int, int]] = []

    @function_tool
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        calls.append((a, b))
        return a * b

    agent = Agent(
        name="CalculatorAgent",
        instructions="You are a helpful math assistant. Use tools when needed.",
        tools=[multiply],
    )
    result = await Runner.run(agent, "What is 15 * 23?", run_config=config)
    response = str(result.final_output)
    if not calls:
        return _Outcome(response, "the model did not call the tool")
    if all(sorted(call) != [15, 23] for call in calls):
        return _Outcome(response, f"expected the tool to be called with 15 and 23, got {calls}")
    if not _345.search(response):
        return _Outcome(response, "the tool returned 345, and the answer does not say so")
    return _Outcome(response, "")


async def _conversation(config: RunConfig) -> _Outcome:
    from agents import Agent, Runner

    agent = Agent(
        name="ConversationAgent",
        instructions="You are a helpful assistant. Remember our conversation context.",
    )
    first = await Runner.run(agent, "My name is Alice. Remember it.", run_config=config)
    again: list[TResponseInputItem] = [
        *first.to_input_list(),
        {"role": "user", "content": "Greet me by name."},
    ]
    response = str((await Runner.run(agent, again, run_config=config)).final_output)
    return _Outcome(
        response, "" if "alice" in response.lower() else "expected the name Alice from the first message"
    )


def _good(text: str) -> None:
    click.secho(f"✓ {printable(text)}", fg="green")


def _bad(text: str) -> None:
    click.secho(f"✗ {printable(text)}", fg="red")
