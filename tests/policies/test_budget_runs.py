"""A run has one budget, whatever it asks for and however: agents, tools, handoffs, clients, threads."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context

import pytest
from agents import Agent, RunConfig, Runner, function_tool, set_tracing_disabled, trace
from agents.testing import ModelStep, ScriptedModel, assistant_message
from calls import Inner, lost_connection, make_call
from payments import LISTED, Upstream, asks, budget, usd

from hanzo_agents import (
    AsyncHanzo,
    BudgetExceeded,
    ConfigError,
    Cost,
    Hanzo,
    HanzoModelProvider,
    Price,
    Retry,
    Stack,
    Target,
    Unaccountable,
    run_budget,
    track,
    wrap,
)
from hanzo_agents.policies.budget import local_accounts as tally
from hanzo_agents.testing.clock import FakeClock
from hanzo_agents.testing.scripted import ScriptedRouter, ToolCall, answers


def two_levels(request):
    """An agent whose tool is an agent: five model calls, three of them of the outer one."""
    said = request.messages[-1]
    if said["role"] == "tool":
        return "done"
    if "inner" in str(request.messages):
        return "from within"
    return answers.tool_calls(
        ToolCall("ask_inner", {"input": "inner 1"}), ToolCall("ask_inner", {"input": "inner 2"})
    )


def provider_for(router, *policies):
    return HanzoModelProvider(router.base_url, "k", model="m", policies=list(policies))


def nested_agents():
    inner = Agent(name="Inner", instructions="inner")
    return Agent(name="Outer", tools=[inner.as_tool("ask_inner", "Asks.")])


@pytest.fixture(params=["traced", "not traced", "not traced by the run"])
def config(request):
    """How a run may be made; what it does to the identity of runs is the SDK's business."""
    set_tracing_disabled(request.param == "not traced")
    yield lambda provider: RunConfig(
        model_provider=provider, tracing_disabled=request.param == "not traced by the run"
    )
    set_tracing_disabled(True)


class TestWhoCalls:
    async def test_journals_name_agent_and_run(self, config):
        with ScriptedRouter(two_levels) as router, track() as journals:
            await Runner.run(nested_agents(), "go", run_config=config(provider_for(router)))
            await Runner.run(Agent(name="Other"), "inner", run_config=config(provider_for(router)))
        assert sorted(journal.agent for journal in journals) == ["Inner", "Inner", "Other", "Outer", "Outer"]
        runs = {journal.run for journal in journals}
        assert len(runs) == 2
        assert None not in runs
        (other,) = {journal.run for journal in journals if journal.agent == "Other"}
        assert all(journal.run != other for journal in journals if journal.agent != "Other")

    async def test_streamed_runs_too(self, config):
        with ScriptedRouter(["Hello."]) as router, track() as journals:
            result = Runner.run_streamed(Agent(name="A"), "hi", run_config=config(provider_for(router)))
            async for _ in result.stream_events():
                pass
        assert [(journal.agent, journal.run is not None) for journal in journals] == [("A", True)]

    async def test_runs_in_one_trace_are_one(self):
        set_tracing_disabled(False)
        try:
            with ScriptedRouter(["a", "b"]) as router, track() as journals, trace("both") as both:
                for _ in range(2):
                    await Runner.run(
                        Agent(name="A"), "hi", run_config=RunConfig(model_provider=provider_for(router))
                    )
        finally:
            set_tracing_disabled(True)
        assert [journal.run for journal in journals] == [both.trace_id] * 2

    async def test_a_client_on_its_own_has_none(self):
        with ScriptedRouter(["a"]) as router, track() as (journals):
            await AsyncHanzo(router.base_url, "k").chat.completions.create(model="m", messages=[])
        assert [(journal.agent, journal.run) for journal in journals] == [(None, None)]


class TestPerRun:
    async def test_all_calls_of_a_run_share_one_account(self, config):
        policy = budget(per_run="0.05", max_output=400)
        with ScriptedRouter(two_levels) as router, track() as journals:
            provider = provider_for(router, policy, Retry(attempts=1))
            for _ in range(2):
                await Runner.run(nested_agents(), "go", run_config=config(provider))
        # Two inner agents ask at once, and beside the 4 cents of one there is no room for the other's.
        refused = [journal for journal in journals if isinstance(journal.error, BudgetExceeded)]
        assert [(journal.agent, journal.error.budget_type) for journal in refused] == [("Inner", "per_run")] * 2
        assert len(router.requests) == 6

    async def test_other_runs_have_their_own(self):
        policy = budget(per_run="0.1")
        for run in ("a", "b"):
            call = asks()
            call.journal.run = run
            await policy(call, Inner())
        call = asks()
        call.journal.run = "a"
        with pytest.raises(BudgetExceeded):
            await policy(call, Inner())

    async def test_what_belongs_to_no_run_is_an_error_and_not_let_pass(self):
        inner = Inner()
        with pytest.raises(ConfigError, match=r"Budget\.per_run: nothing tells which run"):
            await budget(per_run=1)(asks(), inner)
        assert not inner.calls

    async def test_a_block_is_a_run(self):
        policy = budget(per_run="0.15")
        with run_budget():
            await policy(asks(), Inner())
            with pytest.raises(BudgetExceeded) as refused:
                await policy(asks(), Inner())
            assert refused.value.budget_type == "per_run"
        with run_budget():
            await policy(asks(), Inner())


class TestTheBlock:
    @pytest.mark.parametrize(
        "policies", [[], [budget(daily=9)], [budget()]], ids=["alone", "beside a Budget", "limitless"]
    )
    async def test_the_limit_holds_with_and_without_a_budget_in_the_stack(self, policies):
        service = Stack(*policies).bind(inner := Inner())
        call = asks
        with run_budget("0.25") as run:
            for _ in range(2):
                await service(call(prices=LISTED))
            with pytest.raises(BudgetExceeded) as refused:
                await service(call(prices=LISTED))
        assert len(inner.calls) == 2
        assert (refused.value.budget_type, refused.value.limit) == ("per_run", usd("0.25"))
        assert (run.spent, run.reserved, run.remaining) == (usd("0.2"), 0, usd("0.05"))

    async def test_blocks_nest_and_all_pay(self):
        service = Stack().bind(Inner())
        with run_budget(1) as outer:
            await service(asks(prices=LISTED))
            with run_budget("0.15") as inner:
                await service(asks(prices=LISTED))
                with pytest.raises(BudgetExceeded):
                    await service(asks(prices=LISTED))
            await service(asks(prices=LISTED))
        assert (inner.spent, outer.spent) == (usd("0.1"), usd("0.3"))

    async def test_two_budgets_in_a_stack_charge_it_once(self):
        service = Stack(budget(daily=1), budget(daily=1, name="team")).bind(Inner())
        with run_budget(1) as run:
            await service(asks())
        assert run.spent == usd("0.1")

    async def test_an_unpriced_model_is_refused_under_a_limit_only(self):
        service = Stack().bind(Inner())
        with run_budget(1), pytest.raises(Unaccountable):
            await service(asks(target="new"))
        with run_budget():
            await service(asks(target="new"))

    async def test_without_a_limit_it_adds_up(self):
        service = Stack().bind(Inner())
        with run_budget() as run:
            await service(asks(prices=LISTED))
        assert (run.limit, run.remaining, run.spent) == (None, None, usd("0.1"))

    @pytest.mark.parametrize("value", [-1, "x", float("nan"), True])
    def test_limits_are_amounts(self, value):
        with pytest.raises(ConfigError, match="run_budget: expected US dollars"), run_budget(value):
            pass

    async def test_tools_agents_and_threads_inside(self, config):
        asked = []

        @function_tool
        def ask_client() -> str:
            """Asks from a thread."""
            with Hanzo(router.base_url, "k", model="n") as client:
                asked.append(client.chat.completions.create(messages=[{"role": "user", "content": "inner"}]))
            return "done"

        def reply(request):
            if request.messages[-1]["role"] != "tool" and "inner" not in str(request.messages):
                return answers.tool_calls(ToolCall("ask_inner", {"input": "inner"}), ToolCall("ask_client", {}))
            return "done"

        agent = nested_agents()
        agent.tools.append(ask_client)
        with ScriptedRouter(reply) as router:
            provider = provider_for(router, budget(daily=1))
            with run_budget() as run:
                await Runner.run(agent, "go", run_config=config(provider))
        assert len(asked) == 1
        assert len(run.attempts) == len(router.requests) == 4
        # The thread of a tool belongs to the agent whose tool it is; its client has no price for "n".
        assert {name: cost.basis for name, cost in run.by_agent.items()} == {
            "Outer": "unknown",
            "Inner": "estimated",
        }
        assert {name: cost.basis for name, cost in run.by_model.items()} == {"m": "estimated", "n": "unknown"}
        assert run.spent > 0

    async def test_a_model_inside_wrap_is_charged_once(self):
        with ScriptedRouter(["Hello."]) as router:
            model = wrap(provider_for(router, budget(daily=1)).get_model("m"), budget(daily=1, name="outer"))
            with run_budget(1) as run:
                await Runner.run(Agent(name="A", model=model), "hi")
            (attempt,) = run.attempts
            assert run.spent == attempt.cost.amount

    async def test_the_plan_knows_of_it_without_a_budget_in_the_stack(self):
        client = AsyncHanzo("http://127.0.0.1:1/v1", "k", model="gpt-4o", max_retries=0)
        hello = [{"role": "user", "content": "Hello!"}]
        with run_budget("0.0001"):
            plan = await client.explain(messages=hello, max_tokens=1000)
        assert "run_budget: $0.0001 left" in plan.legs[0].refused
        with run_budget("0.005"):
            plan = await client.explain(messages=hello)
        assert 256 < plan.legs[0].tokens_out < 500
        with run_budget():
            plan = await client.explain(messages=hello)
        assert plan.warnings == ()
        await client.close()

    async def test_foreign_models_are_held_to_it(self):
        model = wrap(
            ScriptedModel([ModelStep(output=[assistant_message("x")])]),
            budget(prices={"ScriptedModel": Price(input=0, output=100)}, max_output=1000),
        )
        with run_budget("0.02"), pytest.raises(BudgetExceeded):
            await Runner.run(Agent(name="A", model=model), "hi")

    async def test_images_cannot_pass_unpriced(self):
        with ScriptedRouter([]) as router:
            client = AsyncHanzo(router.base_url, "k")
            with run_budget(1), pytest.raises(Unaccountable):
                await client.images.generate(prompt="a cat", model="dall-e-3")
            client = AsyncHanzo(router.base_url, "k", policies=[budget(daily=1)])
            with pytest.raises(Unaccountable):
                await client.images.generate(prompt="a cat", model="dall-e-3")


class TestTheReckoning:
    async def test_by_agent_and_by_model(self):
        def who(agent, model):
            call = asks(target=model, prices=LISTED)
            call.journal.agent = agent
            run.journals.append(call.journal)
            return call

        with run_budget() as run:
            await Stack().bind(Upstream(cost="0.01"))(who("A", "m"))
            await Stack().bind(Upstream(cost="0.02"))(who("A", "n"))
            await Stack().bind(Upstream(cost="0.04"))(who(None, "n"))
        assert run.cost == Cost(usd("0.07"), "reported")
        assert run.by_agent == {"A": Cost(usd("0.03"), "reported"), "": Cost(usd("0.04"), "reported")}
        assert run.by_model == {"m": Cost(usd("0.01"), "reported"), "n": Cost(usd("0.06"), "reported")}
        assert len(run.attempts) == 3
        assert repr(run) == "Run(no limit, spent $0.07, reserved $0)"

    async def test_what_nobody_knows_is_not_nothing(self):
        with run_budget() as run:
            call = make_call("new")
            run.journals.append(call.journal)
            with pytest.raises(Exception, match="Connection"):
                await Stack().bind(Upstream(error=lost_connection()))(call)
        assert run.cost == Cost()

    async def test_tasks_begun_inside_belong_to_it(self):
        service = Stack().bind(Inner())
        with run_budget("0.45") as run:
            results = await asyncio.gather(
                *(service(asks(prices=LISTED)) for _ in range(9)), return_exceptions=True
            )
        assert sum(isinstance(result, BudgetExceeded) for result in results) == 5
        assert run.spent == usd("0.4")

    async def test_threads_belong_to_it_that_were_given_its_context(self):
        def ask():
            with Hanzo(router.base_url, "k", model="m", policies=[budget(daily=1)]) as client:
                client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}])

        with ScriptedRouter("done") as router, run_budget() as run:
            await asyncio.to_thread(ask)
            assert len(run.attempts) == 1
            with ThreadPoolExecutor(2) as pool:
                for done in [pool.submit(copy_context().run, ask) for _ in range(2)]:
                    await asyncio.wrap_future(done)
            assert len(run.attempts) == 3
            thread = threading.Thread(target=copy_context().run, args=(ask,))
            thread.start()
            await asyncio.to_thread(thread.join)
        assert len(run.attempts) == len(router.requests) == 4

    def test_a_thread_without_it_is_refused_by_a_budget_that_asks_for_its_run(self):
        refused = []

        def ask():
            with Hanzo(router.base_url, "k", model="m", policies=[budget(per_run=1)]) as client:
                with pytest.raises(ConfigError, match="nothing tells which run") as error:
                    client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}])
                refused.append(str(error.value))

        with ScriptedRouter("done") as router, run_budget():
            thread = threading.Thread(target=Context().run, args=(ask,))  # as every thread before Python 3.14
            thread.start()
            thread.join()
        assert "copy_context" in refused[0]
        assert not router.requests


def test_targets_of_other_policies_are_not_taken_for_a_budgets():
    assert budget(daily=1).to == ()
    assert budget(on_shortage=["mini"]).to == (Target("mini"),)


class TestOnTheWire:
    @pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
    async def test_what_bounds_the_spend_is_sent(self, stream):
        with ScriptedRouter(["Hello."]) as router:
            policy = budget(daily=1, max_output=700)
            async with AsyncHanzo(router.base_url, "k", policies=[policy]) as client:
                reply = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": "é"}], stream=stream
                )
                if stream:
                    async for _ in reply:
                        pass
        assert router.requests[0].field("max_completion_tokens") == 700
        assert router.requests[0].messages == [{"role": "user", "content": "é"}]
        page = policy._enforcer.windows.at(make_call().clock.wall())
        (balance, _) = await policy.store.ledger.balances([a.name for a in page.accounts], clock=make_call().clock)
        assert 0 < balance.spent < usd("0.01")
        assert balance.reserved == 0

    async def test_a_stream_that_is_left_is_paid_as_far_as_it_came(self):
        with ScriptedRouter([answers.text("Hello. " * 200, usage=None)]) as router:
            policy = budget(daily=1)
            async with AsyncHanzo(router.base_url, "k", policies=[policy]) as client:
                with run_budget() as run:
                    stream = await client.chat.completions.create(
                        model="m", messages=[{"role": "user", "content": "x"}], stream=True, max_tokens=1000
                    )
                    assert run.reserved == usd("0.1")
                    await stream.close()
        assert run.reserved == 0
        assert 0 < run.spent < usd("0.1")

    async def test_embeddings_by_numbers_are_not_free(self):
        prices = {"e": Price(input=1000, output=0)}
        with ScriptedRouter([]) as router:
            async with AsyncHanzo(router.base_url, "k", policies=[budget(daily="0.002", prices=prices)]) as client:
                with pytest.raises(BudgetExceeded):
                    await client.embeddings.create(model="e", input=[1, 2, 3])


class TestManyRuns:
    """Nobody says when a run is over, so that some have to be forgotten: none of those that go on."""

    @pytest.fixture
    def clock(self, monkeypatch):
        monkeypatch.setattr(tally, "MOST_RUNS", 3)
        with FakeClock(start=1000.0) as clock:
            yield clock

    def test_one_that_was_quiet_for_a_while_is_not_forgotten(self, clock):
        runs = tally.NamedAccounts("per_run", usd("1"))
        runs["mine"].spent = usd("1")
        for n in range(100):
            clock.advance(tally.QUIET / 200)
            assert runs[f"other {n}"].available == 1
        assert runs["mine"].available == 0

    def test_one_with_a_call_under_way_is_not(self, clock):
        runs = tally.NamedAccounts("per_run", usd("1"))
        assert tally.reserve_in([runs["mine"]], usd("1")) is None
        for n in range(100):
            clock.advance(tally.QUIET)
            assert runs[f"other {n}"].available == 1
        assert runs["mine"].available == 0
        assert sum(runs.get(f"other {n}") is not None for n in range(100)) <= 3

    def test_those_that_were_quiet_for_longest_go_first(self, clock):
        runs = tally.NamedAccounts("per_run", usd("1"))
        for n in range(100):
            assert runs[f"run {n}"].available == 1
        clock.advance(tally.QUIET)
        assert runs["run 0"].available == 1
        assert runs["another"].available == 1
        assert [n for n in range(100) if runs.get(f"run {n}") is not None] == [0, 99]
