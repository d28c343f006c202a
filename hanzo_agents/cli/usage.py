"""`hanzo-agents usage`: what was spent, by day, model and agent."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hanzo_agents.cli.problem import Command, Problem, printable

if TYPE_CHECKING:
    from hanzo_agents.cli.usage_report import Report
    from hanzo_agents.stores import RedisStore, SQLiteStore

__all__ = ["usage"]

_REDIS = ("redis://", "rediss://", "unix://")
_DAYS = re.compile(r"(\d{1,4})d", re.ASCII)

NOTHING_YET = """\
No usage is on record from {since} to {until} in the {scope}.
  It is written by Budget: HanzoModelProvider(policies=[Budget(daily=10)])"""
NO_FILE = """\
--store: there is no ledger at {path}
  It is written by the first call under a Budget: HanzoModelProvider(policies=[Budget(daily=10)])
  Is it elsewhere? hanzo-agents usage --store PATH, or --store redis://host:6379/0"""


def _day(_: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    """A date, or how many days ago."""
    if value is None:
        return None
    if ago := _DAYS.fullmatch(value):
        return _today() - timedelta(days=int(ago[1]))
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"expected a day as 2026-03-29, or 7d for seven days ago, got {value!r}", param=parameter
        ) from None


@click.command(cls=Command)
@click.option(
    "--since", metavar="DAY", callback=_day, default="30d", show_default=True, help="First day: 2026-03-29, or 7d."
)
@click.option("--until", metavar="DAY", callback=_day, help="Last day. Default: today.")
@click.option(
    "--store", metavar="PATH|URL", envvar="HANZO_LEDGER", show_envvar=True,
    help="The ledger: a file, or a redis:// URL. Default: the one of a Budget without a store.",
)  # fmt: skip
@click.option("--prefix", default="hanzo", show_default=True, help="The prefix of keys in Redis.")
@click.option("--json", "as_json", is_flag=True, help="Print it for a program.")
@click.option("--html", metavar="FILE", help="Write it as one page with plots, that needs nothing else.")
def usage(
    *, since: date, until: date | None, store: str | None, prefix: str, as_json: bool, html: str | None
) -> None:
    """Show what was spent, by day, model and agent.

    Figures come from the ledger that Budget keeps. Amounts are US dollars; days are of the budget's time zone.
    """
    if until is not None and until < since:
        raise click.UsageError(f"--until: expected a day not before --since {since}, got {until}")
    report = _read(store, prefix, since, until)
    if html is not None:
        _write_page(report, html)
    if as_json:
        click.echo(json.dumps(report.json(), indent=2))
    elif html is None:
        _print(report)


def _read(where: str | None, prefix: str, since: date, until: date | None) -> Report:
    """The report of a store.

    Raises:
        Problem: there is no ledger there, or it cannot be read.
    """
    from hanzo_agents._kernel.clock import SYSTEM_CLOCK
    from hanzo_agents.cli.usage_report import Report
    from hanzo_agents.errors import ConfigError
    from hanzo_agents.stores import StoreUnavailable

    store = _open(where, prefix)

    # The budget's time zone may be a day ahead of ours.
    latest = until or _today() + timedelta(days=1)

    async def read() -> Report:
        entries = await store.ledger.entries(since, latest, clock=SYSTEM_CLOCK)
        last = until or max([_today(), *(date.fromisoformat(entry.day) for entry in entries)])
        return Report.of(entries, since, last, store.scope)

    try:
        return asyncio.run(read())
    except (ConfigError, StoreUnavailable) as error:
        raise Problem(f"--store: the {store.scope} cannot be read: {error}") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise Problem(f"--store: the {store.scope} cannot be read, it is damaged: {error}") from error
    finally:
        store.close()


def _open(where: str | None, prefix: str) -> SQLiteStore | RedisStore:
    if where is not None and where.startswith(_REDIS):
        from hanzo_agents.stores import RedisStore

        return RedisStore(where, prefix=prefix, timeout=5.0)
    from hanzo_agents.stores import SQLiteStore
    from hanzo_agents.stores.state_dir import state_dir

    path = state_dir() / "state.db" if where is None else Path(where).expanduser()
    if not path.exists():
        raise Problem(NO_FILE.format(path=path))
    _check(path)
    return SQLiteStore(path)


def _check(path: Path) -> None:
    """See that a file is a ledger: opening another as one would write our tables into it.

    Raises:
        Problem: it is none.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            found = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_usage'").fetchone()
    except sqlite3.Error as error:
        raise Problem(f"--store: {path} cannot be read as a ledger: {error}") from error
    if found is None:
        raise Problem(f"--store: {path} is a database, and not a ledger of ours; it has no table ledger_usage")


def _write_page(report: Report, file: str) -> None:
    from hanzo_agents.cli.usage_page import page

    try:
        Path(file).write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise Problem(f"--html: cannot write {file}: {error.strerror or error}") from error
    click.echo(f"Written to {printable(file)}", err=True)


def _print(report: Report) -> None:
    from rich.console import Console

    from hanzo_agents.cli.usage_table import show

    if not report.total.calls:
        click.echo(printable(NOTHING_YET.format(since=report.since, until=report.until, scope=report.scope)))
        return
    show(report, Console())


def _today() -> date:
    return datetime.now(UTC).astimezone().date()
