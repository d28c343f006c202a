"""From tables to `results.json` (every round's value) and `RESULTS.md` (what a reader wants)."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cached import OUR_DISK, OUR_MEMORY
from benchmarks.fallback import OUR_FALLBACK
from benchmarks.subjects import OURS, WHOLE

if TYPE_CHECKING:
    from benchmarks.cases import Table

HERE = Path(__file__).parent
PACKAGES = ("hanzo-agents-provider", "openai-agents", "openai", "httpx2", "pydantic", "litellm", "httpx")


@dataclass(frozen=True)
class Aim:
    """A promise about one figure of ours: at most `limit`, as a ratio to the base or as a value."""

    text: str
    table: str
    subject: str
    limit: float
    ratio: bool = True


AIMS = (
    Aim("CPU per call at 2 messages, x bare", "chat_cpu_2", OURS, 0.6),
    Aim("CPU per call at 40 messages, x bare", "chat_cpu_40", OURS, 0.2),
    Aim("CPU per stream chunk, x bare", "chat_cpu_chunk", OURS, 0.5),
    Aim("CPU per call at 2 messages, the whole stack, x bare", "chat_cpu_2", WHOLE, 0.6),
    Aim("CPU per call at 40 messages, the whole stack, x bare", "chat_cpu_40", WHOLE, 0.2),
    Aim("a hit of the cache in memory, ms", "cache_hit", OUR_MEMORY, 0.15, ratio=False),
    Aim("a hit of the cache on disk, ms", "cache_hit", OUR_DISK, 0.4, ratio=False),
    Aim("added by a fallback, all defaults, ms", "fallback_defaults", OUR_FALLBACK, 5, ratio=False),
    Aim("`import hanzo_agents`, x `import agents`", "import", "hanzo_agents", 1.05),
)


def _installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def as_json(tables: list[Table], *, rounds: int, load: list[float], absent: dict[str, str]) -> dict[str, Any]:
    """Everything that was measured, and in what circumstances."""
    return {
        "command": f"benchmarks/run --rounds {rounds}",
        "rounds": rounds,
        "python": platform.python_version(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_before_and_after": [round(value, 2) for value in load],
        "packages": _installed(),
        "absent": absent,
        "tables": {table.key: _table_json(table) for table in tables},
    }


def _table_json(table: Table) -> dict[str, Any]:
    base = table.series.get(table.base)
    subjects = {}
    for name, series in table.series.items():
        values = [round(value * table.scale, 4) for value in series.values]
        ratio = [round(part, 4) for part in series.ratio(base)] if base else None
        subjects[name] = {"median": round(series.median * table.scale, 4), "ratio": ratio, "rounds": values}
    return {"title": table.title, "unit": table.unit, "base": table.base, "subjects": subjects}


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table_lines(table: dict[str, Any]) -> list[str]:
    """One table in Markdown; it reads well on a terminal too."""
    width = max(len(name) for name in (table["title"], *table["subjects"]))
    lines = [
        f"| {table['title']:<{width}} | {table['unit']:>7} | x base | range       |",
        f"|:{'-' * width}-|{'-' * 8}:|{'-' * 7}:|:{'-' * 12}|",
    ]
    for name, figures in table["subjects"].items():
        middle, low, high = figures["ratio"] or (0, 0, 0)
        spread = f"{low:.2f} - {high:.2f}"
        lines.append(f"| {name:<{width}} | {_number(figures['median']):>7} | {middle:6.2f} | {spread:<11} |")
    return lines


def aim_lines(results: dict[str, Any]) -> list[str]:
    """Each promise beside what was measured in this run."""
    lines = ["| aim | at most | measured | |", "|:---|---:|---:|:---|"]
    for aim in AIMS:
        figures = results["tables"][aim.table]["subjects"].get(aim.subject)
        if figures is None:
            lines.append(f"| {aim.text} | {aim.limit} | - | absent |")
            continue
        value = figures["ratio"][0] if aim.ratio else figures["median"]
        verdict = "met" if value <= aim.limit else "**missed**"
        lines.append(f"| {aim.text} | {aim.limit} | {value:.3g} | {verdict} |")
    return lines


def markdown(results: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {found}" for name, found in results["packages"].items())
    before, after = results["load_before_and_after"]
    circumstances = (
        f"Python {results['python']} on {results['system']}, {results['cores']} cores; {packages}. "
        f"{results['rounds']} rounds; the load average was {before} before and {after} after."
    )
    legend = (
        "Medians. `x base` is the median of the per-round ratios to the table's base subject (the row that "
        "says 1.00), `range` the lowest and highest of them. Only the ratios carry over to another machine."
    )
    parts = [
        "# Speed, side by side",
        "Written by the run itself; do not edit. Hand-written remarks are in [NOTES.md](NOTES.md).",
        "```\n" + results["command"] + "\n```",
        circumstances,
        legend,
        "## Aims\n\n" + "\n".join(aim_lines(results)),
        "## Figures",
        *("\n".join(table_lines(table)) for table in results["tables"].values()),
    ]
    if results["absent"]:
        reasons = "\n".join(f"- {name}: {reason}" for name, reason in results["absent"].items())
        parts.append("## Absent from this run\n\n" + reasons)
    parts.append((HERE / "NOTES.md").read_text().replace("# Notes", "## Notes", 1).strip())
    return "\n\n".join(parts) + "\n"


def write(results: dict[str, Any], directory: Path) -> None:
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (directory / "RESULTS.md").write_text(markdown(results))
