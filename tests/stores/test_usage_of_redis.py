"""`hanzo-agents usage` reads a ledger in Redis."""

import asyncio
import json
from decimal import Decimal

from click.testing import CliRunner

from hanzo_agents._kernel.clock import SYSTEM_CLOCK
from hanzo_agents.cli import app
from hanzo_agents.stores import RedisStore
from hanzo_agents.stores.ledger import Facts


def usage(url, *arguments):
    days = ("--since", "2026-03-27", "--until", "2026-03-30")
    result = CliRunner().invoke(app, ["usage", "--store", url, *days, *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_ledger_in_redis(redis_url):
    store = RedisStore(redis_url, prefix="shop", timeout=5)

    async def settle():
        for number, cost in enumerate(("0.25", "0.50")):
            about = Facts("2026-03-28", "gpt-4o", "Triage", "r", "reported", 1, 1000, 50)
            await store.ledger.settle(f"op{number}", Decimal(cost), [], about, clock=SYSTEM_CLOCK)

    asyncio.run(settle())
    store.close()
    shown = json.loads(usage(redis_url, "--prefix", "shop", "--json"))
    assert Decimal(shown["total"]["cost"]) == Decimal("0.75")
    assert shown["total"]["input_tokens"] == 2000
    assert shown["ledger"].startswith("redis 127.0.0.1:")
    assert usage(redis_url).startswith("No usage is on record")
