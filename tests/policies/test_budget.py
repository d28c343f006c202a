"""A budget pays for what can be paid, and books the truth."""

import asyncio
import gc
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import openai
import pytest
from calls import Inner, PlainView, http_error, lost_connection, make_call
from payments import DAY, PRICES, Upstream, asks, budget, usd

from hanzo_agents import (
    AllProvidersFailed,
    ConfigError,
    Cost,
    Fallback,
    InvalidResponse,
    Price,
    Refused,
    Retry,
    Stack,
    Target,
    Usage,
)
from hanzo_agents._kernel.reply import Settled
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents.errors import BudgetExceeded, Unaccountable
from hanzo_agents.policies.budget import Budget, local_accounts, run_budget
from hanzo_agents.policies.budget.quote import tokens_in
from hanzo_agents.policies.budget.reservation import Reservation
from hanzo_agents.stores import MemoryStore
from hanzo_agents.stores.state_dir import state_dir
from hanzo_agents.testing.clock import FakeClock


async def held(budget, *, day=DAY):
    """Spent and reserved today."""
    store = budget.store
    (balance,) = await store.ledger.balances([day], clock=make_call().clock)
    return balance.spent, balance.reserved


@pytest.fixture(autouse=True)
def _clock():
    with FakeClock() as clock:
        yield clock


class TestReserving:
    async def test_the_most_a_call_can_cost_is_reserved_while_it_is_sent(self):
        policy = budget(daily=1)
        seen = []

        async def look(call):
            seen.append(await held(policy))

        await policy(asks(1000), Upstream(cost="0.03", before=look))
        assert seen == [(0, usd("0.1"))]
        assert await held(policy) == (usd("0.03"), 0)

    async def test_what_the_account_cannot_pay_is_refused_and_not_sent(self):
        policy, upstream = budget(daily="0.25"), Upstream(cost="0.1")
        for _ in range(2):
            await policy(asks(1000), upstream)
        with pytest.raises(BudgetExceeded) as refused:
            await policy(asks(1000), upstream)
        assert len(upstream.calls) == 2
        error = refused.value
        assert (error.budget_type, error.limit, error.spent, error.reserved) == (
            "daily",
            usd("0.25"),
            usd("0.2"),
            0,
        )
        assert error.resets_at == 1_700_006_400  # 2023-11-15 00:00 UTC
        assert str(error) == (
            "daily budget of $0.25: $0.2 spent; this call to m may cost $0.1; "
            "it starts afresh on 2023-11-15 00:00 UTC"
        )

    async def test_a_refusal_tells_of_what_is_under_way(self):
        policy, upstream = budget(monthly="0.15"), Upstream(stream=True)
        await policy(asks(1000), upstream)
        with pytest.raises(
            BudgetExceeded, match=r"monthly budget of \$0.15: \$0 spent, \$0.1 reserved for calls under way"
        ):
            await policy(asks(1000), upstream)

    async def test_input_counts_with_what_a_text_does_not_show(self):
        policy = budget(daily=5, prices={"m": Price(input=1000, output=0)})
        part = {"type": "image_url", "image_url": {"url": "data:..."}}
        said = [{"type": "text", "text": "é" * 30}, part]
        view = CHAT.view({"max_tokens": 10, "messages": [{"role": "user", "content": said}]})
        seen = []

        async def look(call):
            seen.append((await held(policy))[1])

        await policy(asks(view=view), Upstream(cost="0", before=look))
        shown = (
            '{"max_tokens":10,"messages":[{"role":"user","content":'
            '[{"type":"text","text":""},{"type":"image_url","image_url":}]}]}'
        )
        assert seen == [usd("0.001") * (-(-(len(shown) + 60) // 3) + 2000)]

    async def test_every_choice_may_be_as_long(self):
        policy = budget(per_call="0.25")
        await policy(asks(view=PlainView(text="", max_output=1000, choices=2)), Upstream())
        with pytest.raises(BudgetExceeded, match=r"may cost \$0.3"):
            await policy(asks(view=PlainView(text="", max_output=1000, choices=3)), Upstream())

    async def test_embeddings_are_paid_by_their_input(self):
        policy, upstream = budget(daily=1, prices={"m": Price(input=1, output=0)}), Upstream(usage=Usage(40, 0))
        view = PlainView(operation="embeddings", text="x" * 300, max_output=0)
        await policy(asks(view=view), upstream)
        assert upstream.calls[0].view is view
        assert await held(policy) == (usd("0.00004"), 0)


class TestTheAnswersLength:
    async def test_a_call_without_a_limit_gets_one(self):
        policy, upstream = budget(daily=10, max_output=2000), Upstream()
        await policy(asks(None), upstream)
        assert upstream.calls[0].view.max_output == 2000

    async def test_the_models_own_limit_is_smaller(self):
        prices = {"m": Price(input=0, output=100, max_output=500)}
        policy, upstream = budget(daily=10, prices=prices), Upstream()
        await policy(asks(None), upstream)
        assert upstream.calls[0].view.max_output == 500

    async def test_what_is_left_may_be_less_still(self):
        policy, upstream = budget(daily="0.1234567"), Upstream(stream=True)
        await policy(call := asks(None), upstream)
        assert upstream.calls[0].view.max_output == 1234
        assert await held(policy) == (0, usd("0.1234"))
        assert [(d.policy, d.action) for d in call.journal.decisions] == [("Budget", "shortens")]

    async def test_but_not_so_little_that_it_is_no_answer(self):
        policy = budget(daily="0.0255")
        with pytest.raises(BudgetExceeded):
            await policy(asks(None), Upstream())
        await policy(asks(255), Upstream())

    async def test_a_callers_own_limit_is_left_alone(self):
        policy, upstream = budget(daily="0.05"), Upstream()
        with pytest.raises(BudgetExceeded):
            await policy(asks(1000), upstream)
        view = PlainView(text="", max_output=400)
        await policy(asks(view=view), upstream)
        assert upstream.calls[0].view is view

    async def test_where_nothing_is_limited_the_call_is_as_it_was(self):
        policy, upstream = budget(), Upstream()
        await policy(call := asks(None), upstream)
        assert upstream.calls[0].view is call.view

    async def test_a_free_model_may_say_as_much_as_it_likes(self):
        policy, upstream = budget(daily=0), Upstream(cost="0")
        await policy(call := asks(None, "free"), upstream)
        assert upstream.calls[0].view is call.view


class TestTheTruth:
    async def test_the_routers_word_counts(self):
        policy = budget(daily=1)
        await policy(asks(), Upstream(cost="0.0123456789", usage=Usage(1, 1)))
        assert await held(policy) == (usd("0.012345679"), 0)

    async def test_else_the_tokens(self):
        policy, upstream = budget(daily=1), Upstream(usage=Usage(50, 200))
        await policy(call := asks(), upstream)
        assert await held(policy) == (usd("0.02"), 0)
        assert call.journal.cost == Cost(usd("0.02"), "estimated")

    async def test_else_what_was_reserved(self):
        policy = budget(daily=1)
        await policy(call := asks(), Upstream())
        assert await held(policy) == (usd("0.1"), 0)
        assert call.journal.cost == Cost(usd("0.1"), "estimated")

    async def test_a_stream_is_settled_when_it_ends(self):
        policy, upstream = budget(daily=1), Upstream(stream=True)
        reply = await policy(asks(), upstream)
        assert await held(policy) == (0, usd("0.1"))
        reply.attempt.cost = Cost(usd("0.07"), "reported")
        upstream.ends[0].settle(Settled(cost=reply.attempt.cost))
        assert await held(policy) == (usd("0.07"), 0)

    async def test_a_hit_in_the_routers_cache_costs_nothing(self):
        policy = budget(daily=1)
        await policy(asks(), Upstream(cost="0", usage=Usage(50, 200)))
        assert await held(policy) == (0, 0)

    async def test_what_costs_more_than_was_reserved_is_booked_and_told(self):
        policy = budget(daily=1)
        await policy(call := asks(), Upstream(cost="0.4"))
        assert await held(policy) == (usd("0.4"), 0)
        assert [d.action for d in call.journal.decisions] == ["overdrawn"]

    async def test_the_report_knows_who_spent_what(self):
        policy = budget(daily=1)
        call = asks()
        call.journal.agent, call.journal.run = "Writer", "trace_1"
        await policy(call, Upstream(cost="0.03", usage=Usage(11, 22)))
        from datetime import date

        (entry,) = await policy.store.ledger.entries(date(2023, 11, 14), date(2023, 11, 14), clock=call.clock)
        assert (entry.model, entry.agent, entry.run, entry.basis) == ("m", "Writer", "trace_1", "reported")
        assert (entry.calls, entry.attempts, entry.input_tokens, entry.output_tokens, entry.cost) == (
            1,
            1,
            11,
            22,
            usd("0.03"),
        )


LOST = [
    lost_connection(),
    openai.APITimeoutError(request=lost_connection().request),
    asyncio.CancelledError(),
    InvalidResponse("no answer", status_code=529),
]


class TestFailures:
    @pytest.mark.parametrize("error", [http_error(500), http_error(429), http_error(400)])
    async def test_what_the_upstream_refuses_costs_nothing(self, error):
        policy = budget(daily=1, per_call=1)
        with pytest.raises(type(error)):
            await policy(call := asks(), Upstream(error=error, status=error.status_code))
        assert await held(policy) == (0, 0)
        assert call.journal.cost == Cost(0, "estimated")

    async def test_what_was_never_sent_costs_nothing(self):
        policy = budget(daily=1)
        for upstream in (Upstream(error=lost_connection(), sent=False), Inner(Refused("busy"))):
            with pytest.raises(Exception, match=r"busy|Connection"):
                await policy(asks(), upstream)
        assert await held(policy) == (0, 0)

    @pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
    async def test_what_was_lost_counts_as_it_was_reserved(self, error):
        policy = budget(daily=1, per_call=1)
        with pytest.raises(type(error)):
            await policy(call := asks(), Upstream(error=error))
        assert await held(policy) == (usd("0.1"), 0)
        assert call.journal.attempts[0].cost == Cost(usd("0.1"), "estimated")

    async def test_a_price_that_is_known_of_a_failure_counts(self):
        policy = budget(daily=1)
        with pytest.raises(InvalidResponse):
            await policy(asks(), Upstream(error=InvalidResponse("cut"), cost="0.04"))
        assert await held(policy) == (usd("0.04"), 0)

    async def test_a_call_cancelled_before_it_was_sent_gives_everything_back(self):
        policy = budget(daily=1, per_call=1)

        async def wait(call):
            await asyncio.Event().wait()

        task = asyncio.ensure_future(policy(asks(), Upstream(before=wait)))
        await asyncio.sleep(0)
        assert await held(policy) == (0, usd("0.1"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await held(policy) == (0, 0)

    async def test_a_reply_that_nobody_reads_is_settled_when_it_is_dropped(self):
        policy, upstream = budget(daily=1), Upstream(stream=True)
        await policy(asks(), upstream)
        upstream.ends.pop().settle(Settled(complete=False))
        gc.collect()
        assert await held(policy) == (usd("0.1"), 0)


class TestUnpriced:
    async def test_a_model_that_nobody_knows_is_refused(self):
        policy, upstream = budget(daily=1), Upstream()
        with pytest.raises(Unaccountable, match="nobody knows what new costs") as refused:
            await policy(asks(target="new"), upstream)
        assert refused.value.code == "unpriced"
        assert not upstream.calls

    async def test_unless_it_is_allowed(self):
        policy, upstream = budget(daily=1, allow_unpriced=True), Upstream()
        await policy(call := asks(target="new"), upstream)
        assert await held(policy) == (0, 0)
        assert call.journal.cost == Cost()
        assert [d.action for d in call.journal.decisions] == ["allows"]

    async def test_or_nothing_is_limited(self):
        await budget()(asks(target="new"), Upstream())

    async def test_a_price_is_asked_for_when_it_is_not_known(self):
        class Prices:
            asked = 0

            def known(self, target):
                return None

            async def learn(self, target):
                self.asked += 1
                return PRICES["m"]

        policy, prices = budget(daily=1), Prices()
        await policy(asks(target="new", prices=prices), Upstream(cost="0.01"))
        assert prices.asked == 1
        assert await held(policy) == (usd("0.01"), 0)

    async def test_ones_own_prices_win_also_below(self):
        class Prices:
            def known(self, target):
                return Price(input=9, output=9)

        policy, upstream = budget(daily=1), Upstream()
        await policy(asks(prices=Prices()), upstream)
        assert upstream.calls[0].prices.known(Target("m")) == PRICES["m"]

    async def test_a_target_that_keeps_the_callers_model_has_that_models_price(self):
        policy = budget(daily=1)
        target = Target(base_url="https://away.example/v1", api_key="k")
        await policy(asks(target=target), Upstream(cost="0.01"))

    async def test_a_free_model_passes_an_exhausted_budget(self):
        policy = budget(daily="0.1", per_call=0)
        await policy(asks(target="free"), Upstream(cost="0"))

    @pytest.mark.parametrize("operation", ["POST /images/generations", "POST /audio/speech", "POST /v2/something"])
    async def test_requests_that_have_no_price_here_are_refused(self, operation):
        view = PlainView(operation=operation)
        with pytest.raises(Unaccountable):
            await budget(daily=1)(asks(view=view), Inner())
        await budget(daily=1, allow_unpriced=True)(asks(view=view), Inner())
        await budget()(asks(view=view), Inner())

    @pytest.mark.parametrize(
        "operation",
        ["GET /models", "POST /files", "DELETE /files/f", "POST /responses/r/cancel", "POST /moderations"],
    )
    async def test_requests_that_cost_nothing_pass(self, operation):
        await budget(daily=0)(asks(view=PlainView(operation=operation)), Inner())


class TestPerCall:
    async def test_all_attempts_and_targets_share_one_account(self):
        upstream = Upstream(error=lost_connection())
        policy = budget(per_call="0.25", prices=dict.fromkeys(("m", "m2", "m3"), PRICES["m"]))
        service = Stack(Fallback(to=["m2", "m3"]), policy).bind(upstream)
        with pytest.raises(AllProvidersFailed) as failed:
            await service(asks())
        assert [type(f.error).__name__ for f in failed.value.failures] == ["APIConnectionError"] * 2 + [
            "BudgetExceeded"
        ]
        assert failed.value.failures[-1].error.budget_type == "per_call"
        assert failed.value.failures[-1].error.resets_at is None

    async def test_another_call_has_another(self):
        policy, upstream = budget(per_call="0.1"), Upstream()
        for _ in range(3):
            await policy(asks(), upstream)

    async def test_a_retry_is_paid_from_it_too(self):
        policy, upstream = budget(per_call="0.15"), Upstream(error=lost_connection())
        service = Stack(Retry(attempts=3, base_delay=0), policy).bind(upstream)
        with pytest.raises(BudgetExceeded):
            await service(asks())
        assert len(upstream.calls) == 1

    async def test_when_every_target_is_too_dear_that_is_said(self):
        policy = budget(per_call="0.005", prices=PRICES)
        service = Stack(Fallback(to=["mini"]), policy).bind(Upstream())
        with pytest.raises(BudgetExceeded):
            await service(asks())

    async def test_a_chain_may_end_at_a_free_model(self):
        policy, upstream = budget(daily=0), Upstream(cost="0")
        reply = await Stack(Fallback(to=["new", "free"]), policy).bind(upstream)(asks())
        assert reply.attempt.target == "free"


class TestTheLadder:
    async def test_a_smaller_answer(self):
        policy, upstream = budget(daily="0.05", on_shortage=["shrink"]), Upstream()
        await policy(call := asks(1000), upstream)
        assert upstream.calls[0].view.max_output == 500
        assert [d.action for d in call.journal.decisions] == ["shortens", "makes do"]

    async def test_a_cheaper_model(self):
        policy, upstream = budget(daily="0.05", on_shortage=["mini"]), Upstream()
        await policy(asks(1000), upstream)
        assert (str(upstream.calls[0].target), upstream.calls[0].view.max_output) == ("mini", 1000)

    async def test_step_by_step(self):
        policy = budget(daily="0.0051", on_shortage=["shrink", "mini"])
        upstream = Upstream()
        await policy(asks(1000), upstream)
        assert (str(upstream.calls[0].target), upstream.calls[0].view.max_output) == ("mini", 510)

    async def test_the_end_is_the_refusal_of_what_was_asked_for(self):
        policy = budget(daily="0.001", on_shortage=["shrink", "mini", "new"])
        with pytest.raises(BudgetExceeded, match="to m may cost"):
            await policy(call := asks(1000), Upstream())
        assert [d.action for d in call.journal.decisions] == ["skips"] * 3 + ["refuses"]

    @pytest.mark.parametrize("fields", [{"pinned": True}, {"single": True}, {"needs": {"tools"}}])
    async def test_calls_that_cannot_move_stay(self, fields):
        policy = budget(daily="0.05", on_shortage=[Target("mini", lacks={"tools"})])
        view = PlainView(text="", max_output=1000, needs=frozenset(fields.pop("needs", ())))
        if not fields and not view.needs:
            return
        with pytest.raises(BudgetExceeded):
            await policy(asks(view=view, **fields), Upstream())

    async def test_its_targets_are_known_to_the_stack(self):
        spare = Target("mini", base_url="https://spare.example/v1", api_key="k")
        assert Stack(budget(daily=1, on_shortage=["shrink", spare])).targets == [spare]


class TestSecondLegs:
    async def test_one_that_would_leave_too_little_is_refused(self):
        policy, upstream = budget(daily="0.25"), Upstream(stream=True)
        await policy(asks(1000), upstream)
        with pytest.raises(BudgetExceeded):
            await policy(replace(asks(1000), extra=True), upstream)
        await policy(asks(1000), upstream)
        assert await held(policy) == (0, usd("0.2"))

    async def test_in_a_calls_own_account_too(self):
        policy, upstream = budget(per_call="0.15"), Upstream(stream=True)
        with pytest.raises(BudgetExceeded):
            await policy(replace(asks(1000), extra=True), upstream)


class TestConfiguration:
    @pytest.mark.parametrize("field", ["per_call", "per_run", "daily", "monthly"])
    @pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "much", 1e9, [1]])
    def test_limits_are_amounts(self, field, value):
        with pytest.raises(ConfigError, match=f"Budget.{field}: expected US dollars"):
            budget(**{field: value})

    @pytest.mark.parametrize(
        "fields",
        [
            {"timezone": "Mars/Olympus"},
            {"timezone": ""},
            {"timezone": None},
            {"timezone": "../etc/passwd"},
            {"store": "memory"},
            {"store": MemoryStore},
            {"prices": {"m": 1.0}},
            {"prices": [1]},
            {"on_shortage": "shrink"},
            {"on_shortage": [1]},
            {"max_output": 0},
            {"max_output": True},
            {"name": ""},
            {"allow_unpriced": 1},
            {"on_store_unavailable": "maybe"},
            {"alerts": print},
        ],
        ids=str,
    )
    def test_the_wrong_field_is_named(self, fields):
        (name,) = fields
        with pytest.raises(ConfigError, match=f"Budget.{name}"):
            budget(**fields)

    def test_amounts_are_what_they_print_as(self):
        policy = budget(daily=0.1, monthly="200", per_call=Decimal("0.05"))
        assert (policy.daily, policy.monthly, policy.per_call) == (usd("0.1"), 200, usd("0.05"))

    def test_it_says_what_it_holds_and_where(self):
        assert repr(budget(daily=10, per_call="0.050", timezone="Europe/Berlin")) == (
            "Budget(per_call=$0.05, daily=$10, timezone='Europe/Berlin', store=MemoryStore(scope='this process'))"
        )

    def test_without_a_store_it_is_a_file_of_the_users(self, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
        assert Budget(daily=1).store.path == tmp_path / "xdg" / "hanzo-agents" / "state.db"
        monkeypatch.setenv("HANZO_STATE_DIR", str(tmp_path / "own"))
        first, second = Budget(daily=1), Budget(daily=2)
        assert first.store is second.store
        assert str(tmp_path / "own" / "state.db") in repr(first)
        assert list(tmp_path.iterdir()) == []  # made when it is used

    async def test_two_of_one_name_share_and_others_do_not(self):
        store = MemoryStore()
        one, two, other = (budget(daily="0.15", store=store, name=name) for name in ("a", "a", "b"))
        await one(asks(), Upstream(cost="0.1"))
        await other(asks(), Upstream(cost="0.1"))
        with pytest.raises(BudgetExceeded):
            await two(asks(), Upstream())


class TestThePlan:
    @pytest.mark.parametrize(
        ("fields", "target", "action"),
        [
            ({"daily": 1}, "m", "reserves"),
            ({"daily": 1, "per_call": "0.05"}, "m", "refuses"),
            ({"per_call": "0.05", "on_shortage": ["mini"]}, "m", "makes do"),
            ({"daily": 0}, "free", "allows"),
            ({"daily": 1}, "new", "asks for the price"),
            ({"daily": 1, "allow_unpriced": True}, "new", "allows"),
            ({}, "m", "writes down"),
            ({"per_run": 1}, "m", "reserves"),
        ],
    )
    def test_says_what_would_happen_and_changes_nothing(self, fields, target, action):
        policy, call = budget(**fields), asks(target=target)
        decision = policy.plan(call)
        assert (decision.policy, decision.action) == ("Budget", action)
        assert call.journal.decisions == []
        assert policy.plan(call) == decision

    @pytest.mark.parametrize(
        ("limit", "ladder", "asked"),
        [
            ("0.05", ["shrink"], ("m", 500)),
            ("0.05", ["mini"], ("mini", 1000)),
            ("0.0051", ["shrink", "mini"], ("mini", 510)),
            ("0.05", ["new", "mini"], ("mini", 1000)),
        ],
    )
    async def test_goes_the_ladder_that_the_call_would(self, limit, ladder, asked):
        policy, upstream = budget(per_call=limit, on_shortage=ladder), Upstream()
        [onward] = policy.onward(asks())
        assert policy.plan(asks()).action == "makes do"
        await policy(asks(), upstream)
        [sent] = upstream.calls
        assert (str(onward.target), onward.view.max_output) == asked
        assert (str(sent.target), sent.view.max_output) == asked

    @pytest.mark.parametrize(
        "ladder", [[], ["shrink", "new", Target("mini", lacks={"tools"})]], ids=["none", "all"]
    )
    def test_refuses_at_the_end_of_the_ladder(self, ladder):
        call = asks(view=PlainView(needs=frozenset({"tools"}), text="x", max_output=1000))
        assert budget(per_call="0.001", on_shortage=ladder).plan(call).action == "refuses"

    def test_a_second_leg_has_to_leave_as_much_as_it_takes(self):
        policy = budget(per_call="0.15")
        assert policy.plan(asks()).action == "reserves"
        assert policy.plan(asks().but(extra=True)).action == "refuses"

    async def test_knows_what_this_process_has_seen_of_a_day(self):
        policy = budget(daily="0.25")
        assert policy.plan(asks()).action == "reserves"
        await policy(asks(), Upstream(cost="0.2"))
        assert policy.plan(asks()).action == "refuses"
        assert budget(daily="0.01").plan(asks()).action == "refuses"  # whatever was spent


class TestSmallPrint:
    def test_runs_that_were_quiet_for_longest_are_forgotten_unless_something_is_under_way(self, monkeypatch):
        monkeypatch.setattr(local_accounts, "MOST_RUNS", 2)
        monkeypatch.setattr(local_accounts, "QUIET", 0.0)
        runs = local_accounts.NamedAccounts("per_run", usd("1"))
        local_accounts.reserve_in([busy := runs["busy"]], usd("0.1"))
        quiet = runs["quiet"]
        assert runs["busy"] is busy
        assert runs["third"]
        assert runs["quiet"] is not quiet
        assert runs.get("busy") is busy
        assert repr(busy) == "LocalAccount(per_run, limit=1, spent=0, reserved=0.1)"

    def test_a_file_is_as_large_as_its_data(self):
        file = {"type": "file", "file": {"file_data": "x" * 30_000}}
        reference = {"type": "input_file", "file_id": "f"}
        view = CHAT.view({"messages": [{"role": "user", "content": [file, reference]}]})
        assert 10_000 + 2_000 <= tokens_in(view) < 10_000 + 2_000 + 50

    def test_a_leg_ends_once(self):
        windows = budget(daily=1)._enforcer.windows
        leg = Reservation(
            asks(), windows=windows, accounts=[account := local_accounts.LocalAccount("per_call", usd("1"))]
        )
        local_accounts.reserve_in([account], usd("0.1"))
        leg.amount = usd("0.1")
        leg.settled(Settled(cost=Cost(usd("0.03"), "reported")))
        leg.settled(Settled(cost=Cost(usd("0.03"), "reported")))
        leg.give_back()
        assert (account.spent, account.reserved) == (usd("0.03"), 0)

    async def test_the_plan_knows_that_an_answer_would_be_shortened(self):
        policy = budget(per_call="0.05")
        plan = policy.plan(asks(None))
        assert (plan.action, plan.data["tokens_out"]) == ("reserves", 500)
        await policy(asks(None), upstream := Upstream())
        assert upstream.calls[0].view.max_output == 500
        assert policy.plan(asks(1000)).action == "refuses"

    @pytest.mark.parametrize(("asked", "sent"), [(None, 500), (100, 100)])
    def test_the_plan_goes_on_with_the_answer_that_would_be_asked_for(self, asked, sent):
        [passed_on] = budget(per_call="0.05").onward(asks(asked))
        assert passed_on.view.max_output == sent

    def test_the_plan_knows_of_an_outer_run_that_has_nothing_left(self):
        policy = budget(daily=1)
        with run_budget("0.01") as outer, run_budget("5"):
            outer.account.spent = outer.limit
            assert policy.plan(asks(1000)).action == "refuses"

    def test_the_plan_knows_what_a_run_has_left(self):
        policy, call = budget(per_run="0.15"), asks()
        call.journal.run = "r"
        assert policy.plan(call).action == "reserves"
        with run_budget("0.05"):
            assert policy.plan(call).action == "refuses"

    @pytest.mark.parametrize(
        ("platform", "folder"),
        [("darwin", "Library/Application Support"), ("win32", "AppData/Local"), ("linux", ".local/state")],
    )
    def test_state_is_where_the_platform_wants_it(self, monkeypatch, tmp_path, platform, folder):
        for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("sys.platform", platform)
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        assert state_dir() == tmp_path / folder / "hanzo-agents"

    def test_a_user_without_a_home_must_say_where(self, monkeypatch):
        def nowhere():
            raise RuntimeError("no home")

        monkeypatch.setattr(Path, "home", nowhere)
        with pytest.raises(ConfigError, match="HANZO_STATE_DIR"):
            state_dir()

    @pytest.mark.parametrize(
        ("operation", "passes"),
        [
            ("GET /files", True), ("DELETE /files/f", True), ("POST /files", True), ("POST /vector_stores", True),
            ("POST /responses/input_tokens", True), ("POST /responses/r/cancel", True),
            ("POST /vector_stores/v/search", False), ("POST /files/../chat/completions", False),
            ("POST /files/%2e%2e/chat/completions", False), ("POST /images/generations", False),
            ("PUT /images/generations", False), ("PATCH /batches", False),
        ],
    )  # fmt: skip
    async def test_requests_beside_model_calls_pass_where_they_cost_nothing(self, operation, passes):
        call = asks(view=PlainView(operation=operation))
        if passes:
            await budget(daily=1)(call, Inner())
            return
        with pytest.raises(Unaccountable):
            await budget(daily=1)(call, Inner())

    @pytest.mark.parametrize(
        "field", [{"on_store_unavailable": []}, {"prices": False}, {"prices": 0}, {"prices": ""}], ids=str
    )
    def test_junk_is_refused_by_name(self, field):
        with pytest.raises(ConfigError, match=f"Budget.{next(iter(field))}"):
            budget(**field)
