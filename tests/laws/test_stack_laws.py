"""Laws of the stack: empty, it is not there; arranged, its order does not depend on how it was written down."""

import asyncio
import warnings

import pytest
from calls import Inner, make_call
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents import ConfigError, Deadline, Fallback, Retry, Stack, StackWarning, Trace
from hanzo_agents._kernel.stack import Place, arrange

DEFAULT = (Trace(to=()), Deadline(), Retry())


def placed(where):
    """A policy that only writes down that it was passed."""
    kind = type(f"At{where.name.title()}", (_Passing,), {"place": where})
    return kind()


class _Passing:
    place = Place.OTHER

    async def __call__(self, call, send):
        call.note(type(self).__name__, "passed", "")
        return await send(call)


@given(answer=st.one_of(st.text(), st.just(ValueError("no")), st.none()))
def test_an_empty_stack_is_the_service_itself(answer):
    inner = Inner(answer)
    call = make_call()
    bound = Stack().bind(inner)

    async def run():
        if isinstance(answer, ValueError):
            with pytest.raises(ValueError, match="no"):
                await bound(call)
        else:
            assert (await bound(call)).value == answer

    asyncio.run(run())
    assert inner.calls == [call]


@given(st.permutations([placed(place) for place in Place]))
def test_arranged_policies_stand_in_their_own_order_however_they_were_given(policies):
    stack = arrange(policies, default=())
    assert [policy.place for policy in stack.policies] == sorted(Place)
    call = make_call()
    asyncio.run(stack.bind(Inner())(call))
    assert [decision.policy for decision in call.journal.decisions] == [
        f"At{place.name.title()}" for place in sorted(Place)
    ]


@given(st.permutations([Trace(to=()), Deadline(total=5), Retry(attempts=7), Fallback(to=["b"])]))
def test_a_policy_of_the_same_class_replaces_its_default(policies):
    stack = arrange(policies[:2], default=DEFAULT)
    kinds = [type(policy) for policy in stack.policies]
    assert len(set(kinds)) == len(kinds)
    assert {Trace, Deadline, Retry} <= set(kinds)
    for policy in policies[:2]:
        assert any(policy is kept for kept in stack.policies)


@given(st.permutations([placed(place) for place in Place]), st.integers(0, len(Place)))
def test_an_explicit_stack_is_obeyed(policies, size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StackWarning)
        stack = Stack(*policies[:size])
        call = make_call()
        asyncio.run(arrange(stack, default=DEFAULT).bind(Inner())(call))
    assert [decision.policy for decision in call.journal.decisions] == [
        type(policy).__name__ for policy in policies[:size]
    ]


@given(st.lists(st.sampled_from([1, "retry", None, Retry, object()]), min_size=1, max_size=3))
def test_what_is_no_policy_is_refused_before_anything_is_sent(policies):
    with pytest.raises(ConfigError, match="policies"):
        arrange(policies, default=DEFAULT)
