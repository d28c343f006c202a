"""Errors as a person at a terminal reads them: one message with the field and the fix, and an exit code."""

from __future__ import annotations

import traceback
from typing import Any

import click
from typing_extensions import override

__all__ = ["Command", "Problem", "printable"]

_DEBUG = "hanzo_agents.cli.debug"
_KEPT = {ord("\n"): "\n", ord("\t"): "\t"}
_TURNING = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""What changes the direction of text: it would show a name as another one."""
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), *_TURNING)) | _KEPT


class Problem(click.ClickException):
    """What went wrong and what to type. Printed as `Error: ...`; the command exits with 1."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """The text without control characters: what a model or a router says must not drive the terminal."""
    return text.translate(_CONTROL)


class Command(click.Command):
    """A command that ends in one readable message instead of a traceback, unless `--debug` is given."""

    @override
    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *own, help_option = super().get_params(ctx)
        return [*own, _debug_option(), help_option]

    @override
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError) as known:
            _show_traceback(ctx, known)
            raise
        except Exception as error:
            _show_traceback(ctx, error)
            raise _as_problem(error) from error


def _as_problem(error: Exception) -> Problem:
    from hanzo_agents.errors import ConfigError

    if isinstance(error, ConfigError):
        return Problem(str(error))
    return Problem(f"{type(error).__name__}: {error}\n  See where it comes from: repeat the command with --debug")


def _debug_option() -> click.Option:
    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        ctx.meta[_DEBUG] = value

    return click.Option(
        ["--debug"], is_flag=True, expose_value=False, callback=remember, help="Show the traceback of an error."
    )


def _show_traceback(ctx: click.Context, error: Exception) -> None:
    shown = error.__cause__ if isinstance(error, Problem) else error
    if ctx.meta.get(_DEBUG) and shown is not None and not isinstance(shown, click.exceptions.Exit | click.Abort):
        click.echo(printable("".join(traceback.format_exception(shown))), err=True, nl=False)
