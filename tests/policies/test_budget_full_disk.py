"""A ledger whose disk is full refuses to pay, and forgets nothing."""

import pytest
from calls import make_call
from payments import DAY, Upstream, asks, budget, usd

from hanzo_agents import SQLiteStore, Unaccountable
from hanzo_agents.testing.clock import FakeClock


async def test_a_disk_that_is_full_pays_nothing_and_what_was_paid_is_booked_when_it_has_room(tmp_path, caplog):
    with FakeClock():
        store = SQLiteStore(tmp_path / "ledger.db")
        policy, upstream = budget(daily=10_000, store=store), Upstream(cost="0.01")

        async def room(pages):
            await store.submit(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchone(), what="room")

        await policy(asks(), upstream)
        await room(1)  # SQLite takes this for the pages that it has

        async def until_it_is_full():
            for _ in range(1000):
                await policy(asks(), upstream)

        with pytest.raises(Unaccountable) as refused:
            await until_it_is_full()
        assert refused.value.code == "store_unavailable"
        await policy(asks(target="free"), Upstream(cost="0"))
        await room(10_000)
        await policy(asks(), upstream)
        (balance,) = await store.ledger.balances([DAY], clock=make_call().clock)
        store.close()
    assert (balance.spent, balance.reserved) == (usd("0.01") * len(upstream.calls), 0)
    assert [record.message for record in caplog.records if "ledger" in record.message] == [
        "the budget's ledger is away: reserve: database or disk is full",
        "the budget's ledger is back",
    ]
