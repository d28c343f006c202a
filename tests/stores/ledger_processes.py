"""Processes that spend from one store, run by `test_ledger_processes.py`.

    python ledger_processes.py spend STORE
    python ledger_processes.py kill STORE FILE

Everything is imported once; the processes are forked from that, and open the store themselves.
"""

import asyncio
import gc
import os
import random
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path

import redis.backoff
import redis.retry  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1]))

from calls import PlainView, make_call

import hanzo_agents.stores.ledger.redis
import hanzo_agents.stores.ledger.sqlite  # noqa: F401
from hanzo_agents import Attempt, Budget, BudgetExceeded, Cost, Price, RedisStore, SQLiteStore
from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents._kernel.reply import Reply, Settled, Settlement
from hanzo_agents.stores.ledger import Account, Facts

PROCESSES, RUNS = 8, 125
LIMIT, MOST = Decimal(12), Decimal("0.05")
COST, RESERVED = Decimal("0.001"), Decimal("0.002")
KILLS = 200
LEASE = 1.0


def opened(where):
    return RedisStore(where, timeout=20) if where.startswith("redis") else SQLiteStore(where, timeout=60)


def budget(store):
    return Budget(daily=LIMIT, store=store, prices={"m": Price(input=0, output=100)}, timezone="Etc/GMT+12")


async def run_once(policy, chance):
    """One call; False when it was refused."""

    async def send(call):
        attempt = Attempt(1, "m", call.clock.now(), model="m")
        call.begin(attempt)
        await asyncio.sleep(0)
        attempt.cost = Cost(MOST * chance.randrange(101) / 100, "reported")
        return Reply("x", attempt, end=Settlement(Settled(cost=attempt.cost)))

    try:
        await policy(make_call(view=PlainView(text="", max_output=500)), send)
    except BudgetExceeded:
        return False
    return True


def spender(where, seed):
    """A process that makes its runs, and leaves properly."""
    store, chance = opened(where), random.Random(seed)

    async def runs():
        policy = budget(store)
        return [await run_once(policy, chance) for _ in range(RUNS)]

    passed = sum(asyncio.run(runs()))
    store.close()
    return passed


def in_a_process(work, *args):
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        work(*args)
        code = 0
    finally:
        os._exit(code)


def spend(where):
    children = [in_a_process(spender, where, seed) for seed in range(PROCESSES)]
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)


def victim(where, sent, ready):
    """A process that reserves, sends and settles until it is killed. Sending is a byte in a file."""
    store = opened(where)
    account = Account("victims", Decimal(1000))
    facts = Facts("2026-03-29", "m", attempts=1)
    out = os.open(sent, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def go():
        await store.ledger.balances([account.name], clock=SYSTEM_CLOCK)
        os.write(ready, b"!")
        for number in range(100_000):
            op = f"{os.getpid()}-{time.monotonic_ns()}-{number}"
            refused = await store.ledger.reserve(op, RESERVED, [account], facts, lease=LEASE, clock=SYSTEM_CLOCK)
            assert refused is None
            os.write(out, b".")
            store.ledger.settle(op, COST, [account], facts, clock=SYSTEM_CLOCK)

    asyncio.run(go())


def kill(where, sent):
    chance = random.Random(7)
    for number in range(KILLS):
        here, ready = os.pipe()
        child = in_a_process(victim, where, sent, ready)
        os.close(ready)
        if number % 4:  # every fourth dies while it opens the store
            os.read(here, 1)
        time.sleep(chance.uniform(0, 0.008))
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        os.close(here)


if __name__ == "__main__":
    gc.collect()
    gc.freeze()  # children leave what they share alone
    {"spend": spend, "kill": kill}[sys.argv[1]](*sys.argv[2:])
