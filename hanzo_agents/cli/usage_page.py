"""The usage report as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents.cli.usage_plots import columns, legend, said, share
from hanzo_agents.cli.usage_report import dollars
from hanzo_agents.cli.usage_table import cost_of, notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents.cli.usage_report import Line, Report

__all__ = ["page"]

STYLE = """\
:root { color-scheme: light dark; --page: #f6f6f4; --card: #fff; --ink: #1c1c1a; --soft: #6b6a66; --line: #e4e3df;
  --h0: #2a78d6; --h1: #1a9e74; --h2: #e09a00; --h3: #4a3aa7; --h4: #e34948; --h5: #d55fa0; --rest: #a3a19b; }
@media (prefers-color-scheme: dark) { :root { --page: #121211; --card: #1c1c1a; --ink: #f0efec; --soft: #a3a19b;
  --line: #33322f; --h0: #4a94ee; --h1: #25b387; --h2: #d99a18; --h3: #9085e9; --h4: #ef6f6e; --h5: #e283b6;
  --rest: #76746f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 20px 48px; max-width: 1000px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { margin: 0; font-size: 22px; } h2 { margin: 0 0 12px; font-size: 15px; }
p { margin: 4px 0; color: var(--soft); }
section { margin-top: 20px; padding: 18px 20px; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 20px; margin: 0; }
dt { color: var(--soft); font-size: 13px; } dd { margin: 0; font-size: 26px; font-weight: 600; }
svg { display: block; width: 100%; } svg text { fill: var(--soft); font-size: 12px; }
.grid { stroke: var(--line); } .share { height: 10px; min-width: 60px; } .share rect { fill: var(--h0); }
rect.h0, .key.h0 { fill: var(--h0); background: var(--h0); } rect.h1, .key.h1 { fill: var(--h1); background: var(--h1); }
rect.h2, .key.h2 { fill: var(--h2); background: var(--h2); } rect.h3, .key.h3 { fill: var(--h3); background: var(--h3); }
rect.h4, .key.h4 { fill: var(--h4); background: var(--h4); } rect.h5, .key.h5 { fill: var(--h5); background: var(--h5); }
rect.rest, .key.rest { fill: var(--rest); background: var(--rest); }
ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none; font-size: 13px; }
li { overflow-wrap: anywhere; }
.key { display: inline-block; width: 10px; height: 10px; margin-right: 6px; border-radius: 3px; }
.wide { overflow-x: auto; } .wide > svg { min-width: 600px; } table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-size: 13px; font-weight: 500; } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { min-width: 11em; text-align: left; white-space: normal; overflow-wrap: anywhere; }
td:last-child, th:last-child { width: 26%; padding-right: 0; }
@media print { body { padding: 0; } section { break-inside: avoid; } }
"""  # noqa: E501 - a rule a line


def page(report: Report) -> str:
    """The whole page."""
    title = f"Usage from {report.since} to {report.until}"
    spent = [line for line in report.days if line.calls]
    tables = "".join(
        _section(f"By {title.lower()}", _table(title, lines))
        for title, lines in (("Model", report.models), ("Agent", report.agents), ("Day", spent))
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{said(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{said(title)}</h1>\n<p>{said(report.scope)}</p>\n"
        f"{_totals(report.total)}{_plot(report)}{tables}</body>\n</html>\n"
    )


def _totals(total: Line) -> str:
    figures = (
        ("Spent", dollars(total.cost)),
        ("Calls", f"{total.calls:,}"),
        ("Tokens in", f"{total.input_tokens:,}"),
        ("Tokens out", f"{total.output_tokens:,}"),
    )
    shown = "".join(f"<div><dt>{said(name)}</dt><dd>{said(value)}</dd></div>" for name, value in figures)
    remarks = "".join(f"<p>{said(note)}</p>" for note in notes(total))
    return f"<section><dl>{shown}</dl>{remarks}</section>\n"


def _plot(report: Report) -> str:
    if not report.total.cost:
        why = (
            "Nothing was spent in these days." if not report.total.unpriced else "No cost in these days is known."
        )
        return _section("US dollars a day", f"<p>{why}</p>")
    keys = "".join(f'<li><span class="key {hue}"></span>{said(name)}</li>' for hue, name in legend(report.models))
    return _section("US dollars a day", f'<div class="wide">{columns(report)}</div><ul>{keys}</ul>')


def _table(title: str, lines: Sequence[Line]) -> str:
    if not lines:
        return "<p>No calls.</p>"
    top = max((line.cost for line in lines), default=Decimal(0))
    heads = "".join(f"<th>{head}</th>" for head in (title, "Calls", "Tokens in", "Tokens out", "Cost", ""))
    rows = "".join(
        f"<tr><td>{said(line.name)}</td><td>{line.calls:,}</td><td>{line.input_tokens:,}</td>"
        f"<td>{line.output_tokens:,}</td><td>{said(cost_of(line))}</td><td>{share(line.cost, top)}</td></tr>"
        for line in lines
    )
    return f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{said(title)}</h2>{content}</section>\n"
