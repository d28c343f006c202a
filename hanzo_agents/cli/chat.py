"""`hanzo-agents chat`: a conversation, or one question."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

import click

from hanzo_agents.cli.connection import Connection, address, chosen_model, connected, ctrl_c_heard
from hanzo_agents.cli.problem import Command, Problem, printable

if TYPE_CHECKING:
    from agents import Agent, TResponseInputItem

    from hanzo_agents._kernel.journal import Journal
    from hanzo_agents.provider import HanzoModelProvider

__all__ = ["chat"]


@click.command(cls=Command)
@click.argument("prompt", nargs=-1)
@click.option("-s", "--system", metavar="TEXT", help="Instructions for the model.")
@connected
def chat(*, connection: Connection, prompt: tuple[str, ...], system: str | None) -> None:
    """Talk to a model, its answers streamed.

    With a PROMPT, or with one on standard input, it is answered and the command ends; otherwise you are asked.
    Ctrl-C stops an answer; Ctrl-C or Ctrl-D at the prompt leaves.
    """
    question = " ".join(prompt) or ("" if sys.stdin.isatty() else sys.stdin.read().strip())
    if not question and not sys.stdin.isatty():
        raise click.UsageError("PROMPT: expected a question, and standard input is empty")
    provider = connection.open()
    with asyncio.Runner() as runner:
        try:
            with connection.explained(provider):
                talk = _Talk(provider, runner.run(chosen_model(provider)), system)
                if question:
                    runner.run(talk.answer(question))
            if not question:
                _converse(talk, runner, connection)
        finally:
            runner.run(provider.aclose())


def _converse(talk: _Talk, runner: asyncio.Runner, connection: Connection) -> None:
    """Ask and answer until the person leaves. What fails is said, and the conversation goes on."""
    with suppress(ImportError):  # some builds of Python have none
        import_module("readline")  # gives `input` line editing and history
    click.echo(f"{printable(talk.model)} at {address(talk.provider)}. Ctrl-C stops an answer, Ctrl-D leaves.")
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
        if not question:
            continue
        try:
            with connection.explained(talk.provider):
                runner.run(talk.answer(question))
        except KeyboardInterrupt:
            click.echo("(stopped; the question is forgotten)")
        except Problem as problem:
            problem.show()


class _Talk:
    """A conversation with one model: what was said, and how to go on."""

    def __init__(self, provider: HanzoModelProvider, model: str, system: str | None) -> None:
        from agents import Agent

        self.provider = provider
        self.model = model
        self._agent: Agent[None] = Agent(name="Chat", instructions=system)
        self._said: list[TResponseInputItem] = []

    async def answer(self, question: str) -> None:
        """Stream the answer. A question that was not answered to the end leaves no trace in the conversation."""
        with ctrl_c_heard():
            await self._answer(question)

    async def _answer(self, question: str) -> None:
        from hanzo_agents import track
        from hanzo_agents.cli.answer import run_shown

        said: list[TResponseInputItem] = [*self._said, {"role": "user", "content": question}]
        screen = _Plain()
        try:
            with track() as journals:
                result = await run_shown(
                    self._agent, said, provider=self.provider, model=self.model, screen=screen
                )
        finally:
            screen.end()
        self._said = result.to_input_list()
        _tell_detours(journals)


def _tell_detours(journals: list[Journal]) -> None:
    """Say on standard error when it took more than one request, and who answered in the end."""
    for journal in journals:
        if len(journal.attempts) > 1 and (answered := journal.answered) is not None:
            by = printable(answered.model or answered.target)
            click.secho(f"({by} answered, at attempt {len(journal.attempts)})", dim=True, err=True)


class _Plain:
    """Shows the text of an answer and nothing else."""

    def __init__(self) -> None:
        self._open = False

    def text(self, delta: str) -> None:
        self._open = True
        click.echo(printable(delta), nl=False)

    def end(self) -> None:
        """End the line that an answer, or the part of one, has left open."""
        if self._open:
            click.echo()

    def tool_called(self, name: str, arguments: str) -> None:
        """The agent of a chat has no tools."""

    def tool_returned(self, output: object) -> None:
        """The agent of a chat has no tools."""
