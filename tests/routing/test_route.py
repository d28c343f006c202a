"""Where calls go, strategy by strategy, and what is said about it."""

import pytest
from calls import http_error
from scenes import EASY, HARD, LOCAL, NAMES, Upstream, chosen, decision, route, talk

from hanzo_agents import ConfigError, DeadlineExceeded, Fallback, Price, Refused, Route, Stack, Target
from hanzo_agents._kernel.plan import plan_of
from hanzo_agents._kernel.stack import Place
from hanzo_agents.routing import ModelFacts, pii, routed
from hanzo_agents.testing.clock import FakeClock


@pytest.fixture(autouse=True)
def clock():
    with FakeClock(auto=True) as clock:
        yield clock


@pytest.mark.parametrize(
    ("strategy", "text", "expected"),
    [
        ("balanced", EASY, "small"),
        ("balanced", HARD, "best"),
        ("cost_optimized", EASY, "small"),
        ("cost_optimized", HARD, "middle"),
        ("quality_focused", EASY, "best"),
        ("quality_focused", HARD, "best"),
    ],
)
async def test_a_strategy_weighs_what_it_is_called_after(strategy, text, expected):
    assert await chosen(route(strategy=strategy), talk(text)) == expected


async def test_the_quickest_is_chosen_once_it_is_known():
    policy = route(strategy="latency_optimized")
    upstream = Upstream(best=0.2, middle=2.0, small=1.0)
    for _ in range(12):
        await policy(talk(EASY), upstream)
    assert set(upstream.asked[:3]) == set(NAMES), "each is tried once, to be measured"
    assert set(upstream.asked[3:]) == {"best"}


async def test_what_was_measured_long_ago_is_measured_again(clock):
    policy = route(strategy="latency_optimized")
    upstream = Upstream(best=0.2, middle=2.0, small=1.0)
    for _ in range(4):
        await policy(talk(EASY), upstream)
    clock.advance(301)
    upstream.asked.clear()
    for _ in range(3):
        await policy(talk(EASY), upstream)
    assert set(upstream.asked) == set(NAMES)


async def test_a_target_that_failed_twice_goes_last_for_half_a_minute(clock):
    policy = route(strategy="quality_focused")
    upstream = Upstream(best=http_error(503))
    for _ in range(2):
        with pytest.raises(Exception, match="failed"):
            await policy(talk(HARD), upstream)
    await policy(talk(HARD), upstream)
    clock.advance(31)
    upstream.does = {}
    await policy(talk(HARD), upstream)
    assert upstream.asked == ["best", "best", "middle", "best"]


async def test_an_answer_of_the_callers_making_is_no_failure():
    policy = route(strategy="quality_focused")
    upstream = Upstream(best=http_error(400))
    for _ in range(3):
        with pytest.raises(Exception, match="failed"):
            await policy(talk(HARD), upstream)
    assert upstream.asked == ["best"] * 3


async def test_all_failing_is_no_reason_not_to_try():
    policy = route(["best"], strategy="quality_focused")
    upstream = Upstream(best=http_error(503))
    for _ in range(5):
        with pytest.raises(Exception, match="failed"):
            await policy(talk(HARD), upstream)
    assert len(upstream.asked) == 5


async def test_a_chain_below_that_went_on_tells_who_failed():
    policy = route(strategy="quality_focused")
    upstream = Upstream(best=http_error(503))
    service = Stack(policy, Fallback(to=["middle"])).bind(upstream)
    for _ in range(3):
        await service(talk(HARD))
    assert upstream.asked == ["best", "middle", "best", "middle", "middle"]


@pytest.mark.parametrize(
    ("target", "fields", "why"),
    [
        (Target("best", lacks={"tools"}, label="best"), {"needs": frozenset({"tools"})}, "lacks tools"),
        (Target("best", context_window=10, label="best"), {}, "takes 10 tokens"),
        (Target("best", context_window=1000, label="best"), {"max_output": 990}, "may need"),
    ],
)
async def test_who_cannot_take_the_call_is_passed_by(target, fields, why):
    policy = route([target, "small"], strategy="quality_focused")
    call = talk(HARD, **fields)
    assert await chosen(policy, call) == "small"
    assert why in decision(call).data["passed"]["best"]


async def test_with_nobody_left_nothing_is_sent():
    policy = route([Target("best", lacks={"vision"})])
    upstream = Upstream()
    with pytest.raises(Refused, match="best lacks vision") as error:
        await policy(talk(EASY, needs=frozenset({"vision"})), upstream)
    assert error.value.code == "no_target"
    assert upstream.asked == []


async def test_the_least_quality_that_will_do():
    assert await chosen(route(quality="good"), talk(EASY)) == "middle"
    assert await chosen(route(quality=0.85), talk(EASY)) == "best"
    with pytest.raises(Refused, match="not good enough"):
        await chosen(route(["small"], quality="excellent"), talk(EASY))


async def test_a_price_limit_passes_the_dear_and_the_unknown_by():
    call = talk(HARD, max_output=1000)
    policy = route([*NAMES, "nobody-knows"], max_cost="0.005", strategy="quality_focused")
    assert await chosen(policy, call) == "middle"
    passed = decision(call).data["passed"]
    assert "may cost $0.03" in passed["best"]
    assert passed["nobody-knows"] == "has no known price"


async def test_a_time_limit_passes_the_slow_by_and_ends_what_takes_longer():
    policy = route(max_latency=1, strategy="quality_focused")
    with pytest.raises(DeadlineExceeded) as error:
        await policy(talk(HARD), Upstream(best=5))
    assert error.value.code == "max_latency"
    slow = Upstream(best=0.9)
    await policy(talk(HARD), slow)
    tight = talk(HARD)
    with routed(max_latency=0.5):
        assert await chosen(policy, tight) == "middle"
    assert "usually takes 0.9 s of 0.5 s" in decision(tight).data["passed"]["best"]


async def test_a_preferred_model_goes_first_while_it_can():
    policy = route([*NAMES, Target("fine", context_window=5)], prefer=["fine", "middle"])
    assert await chosen(policy, talk(HARD)) == "middle"
    assert await chosen(policy, talk("Hi")) == "fine"


async def test_local_first_while_it_is_good_enough():
    policy = route([*NAMES, LOCAL], local=["local"], prefer_local=True, strategy="quality_focused")
    easy = talk("Hi there!")
    assert await chosen(policy, easy) == "local"
    assert decision(easy).data["passed"]["best"] == "local is local and good enough"
    assert await chosen(policy, talk(HARD)) == "best"


async def test_what_runs_here_costs_nothing():
    assert await chosen(route([*NAMES, LOCAL], local=[LOCAL], strategy="cost_optimized"), talk(EASY)) == "local"


class TestWhatMustStayHere:
    PRIVATE = "Summarise the file of jane.doe@example.com, please."

    async def test_it_goes_to_a_local_target(self):
        policy = route([*NAMES, LOCAL], local=["local"], local_for=pii, strategy="quality_focused")
        private, other = talk(self.PRIVATE), talk("Summarise the file.")
        assert await chosen(policy, private) == "local"
        assert await chosen(policy, other) == "best"
        assert decision(private).data["local_only"]
        assert "jane" not in repr(private.journal.decisions)

    async def test_no_chain_below_sends_it_elsewhere(self):
        policy = route([*NAMES, LOCAL], local=["local"], local_for=pii)
        upstream = Upstream(local=http_error(503))
        service = Stack(policy, Fallback(to=["best"])).bind(upstream)
        with pytest.raises(Exception, match="must stay on this machine"):
            await service(talk(self.PRIVATE))
        assert upstream.asked == ["local"]

    async def test_another_model_at_the_same_address_is_local(self):
        policy = route([*NAMES, LOCAL], local=["local"], local_for=pii)
        upstream = Upstream(local=http_error(503))
        sibling = Target("tiny-2", LOCAL.base_url, "k", label="sibling")
        await Stack(policy, Fallback(to=["best", sibling])).bind(upstream)(talk(self.PRIVATE))
        assert upstream.asked == ["local", "sibling"]

    @pytest.mark.parametrize("fields", [{"operation": "embeddings"}, {"pinned": True}])
    async def test_a_call_that_is_not_routed_is_held_as_well(self, fields):
        policy = route([*NAMES, LOCAL], local=["local"], local_for=pii)
        upstream = Upstream()
        with pytest.raises(Refused) as error:
            await policy(talk(self.PRIVATE, target="best", **fields), upstream)
        assert error.value.code == "local_only"
        assert upstream.asked == []
        await policy(talk(self.PRIVATE, target=LOCAL, **fields), upstream)
        assert upstream.asked == ["local"]

    async def test_with_no_local_target_that_can_it_fails_closed(self):
        policy = route(
            [*NAMES, Target("tiny", LOCAL.base_url, "k", lacks={"tools"})], local=["tiny"], local_for=pii
        )
        upstream = Upstream()
        with pytest.raises(Refused, match="must stay local") as error:
            await policy(talk(self.PRIVATE, needs=frozenset({"tools"})), upstream)
        assert error.value.code == "local_only"
        assert upstream.asked == []

    async def test_a_check_that_fails_sends_nothing(self):
        def broken(_text):
            raise ValueError("no")

        upstream = Upstream()
        with pytest.raises(ValueError, match="no"):
            await route([*NAMES, LOCAL], local=["local"], local_for=broken)(talk(EASY), upstream)
        assert upstream.asked == []


async def test_an_alias_leaves_models_asked_for_by_name_alone():
    policy = route(alias="auto")
    assert await chosen(policy, talk(HARD, target="auto")) == "best"
    assert await chosen(policy, talk(HARD, target="small")) == "small"


async def test_calls_that_are_pinned_and_embeddings_keep_their_target():
    assert await chosen(route(), talk(HARD, target="x", pinned=True)) == "x"
    assert await chosen(route(), talk(HARD, target="x", operation="embeddings")) == "x"


async def test_a_single_request_is_routed_once():
    assert await chosen(route(), talk(HARD, single=True)) == "best"


async def test_a_block_asks_for_more():
    policy = route(quality="acceptable")
    with routed(quality="excellent"):
        with routed(max_cost=10):
            assert await chosen(policy, talk(EASY)) == "best"
        assert await chosen(policy, talk(EASY)) == "best"
    assert await chosen(policy, talk(EASY)) == "small"


class TestWhatIsSaid:
    async def test_the_decision_names_the_candidates_and_why_not_the_others(self):
        call = talk(HARD)
        await chosen(route(), call)
        said = decision(call)
        assert said.action == "chose"
        assert said.reason.startswith("best by balanced: complexity 1.00 (")
        assert "quality 0.90 of 0.86 needed, about $0.015" in said.reason
        assert [c["target"] for c in said.data["candidates"]] == ["best", "middle", "small"]
        assert said.data["passed"]["small"].startswith("penalty ")
        assert said.data["complexity"] > 0.9

    async def test_explain_says_the_same_and_changes_nothing(self):
        policy = route()
        call = talk(HARD)
        plan = plan_of(Stack(policy), call)
        await chosen(policy, call)
        assert plan.targets == ("best",)
        assert plan.decisions[0].reason == decision(call).reason
        assert plan.decisions[0].action == "chooses"
        assert plan.as_dict()["steps"][0]["decision"]["data"]["candidates"]

    def test_explain_says_who_is_left_alone_and_who_is_refused(self):
        assert route().plan(talk(EASY, pinned=True)).action == "passes on"
        refusing = route([Target("best", lacks={"vision"})])
        seeing = talk(EASY, needs=frozenset({"vision"}))
        assert refusing.plan(seeing).action == "refuses"
        assert plan_of(Stack(refusing), seeing).legs == ()


def test_its_place_and_repr():
    assert Route.place is Place.ROUTE
    assert "Route(to=" in repr(route([LOCAL]))
    assert "'k'" not in repr(route([LOCAL]))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"to": "gpt-4"}, "Route.to"),
        ({"to": []}, "Route.to"),
        ({"to": [Target()]}, "Route.to"),
        ({"to": ["a", "a"]}, "Route.to"),
        ({"to": [7]}, "Route.to"),
        ({"to": [f"m{n}" for n in range(51)]}, "Route.to"),
        ({"strategy": "cheap"}, "Route.strategy"),
        ({"alias": "best"}, "Route.alias"),
        ({"alias": " "}, "Route.alias"),
        ({"quality": "superb"}, "Route.quality"),
        ({"quality": 1.5}, "Route.quality"),
        ({"quality": True}, "Route.quality"),
        ({"max_latency": 0}, "Route.max_latency"),
        ({"max_cost": -1}, "Route.max_cost"),
        ({"max_cost": "much"}, "Route.max_cost"),
        ({"max_cost": []}, "Route.max_cost"),
        ({"local": ["elsewhere"]}, "Route.local"),
        ({"local": "best"}, "Route.local"),
        ({"local_for": pii}, "Route.local_for"),
        ({"local": ["best"], "local_for": "pii"}, "Route.local_for"),
        ({"prefer_local": True}, "Route.prefer_local"),
        ({"prefer_local": 1, "local": ["best"]}, "Route.prefer_local"),
        ({"prefer": "best"}, "Route.prefer"),
        ({"prefer": ["other"]}, "Route.prefer"),
        ({"models": []}, "Route.models"),
        ({"models": {"best": 0.9}}, "Route.models"),
        ({"prices": {"best": 1}}, "Route.prices"),
        ({"lock": "yes"}, "Route.lock"),
        ({"margin": 2}, "Route.margin"),
        ({"latencies": {}}, "Route.latencies"),
        ({"memory": {}}, "Route.memory"),
    ],
)
def test_a_wrong_field_is_named(fields, named):
    with pytest.raises(ConfigError, match=named):
        Route(**{"to": ["best"], **fields})


@pytest.mark.parametrize(
    "fields", [{"quality": "x"}, {"max_latency": -1}, {"max_cost": None, "options": 3}, {"max_cost": "NaN"}]
)
def test_a_wrong_wish_is_named(fields):
    with pytest.raises(ConfigError), routed(**fields):
        pass


@pytest.mark.parametrize("fields", [{"quality": 2}, {"quality": "x"}, {"context_window": 0}])
def test_wrong_facts_are_named(fields):
    with pytest.raises(ConfigError, match="ModelFacts"):
        ModelFacts(**fields)


async def test_a_price_of_the_users_goes_before_others():
    policy = route(
        ["middle", "best"], prices={"best": Price(input=0, output=0), "middle": Price(input=1, output=1)}
    )
    assert await chosen(policy, talk(EASY)) == "best"
