"""What the ledger holds is what is shown: in the terminal, as JSON, and on the page."""

import asyncio
import json
import re
import sqlite3
from datetime import date, timedelta
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.cli import app
from hanzo_agents.cli.usage_page import page
from hanzo_agents.cli.usage_plots import HEIGHT, WIDTH, columns
from hanzo_agents.cli.usage_report import Line, Report, dollars
from hanzo_agents.cli.usage_table import chart, notes
from hanzo_agents.stores import SQLiteStore
from hanzo_agents.stores.ledger import Account, Entry, Facts

TODAY = date(2026, 3, 30)
HOSTILE = "</title><script>alert('x')</script>\x1b[31m\ud800&\"model"


def fill(store, *facts):
    """Settle an operation for each (dollars, facts)."""

    async def settle():
        for number, (amount, about) in enumerate(facts):
            await store.ledger.settle(f"op{number}", Decimal(amount), [], about, clock=SYSTEM_CLOCK)

    asyncio.run(settle())


SOME = [
    ("0.25", Facts("2026-03-28", "gpt-4o", "Triage", "r1", "reported", 1, 1000, 50)),
    ("0.50", Facts("2026-03-28", "gpt-4o", "Writer", "r1", "estimated", 2, 2000, 100)),
    ("0.05", Facts("2026-03-30", "gpt-4o-mini", "Triage", "r2", "reported", 1, 500, 5)),
    ("0", Facts("2026-03-30", "tiny", "", "r3", "unknown", 1, 7, 3)),
]


@pytest.fixture
def ledger(tmp_path):
    """A file with the usage of three days."""
    store = SQLiteStore(tmp_path / "ledger.db")
    fill(store, *SOME)
    store.close()
    return store.path


def usage(run, ledger, *arguments):
    given = ("--store", str(ledger), "--since", "2026-03-27", "--until", "2026-03-30")
    return run("usage", *given, *arguments)


def test_a_sum_that_is_estimated_as_a_whole_says_so():
    line = Line("total", cost=Decimal("0.5"), estimated=Decimal("0.5"))
    assert notes(line) == ["All of it is estimated."]


def test_the_terminal(run, ledger):
    result = usage(run, ledger)
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert lines[:4] == [
        f"2026-03-27 to 2026-03-30, file {ledger}",
        "$0.80 for 4 calls, 3,507 tokens in, 158 out",
        "$0.50 of it is estimated; the rest was reported.",
        "The cost of 1 call is unknown, and not in it.",
    ]
    text = "\n".join(lines)
    assert "$0.75 │  █\n" in text
    assert re.search(r"\ngpt-4o +2 +3,000 +150 +\$0\.75 +█{16}\n", text)
    assert re.search(r"\ntiny +1 +7 +3 +unknown\n", text)
    assert re.search(r"\nTriage +2 +1,500 +55 +\$0\.30 +█{10}", text)
    assert re.search(r"\n\(no agent\) +1 +7 +3 +unknown", text)
    assert re.search(r"\n2026-03-30 +2 +507 +8 +\$0\.05 \+ \?", text)
    assert "2026-03-29 " not in text, "a day without a call is a gap in the chart, and no row"


def test_json_is_exact(run, ledger):
    shown = json.loads(usage(run, ledger, "--json").stdout)
    assert (shown["since"], shown["until"], shown["ledger"]) == ("2026-03-27", "2026-03-30", f"file {ledger}")
    assert shown["total"] == {
        "name": "total",
        "calls": 4,
        "attempts": 5,
        "input_tokens": 3507,
        "output_tokens": 158,
        "cost": "0.800000000",
        "estimated": "0.500000000",
        "unpriced_calls": 1,
    }
    assert [line["name"] for line in shown["by_day"]] == ["2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30"]
    assert [Decimal(line["cost"]) for line in shown["by_day"]] == [0, Decimal("0.75"), 0, Decimal("0.05")]
    assert [line["name"] for line in shown["by_model"]] == ["gpt-4o", "gpt-4o-mini", "tiny"]
    assert [(line["name"], line["calls"]) for line in shown["by_agent"]] == [
        ("Writer", 1), ("Triage", 2), ("(no agent)", 1),
    ]  # fmt: skip


def test_the_days_that_are_asked_for(run, ledger):
    def cost(*days):
        return Decimal(json.loads(run("usage", "--store", str(ledger), "--json", *days).stdout)["total"]["cost"])

    assert cost("--since", "2026-03-29", "--until", "2026-03-30") == Decimal("0.05")
    assert cost("--since", "2026-03-28", "--until", "2026-03-28") == Decimal("0.75")
    assert cost("--since", "2026-03-01") == Decimal("0.80")


def test_of_many_years_only_days_with_calls_are_listed(run, ledger):
    shown = json.loads(
        run("usage", "--store", str(ledger), "--since", "0001-01-01", "--until", "9999-12-31", "--json").stdout
    )
    assert shown["since"] == "0001-01-01"
    assert 0 < len(shown["by_day"]) < 10
    assert all(day["calls"] for day in shown["by_day"])


def test_days_ago(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HANZO_STATE_DIR", str(tmp_path))
    store = SQLiteStore(tmp_path / "state.db")
    today = date.today()  # noqa: DTZ011 - the command goes by this machine's day
    days = [today - timedelta(days=ago) for ago in (-1, 0, 6, 7, 8, 31)]
    fill(store, *((1, Facts(day.isoformat(), "m")) for day in days))
    store.close()
    assert json.loads(run("usage", "--since", "7d", "--json").stdout)["total"]["calls"] == 4
    shown = json.loads(run("usage", "--json").stdout)
    assert shown["total"]["calls"] == 5, "a budget's zone may have tomorrow already"
    assert len(shown["by_day"]) == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "yesterday"], "'--since': expected a day as 2026-03-29, or 7d"),
        (["--until", "2026-13-01"], "'--until': expected a day"),
        (["--since", "99999999d"], "'--since': expected a day"),
        (["--since", "9999d", "--until", "0001-01-01"], "--until: expected a day not before --since"),
    ],
)
def test_days_that_are_none(run, ledger, arguments, message):
    result = run("usage", "--store", str(ledger), *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


class Checked(HTMLParser):
    """The elements of a page; whatever is not closed in order fails."""

    VOID = frozenset({"meta", "rect", "line"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID or (tag == "rect" and not self.get_starttag_text().endswith("/>")):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page(run, ledger, tmp_path):
    file = tmp_path / "usage.html"
    result = usage(run, ledger, "--html", str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"Written to {file}\n")
    html = Checked(file.read_text(encoding="utf-8"))
    said = [text for text in html.text if text.strip()]
    assert {"$0.80", "gpt-4o-mini", "(no agent)", "$0.05 + ?", "unknown"} <= set(said)
    assert "2026-03-28, gpt-4o: $0.75" in said, "each part of a column says what it is"
    assert html.tags.count("svg") == 1 + 3 + 3 + 2


def test_the_page_asks_for_nothing_and_runs_nothing(ledger, run, tmp_path):
    file = tmp_path / "usage.html"
    usage(run, ledger, "--html", str(file))
    text = file.read_text(encoding="utf-8")
    html = Checked(text)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(html.tags)
    assert not [
        name for name, _ in html.attributes if name in {"src", "href", "style", "srcset"} or name[:2] == "on"
    ]
    assert not re.search(r"https?:|//|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def entry(day, model, cost, *, agent="", basis="reported", calls=1):
    return Entry(day, model, agent, "", basis, calls, calls, 10, 5, Decimal(cost))


def test_names_are_text_wherever_they_stand():
    entries = [entry("2026-03-30", HOSTILE, 1, agent=HOSTILE)]
    text = page(Report.of(entries, TODAY, TODAY, HOSTILE))
    assert text.encode()
    html = Checked(text)
    assert "script" not in html.tags
    assert (
        sum("<script>alert('x')</script>" in said for said in html.text) == 5
    )  # scope, legend, column, two tables
    assert "\x1b" not in text


def test_names_cannot_drive_the_terminal(run, tmp_path):
    store = SQLiteStore(tmp_path / "ledger.db")
    fill(store, (1, Facts("2026-03-30", "a\x1b[2Jmodel\r\x9b", "[bold]agent[/bold]")))
    store.close()
    shown = usage(run, store.path).stdout
    assert "a[2Jmodel" in shown
    assert "[bold]agent[/bold]" in shown
    assert not set(shown) & {"\x1b", "\r", "\x9b"}


MONEY = st.decimals(min_value=0, max_value=9_000_000, places=9)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12), MONEY), max_size=60))
def test_every_part_of_the_plot_is_in_the_picture_and_as_high_as_its_cost(spent):
    entries = [entry((TODAY - timedelta(days=ago)).isoformat(), f"m{model}", cost) for ago, model, cost in spent]
    report = Report.of(entries, TODAY - timedelta(days=40), TODAY, "here")
    assert report.total.cost == sum((cost for _, _, cost in spent), Decimal(0)) == sum(report.spend.values())
    svg = columns(report)
    parts = re.findall(r'<rect class="\w+" x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"', svg)
    for x, y, width, height in (map(float, part) for part in parts):
        assert x > 0
        assert x + width <= WIDTH
        assert y >= 0
        assert y + height <= HEIGHT - 27
    assert len(re.findall('class="grid"', svg)) <= 7
    Checked(page(report))


@given(st.lists(MONEY, min_size=1, max_size=120), st.integers(20, 200))
def test_the_chart_fits_its_terminal(costs, width):
    days = [Line((TODAY - timedelta(days=ago)).isoformat(), cost=cost) for ago, cost in enumerate(costs)]
    lines = chart(days, width)
    assert len(lines) == (8 if any(costs) else 0)
    assert all(len(line) <= max(width, 48) for line in lines)


def test_a_chart_shows_the_least_and_the_most():
    days = [Line("2026-03-28", cost=Decimal(100)), Line("2026-03-29"), Line("2026-03-30", cost=Decimal("0.01"))]
    assert chart(days, 80) == [
        "$100.00 │█",
        "        │█",
        "        │█",
        "        │█",
        "        │█",
        "        │█   ▁",
        "     $0 └──────",
        "         2026-03-28 to 2026-03-30",
    ]


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("1234.5", "$1,234.50"), ("0.1", "$0.10"), ("0.0123", "$0.0123"), ("0.05", "$0.05"),
     ("0.000001", "$0.000001"), ("0.0000001", "<$0.000001"), ("0.09999999", "$0.10")],
)  # fmt: skip
def test_dollars(amount, shown):
    assert dollars(Decimal(amount)) == shown


def test_nothing_in_these_days(run, ledger, tmp_path):
    file = tmp_path / "usage.html"
    days = ("--store", str(ledger), "--since", "2025-01-01", "--until", "2025-01-02")
    result = run("usage", *days)
    assert result.exit_code == 0
    assert "No usage is on record from 2025-01-01 to 2025-01-02" in result.stdout
    assert "policies=[Budget(" in result.stdout
    assert json.loads(run("usage", *days, "--json").stdout)["total"]["calls"] == 0
    run("usage", *days, "--html", str(file))
    assert "Nothing was spent in these days." in file.read_text()


def test_only_calls_of_unknown_cost(run, tmp_path):
    store = SQLiteStore(tmp_path / "ledger.db")
    fill(store, ("0", Facts("2026-03-30", "tiny", basis="unknown")))
    store.close()
    file = tmp_path / "usage.html"
    assert "The cost of 1 call is unknown" in usage(run, store.path).stdout
    usage(run, store.path, "--html", str(file))
    assert "No cost in these days is known." in file.read_text()


def test_no_ledger_yet(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HANZO_STATE_DIR", str(tmp_path / "state"))
    result = run("usage")
    assert result.exit_code == 1
    assert f"there is no ledger at {tmp_path}/state/state.db" in result.stderr
    assert "--store PATH" in result.stderr
    assert not (tmp_path / "state").exists(), "looking makes nothing"


def test_what_is_no_ledger_is_left_as_it_is(run, tmp_path):
    other, text = tmp_path / "other.db", tmp_path / "notes.txt"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    text.write_text("notes" * 1000)
    before = other.read_bytes(), text.read_bytes()
    result = run("usage", "--store", str(other))
    assert (result.exit_code, "not a ledger of ours" in result.stderr) == (1, True)
    result = run("usage", "--store", str(text))
    assert (result.exit_code, "cannot be read as a ledger: file is not a database" in result.stderr) == (1, True)
    result = run("usage", "--store", str(tmp_path))
    assert (result.exit_code, "cannot be read as a ledger" in result.stderr) == (1, True)
    assert before == (other.read_bytes(), text.read_bytes())


def test_names_cannot_turn_the_line_around(run, tmp_path):
    store = SQLiteStore(tmp_path / "ledger.db")
    fill(store, ("1", Facts("2026-03-28", "safe\u202e\u2066gpj.exe", "", "r", "reported")))
    store.close()
    assert "safegpj.exe" in usage(run, store.path).stdout


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE ledger_usage SET model = CAST(X'ba00' AS TEXT)",
        "UPDATE ledger_usage SET day = '2026-03-2x'",
        "UPDATE ledger_usage SET cost = 'much'",
        "ALTER TABLE ledger_usage DROP COLUMN cost",
    ],
)
def test_a_damaged_ledger_is_named(run, ledger, damage):
    with sqlite3.connect(ledger) as connection:
        connection.execute(damage)
    connection.close()
    result = run("usage", "--store", str(ledger), "--since", "2026-03-27")
    assert (result.exit_code, f"{ledger} cannot be read" in result.stderr) == (1, True)


def test_a_ledger_of_another_version_is_no_damaged_one(run, ledger):
    with sqlite3.connect(ledger) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    result = run("usage", "--store", str(ledger))
    assert (result.exit_code, "has schema 99" in result.stderr, "damaged" in result.stderr) == (1, True, False)


def test_a_page_that_cannot_be_written(run, ledger, tmp_path):
    result = usage(run, ledger, "--html", str(tmp_path / "no" / "usage.html"))
    assert result.exit_code == 1
    assert "--html: cannot write" in result.stderr


def test_the_place_may_come_from_the_environment_as_it_may_hold_a_password(ledger, monkeypatch):
    monkeypatch.setenv("HANZO_LEDGER", str(ledger))
    shown = CliRunner().invoke(app, ["usage", "--since", "2026-03-27", "--json"])
    assert json.loads(shown.stdout)["total"]["calls"] == 4


def test_a_redis_that_is_away_says_where_without_its_password(run, free_tcp_port):
    result = run("usage", "--store", f"redis://:sk-canary-0123456789@127.0.0.1:{free_tcp_port}/0")
    assert result.exit_code == 1
    assert f"the redis 127.0.0.1:{free_tcp_port}/0 hanzo cannot be read" in result.stderr


def test_reading_leaves_reservations_as_they_are(run, tmp_path):
    store = SQLiteStore(tmp_path / "ledger.db")
    facts = Facts("2026-03-30", "m")
    held = [Account("a", Decimal(5))]

    async def reserve():
        await store.ledger.reserve("op", Decimal(1), held, facts, lease=3600, clock=SYSTEM_CLOCK)

    asyncio.run(reserve())
    assert usage(run, store.path).stdout.startswith("No usage is on record"), "under way is not spent"
    balance = asyncio.run(_balance(store))
    assert (balance.spent, balance.reserved) == (0, 1)
    store.close()


async def _balance(store):
    (balance,) = await store.ledger.balances(["a"], clock=SYSTEM_CLOCK)
    return balance
