"""Laws of Fallback: each target once, in order, whatever the shape of the chain; nothing is swallowed."""

import asyncio

import pytest
from calls import Inner, http_error, make_call
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents import AllProvidersFailed, Fallback, Retry, Stack, Target

NAMES = st.sampled_from(["a", "b", "c", "d"])


def run_fallback(policy, inner, **fields):
    call = make_call(**fields)

    async def run():
        try:
            return await policy(call, inner), None
        except Exception as error:
            return None, error

    return (*asyncio.run(run()), call)


@given(NAMES, st.lists(NAMES, min_size=1, max_size=50))
def test_each_target_is_visited_once_in_the_order_of_the_chain(first, chain):
    inner = Inner(http_error(503))
    _, error, _ = run_fallback(Fallback(to=chain), inner, target=first)
    assert inner.targets == list(dict.fromkeys([first, *chain]))
    assert isinstance(error, AllProvidersFailed)
    assert [failure.target for failure in error.failures] == inner.targets
    assert list(error.exceptions) == [failure.error for failure in error.failures]
    for name in inner.targets:
        assert name in str(error)


@given(NAMES, st.lists(NAMES, min_size=1, max_size=8), st.data())
def test_it_stops_at_the_first_target_that_accepts(first, chain, data):
    targets = list(dict.fromkeys([first, *chain]))
    failures = data.draw(st.integers(0, len(targets) - 1))
    inner = Inner(*[http_error(503)] * failures, "answer")
    reply, error, call = run_fallback(Fallback(to=chain), inner, target=first)
    assert error is None
    assert reply.value == "answer"
    assert inner.targets == targets[: failures + 1]
    assert [decision.action for decision in call.journal.decisions] == ["moves on"] * failures


@given(st.integers(1, 4), st.integers(1, 3))
def test_every_target_gets_its_attempts_afresh(targets, attempts):
    inner = Inner(http_error(503))
    stack = Stack(
        Fallback(to=[f"t{i}" for i in range(targets)]), Retry(attempts=attempts, base_delay=0, budget=None)
    )

    async def through(call, send):
        return await stack.bind(send)(call)

    run_fallback(through, inner)
    assert [call.attempt for call in inner.calls] == [*range(1, attempts + 1)] * (targets + 1)


@given(st.lists(st.sampled_from([503, 429, 404, 500]), max_size=3), st.sampled_from([400, 401, 403, 422]))
def test_an_error_that_is_an_answer_ends_the_chain_and_keeps_its_type(before, last):
    final = http_error(last)
    inner = Inner(*(http_error(code) for code in before), final, "never")
    _, error, _ = run_fallback(Fallback(to=["b", "c", "d"]), inner)
    assert error is final
    assert len(inner.calls) == len(before) + 1
    notes = getattr(error, "__notes__", [])
    assert len(notes) == len(before)
    assert all("earlier in the fallback chain" in note for note in notes)


@given(st.booleans(), st.booleans())
def test_pinned_and_single_calls_stay_where_they_are(pinned, single):
    inner = Inner(http_error(503), "answer")
    _, error, _ = run_fallback(Fallback(to=["b"]), inner, pinned=pinned, single=single)
    stays = pinned or single
    assert (error is not None) is stays
    assert len(inner.calls) == (1 if stays else 2)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()], ids=repr)
async def test_leaving_is_no_failure_to_fall_back_from(error):
    inner = Inner(error, "answer")
    with pytest.raises(type(error)):
        await Fallback(to=["b"])(make_call(), inner)
    assert len(inner.calls) == 1


def test_one_model_at_two_endpoints_is_two_targets():
    inner = Inner(http_error(503))
    elsewhere = [Target("m", base_url=f"https://{host}.test/v1", api_key="k-" + host) for host in ("x", "y", "x")]
    run_fallback(Fallback(to=elsewhere), inner)
    assert inner.targets == ["m", "m@x.test", "m@y.test"]


def test_one_endpoint_with_two_keys_is_two_targets():
    """`emergency_provider` of the same router may be another account."""
    inner = Inner(http_error(429))
    keys = [Target("m", base_url="https://x.test/v1", api_key=key) for key in ("one-key", "other-key")]
    run_fallback(Fallback(to=keys), inner)
    assert len(inner.calls) == 3


@given(st.lists(st.integers(0, 2), min_size=1, max_size=10))
def test_model_objects_are_told_apart_by_identity_not_by_name(picks):
    class Model:
        model = "same-name"

    models = [Model(), Model(), Model()]
    inner = Inner(http_error(503))
    run_fallback(Fallback(to=[Target(models[i]) for i in picks]), inner)
    assert [call.target.model for call in inner.calls[1:]] == [models[i] for i in dict.fromkeys(picks)]
