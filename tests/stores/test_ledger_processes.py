"""Many processes and one account: never over, never forgotten."""

import asyncio
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import ledger_processes as spenders
import pytest

from hanzo_agents._kernel.clock import SYSTEM_CLOCK

SCRIPT = Path(spenders.__file__)
PATIENCE = 60.0


@pytest.fixture(params=["sqlite", "redis"])
def where(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return request.getfixturevalue("redis_url")


def script(*args):
    return subprocess.Popen([sys.executable, SCRIPT, *args], stderr=subprocess.PIPE, text=True)


def finished(process):
    """Wait for the end, and return what it complained about."""
    _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, complaint
    return complaint


async def test_eight_processes_never_pass_the_limit_and_leave_less_than_one_reservation(where):
    store = spenders.opened(where)
    policy = spenders.budget(store)
    page = policy._enforcer.windows.at(SYSTEM_CLOCK.wall())
    name = next(account.name for account in page.accounts if account.limit is not None)

    async def held():
        (balance,) = await store.ledger.balances([name], clock=SYSTEM_CLOCK)
        assert balance.spent + balance.reserved <= spenders.LIMIT
        return balance

    processes = script("spend", where)
    while processes.poll() is None:
        await held()
        await asyncio.sleep(0.01)
    assert finished(processes) == ""
    assert (await held()).reserved == 0

    # Some were refused because of what others held just then, and gave up. Somebody who goes on asking gets the rest.
    chance = random.Random(0)
    rest = 0
    while await spenders.run_once(policy, chance):
        rest += 1
    assert rest < 2 * spenders.PROCESSES
    balance = await held()
    while balance.reserved:
        balance = await held()
    assert spenders.LIMIT - balance.spent < spenders.MOST
    store.close()


async def test_two_hundred_kills_forget_no_spend(where, tmp_path):
    sent = tmp_path / "sent"
    assert finished(script("kill", where, str(sent))) == ""
    sends = sent.stat().st_size
    assert sends > spenders.KILLS / 4

    store = spenders.opened(where)
    until = time.monotonic() + PATIENCE
    while True:
        (balance,) = await store.ledger.balances(["victims"], clock=SYSTEM_CLOCK)
        if not balance.reserved or time.monotonic() > until:
            break
        await asyncio.sleep(0.05)
    assert balance.reserved == 0  # what the dead had reserved became spent when their leases ended
    assert balance.spent >= sends * spenders.COST
    # Each kill leaves at most one reservation that was never sent, or one send that was never settled.
    assert balance.spent <= sends * spenders.COST + spenders.KILLS * spenders.RESERVED
    store.close()
    if not where.startswith("redis"):
        with sqlite3.connect(where) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
