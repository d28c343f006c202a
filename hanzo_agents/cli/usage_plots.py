"""Plots of the usage report as SVG, to stand inside a page that gives them their colours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from html import escape
from typing import TYPE_CHECKING

from hanzo_agents.cli.problem import printable
from hanzo_agents.cli.usage_report import dollars

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hanzo_agents.cli.usage_report import Line, Report

__all__ = ["HUES", "columns", "legend", "said", "share"]

HUES = 6
"""Models that have a colour of their own, the most expensive; the others share one."""

WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 12, 28
TICKS = 4
"""Lines of the grid, about."""
LABELS = 10
"""Days that are named below the columns, at most."""
OTHERS = "other models"
GAP_FROM = 3
THINNEST = Decimal("0.5")


def said(text: str) -> str:
    """A name as HTML: without control characters or halves of characters, everything escaped."""
    return escape(printable(text).encode("utf-8", "replace").decode("utf-8"))


def legend(models: Sequence[Line]) -> list[tuple[str, str]]:
    """The class of its colour and the name, of each model that has cost something."""
    spent = [line for line in models if line.cost]
    named = [(f"h{number}", line.name) for number, line in enumerate(spent[:HUES])]
    return [*named, ("rest", OTHERS)] if len(spent) > HUES else named


def columns(report: Report) -> str:
    """A column for each day, in the colours of its models."""
    top, step = _scale(max((line.cost for line in report.days), default=Decimal(0)))
    each = Decimal(WIDTH - LEFT - RIGHT) / max(len(report.days), 1)
    width = min(each * Decimal("0.72"), Decimal(44))
    parts = [*_grid(top, step)]
    hues = {name: hue for hue, name in legend(report.models) if hue != "rest"}
    shown = -(-len(report.days) // LABELS)
    for number, day in enumerate(report.days):
        middle = LEFT + each * number + each / 2
        parts.extend(_Column(day.name, middle - width / 2, width, top).parts(report, hues))
        if number % shown == 0:
            name = day.name[5:]
            parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{said(name)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="US dollars a day, by model">'
        f"{''.join(parts)}</svg>"
    )


def share(cost: Decimal, top: Decimal) -> str:
    """A bar for one line of a table, as long as its share of the largest."""
    percent = cost / top * 100 if top else Decimal(0)
    return f'<svg class="share" aria-hidden="true"><rect width="{percent:.1f}%" height="100%" rx="3"/></svg>'


@dataclass(frozen=True)
class _Column:
    """Where one day stands.

    Attributes:
        left, width: in units of the picture.
        top: US dollars at the upper end of the picture.
    """

    day: str
    left: Decimal
    width: Decimal
    top: Decimal

    def parts(self, report: Report, hues: dict[str, str]) -> Iterator[str]:
        """The day's models, one upon the other, the most expensive of all days at the bottom."""
        base, rest = Decimal(0), Decimal(0)
        for line in report.models:
            cost = report.spend.get((self.day, line.name))
            if cost and line.name in hues:
                yield self._part(line.name, hues[line.name], base, cost)
                base += cost
            elif cost:
                rest += cost
        if rest:
            yield self._part(OTHERS, "rest", base, rest)

    def _part(self, name: str, hue: str, base: Decimal, cost: Decimal) -> str:
        upper, lower = _height(base + cost, self.top), _height(base, self.top)
        # A gap tells it from the one below; a thin one would vanish behind it.
        height = max(lower - upper - (1 if lower - upper > GAP_FROM else 0), THINNEST)
        title = f"{said(self.day)}, {said(name)}: {said(dollars(cost))}"
        return (
            f'<rect class="{hue}" x="{self.left:.1f}" y="{upper:.1f}" width="{self.width:.1f}" '
            f'height="{height:.1f}" rx="2"><title>{title}</title></rect>'
        )


def _grid(top: Decimal, step: Decimal) -> list[str]:
    parts: list[str] = []
    tick = Decimal(0)
    while tick <= top:
        y = _height(tick, top)
        label = said(f"${tick:,f}")
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
        tick += step
    return parts


def _height(amount: Decimal, top: Decimal) -> Decimal:
    """Where an amount lies on the page, from above."""
    return HEIGHT - BOTTOM - amount / top * (HEIGHT - TOP - BOTTOM)


def _scale(most: Decimal) -> tuple[Decimal, Decimal]:
    """The end of the axis and its steps: round numbers, the end no lower than `most`."""
    if not most:
        return Decimal(1), Decimal("0.25")
    rough = most / TICKS
    power = Decimal(1).scaleb(rough.adjusted())
    step = next(power * times for times in map(Decimal, ("1", "2", "2.5", "5", "10")) if power * times >= rough)
    return step * (most / step).to_integral_value(ROUND_CEILING), step.normalize()
