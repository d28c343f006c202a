"""What holds of routing whatever the candidates, the conversation and what was seen of them."""

import asyncio
import contextlib
from decimal import Decimal

from calls import http_error
from hypothesis import given
from hypothesis import strategies as st
from scenes import ASKED_TOOL, EASY, HARD, TOOL_SAID, Upstream, decision, route, talk

from hanzo_agents import Price, Refused, Target
from hanzo_agents.routing import ModelFacts
from hanzo_agents.routing.candidates import STRATEGIES
from hanzo_agents.testing.clock import FakeClock

NAMES = ["a", "b", "c", "d", "e"]
NEEDS = st.frozensets(st.sampled_from(["tools", "vision", "audio", "json_schema"]))
dollars = st.decimals(0, 100, places=2)


@st.composite
def scenes(draw):
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    targets = [
        Target(name, lacks=draw(NEEDS), context_window=draw(st.none() | st.integers(1, 200))) for name in names
    ]
    known = [name for name in names if draw(st.booleans())]
    models = {name: ModelFacts(quality=draw(st.floats(0, 1))) for name in known}
    prices = {name: Price(input=draw(dollars), output=draw(dollars)) for name in known}
    fields = {
        "to": targets,
        "models": models,
        "prices": prices,
        "strategy": draw(st.sampled_from([*STRATEGIES])),
        "quality": draw(st.none() | st.floats(0, 1)),
        "max_cost": draw(st.none() | st.decimals(0, 1, places=4)),
        "local": draw(st.lists(st.sampled_from(names), unique=True)),
        "prefer": draw(st.lists(st.sampled_from(names), unique=True)),
    }
    if fields["local"]:
        fields["prefer_local"] = draw(st.booleans())
        if draw(st.booleans()):
            fields["local_for"] = lambda text: "secret" in text
    return fields


def run(coroutine):
    async def inner():
        with FakeClock(auto=True):
            return await coroutine()

    return asyncio.run(inner())


@given(scenes(), NEEDS, st.none() | st.integers(1, 300), st.lists(st.sampled_from([EASY, HARD, "secret"]), min_size=1, max_size=4),
       st.dictionaries(st.sampled_from(NAMES), st.floats(0, 5) | st.just("fails")))  # fmt: skip
def test_no_target_is_chosen_that_cannot_take_the_call(fields, needs, limit, texts, does):
    async def scene():
        policy = route(**fields)
        upstream = Upstream(**{name: http_error(503) if what == "fails" else what for name, what in does.items()})
        for text in texts:
            call = talk(text, needs=needs, max_output=limit)
            asked = len(upstream.asked)
            try:
                await policy(call, upstream)
            except Refused:
                assert len(upstream.asked) == asked, "a refusal sends nothing"
                continue
            except Exception:  # the upstream's own
                pass
            (label,) = upstream.asked[asked:]
            target = next(target for target in policy.to if target.name == label)
            assert not needs & target.lacks
            assert target.context_window is None or len(text) // 4 + (limit or 0) <= target.context_window
            if fields.get("local_for") and "secret" in text:
                assert label in fields["local"]
            quality = fields["models"].get(label)
            if fields["quality"] is not None and quality is not None:
                assert quality.quality >= fields["quality"]
            if fields["max_cost"] is not None and label not in fields["local"]:
                most = fields["prices"][label].most(0, limit or 500)
                assert most <= Decimal(str(fields["max_cost"])) + Decimal("1e-9")
            data = decision(call).data
            assert {c["target"] for c in data["candidates"]} | set(data["passed"]) == {str(t) for t in policy.to}
            assert label not in data["passed"]

    run(scene)


@given(st.lists(dollars, min_size=2, max_size=5), st.floats(0, 1), st.sampled_from([EASY, HARD]))
def test_of_equal_quality_the_cheapest_is_taken(prices, quality, text):
    async def scene():
        names = NAMES[: len(prices)]
        policy = route(
            names,
            strategy="cost_optimized",
            models={name: ModelFacts(quality=quality) for name in names},
            prices={name: Price(input=price, output=price) for name, price in zip(names, prices, strict=True)},
        )
        upstream = Upstream()
        await policy(talk(text), upstream)
        assert prices[names.index(upstream.asked[0])] == min(prices)

    run(scene)


@given(scenes(), st.sampled_from(NAMES), st.decimals(0, 1, places=2))
def test_a_price_cut_never_loses_a_call(fields, name, share):
    """Whoever is chosen is chosen still when it alone gets cheaper."""
    fields["max_cost"] = None

    async def scene():
        try:
            before = route(**fields).plan(talk(HARD))
        except Refused:
            return
        chosen = before.data["target"]
        if chosen is None or chosen not in fields["prices"]:
            return
        old = fields["prices"][chosen]
        cut = {**fields["prices"], chosen: Price(input=old.input * share, output=old.output * share)}
        if fields["strategy"] == "cost_optimized":
            assert route(**{**fields, "prices": cut}).plan(talk(HARD)).data["target"] == chosen

    run(scene)


@given(
    st.sampled_from([*STRATEGIES]),
    st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 9) | st.just("fails")), max_size=12),
)
def test_a_tool_loop_never_changes_its_model(strategy, happens):
    async def scene():
        policy = route(NAMES, strategy=strategy)
        upstream = Upstream()
        await policy(talk(HARD), upstream)
        began = upstream.asked[-1]
        for steps, (name, what) in enumerate(happens, 1):
            upstream.does[name] = http_error(503) if what == "fails" else what
            for text in ([HARD, *[ASKED_TOOL, TOOL_SAID] * steps], [f"{EASY} {steps}"]):
                with contextlib.suppress(Exception):  # the upstream's own
                    await policy(talk(*text), upstream)
                if len(text) > 1:
                    assert upstream.asked[-1] == began

    run(scene)
