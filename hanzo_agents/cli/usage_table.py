"""The usage report in a terminal: a chart of the days, and tables."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hanzo_agents.cli.problem import printable
from hanzo_agents.cli.usage_report import dollars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from hanzo_agents.cli.usage_report import Line, Report

__all__ = ["chart", "show"]

HEIGHT = 6
"""Lines of the chart."""

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BAR = 16


def show(report: Report, console: Console) -> None:
    """Print the report."""
    total = report.total
    console.print(
        Text(f"{report.since} to {report.until}, {printable(report.scope)}", style="dim"), soft_wrap=True
    )
    console.print(
        Text.assemble(
            (dollars(total.cost), "bold"),
            f" for {_number(total.calls, 'call')}, {total.input_tokens:,} tokens in, {total.output_tokens:,} out",
        ),
        soft_wrap=True,
    )
    for note in notes(total):
        console.print(Text(note), soft_wrap=True)
    console.print()
    for line in chart(report.days, console.width):
        console.print(Text(line), no_wrap=True)
    spent = [line for line in report.days if line.calls]
    for title, lines in (("Day", spent), ("Model", report.models), ("Agent", report.agents)):
        console.print()
        console.print(_table(title, lines))


def notes(total: Line) -> list[str]:
    """What to know of the sum."""
    found: list[str] = []
    if total.estimated and total.estimated == total.cost:
        found.append("All of it is estimated.")
    elif total.estimated:
        found.append(f"{dollars(total.estimated)} of it is estimated; the rest was reported.")
    if total.unpriced:
        found.append(f"The cost of {_number(total.unpriced, 'call')} is unknown, and not in it.")
    return found


def chart(days: Sequence[Line], width: int) -> list[str]:
    """Columns of block characters, one a day, or one for several days where there are more than fit."""
    top_label = dollars(max((line.cost for line in days), default=Decimal(0)))
    room = max(width - len(top_label) - 3, 10)
    each = -(-len(days) // room)
    costs = [
        sum((line.cost for line in days[start : start + each]), Decimal(0)) for start in range(0, len(days), each)
    ]
    top = max(costs, default=Decimal(0))
    if not top:
        return []
    top_label = dollars(top)
    margin = len(top_label)
    # Two columns a day where there is room: days are then told apart.
    wide = 2 if len(costs) * 2 <= room else 1
    levels = [_level(cost, top) for cost in costs]
    lines: list[str] = []
    for row in range(HEIGHT - 1, -1, -1):
        cells = "".join(_EIGHTHS[min(max(level - row * 8, 0), 8)].ljust(wide) for level in levels)
        label = top_label if row == HEIGHT - 1 else ""
        lines.append(f"{label:>{margin}} │{cells.rstrip()}")
    lines.append(f"{'$0':>{margin}} └{'─' * len(costs) * wide}")
    first, last = days[0].name, days[-1].name
    gap = len(costs) * wide - len(first) - len(last)
    lines.append(" " * (margin + 2) + (f"{first}{' ' * gap}{last}" if gap > 0 else f"{first} to {last}"))
    return lines


def _level(cost: Decimal, top: Decimal) -> int:
    """Eighths of a line; whatever was spent is seen."""
    return max(round(cost / top * HEIGHT * 8), 1) if cost else 0


def _table(title: str, lines: Sequence[Line]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title, overflow="fold")
    for column in ("Calls", "Tokens in", "Tokens out", "Cost"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    top = max((line.cost for line in lines), default=Decimal(0))
    for line in lines:
        table.add_row(
            Text(printable(line.name)),
            f"{line.calls:,}",
            f"{line.input_tokens:,}",
            f"{line.output_tokens:,}",
            cost_of(line),
            Text("█" * round(line.cost / top * _BAR) if top else "", style="cyan"),
        )
    return table


def cost_of(line: Line) -> str:
    """The cost of a line, or that it is unknown: what is unknown is not shown as zero."""
    if line.unpriced and not line.cost:
        return "unknown"
    return dollars(line.cost) + (" + ?" if line.unpriced else "")


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
