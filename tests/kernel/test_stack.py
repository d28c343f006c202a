"""The stack: what it refuses, what it warns of, and what it says it is."""

import warnings

import pytest
from calls import Inner, make_call

from hanzo_agents import ConfigError, Deadline, Fallback, Policy, Retry, Stack, StackWarning, Trace
from hanzo_agents._kernel.stack import Place, arrange

DEFAULT = (Trace(to=()), Deadline(), Retry())


def at(place, name):
    async def policy(call, send):
        return await send(call)

    policy.place, policy.__name__ = place, name
    return policy


def test_an_order_that_cannot_work_is_said_once_by_name():
    with pytest.warns(StackWarning) as caught:
        Stack(at(Place.BUDGET, "Money"), Retry())
    assert [str(w.message) for w in caught] == [
        "Stack: Money stands outside Retry: retries are sent without being reserved"
    ]


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (Place.BUDGET, Place.FALLBACK), (Place.BREAKER, Place.FALLBACK), (Place.BREAKER, Place.RETRY),
        (Place.RATE_LIMIT, Place.RETRY), (Place.RATE_LIMIT, Place.CACHE), (Place.BUDGET, Place.CACHE),
        (Place.RETRY, Place.FALLBACK), (Place.RETRY, Place.DEADLINE),
    ],
)  # fmt: skip
def test_every_order_that_cannot_work_is_known(outer, inner):
    with pytest.warns(StackWarning, match="Outer stands outside Inner"):
        Stack(at(outer, "Outer"), at(inner, "Inner"))


def test_the_warning_points_at_the_callers_line():
    with pytest.warns(StackWarning) as caught:
        Stack(Retry(), Fallback(to=["b"]))
    assert caught[0].filename == __file__


def test_the_stacks_own_order_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Stack(*(at(place, place.name) for place in sorted(Place)))


@pytest.mark.parametrize(
    ("policies", "why"),
    [
        ([Retry], r"a class: call it first"),
        (["retry"], "expected policies"),
        ([None], "expected policies"),
        (Retry(), "expected a list of policies or a Stack, got Retry"),
        (5, "got int"),
        ([Retry(), Retry()], r"Retry is given twice; an explicit Stack"),
    ],
    ids=str,
)
def test_what_is_no_list_of_policies_is_refused(policies, why):
    with pytest.raises(ConfigError, match=why):
        arrange(policies, default=DEFAULT)


def test_plain_functions_may_come_more_than_once():
    async def one(call, send):
        return await send(call)

    async def other(call, send):
        return await send(call)

    assert repr(arrange([one, other], default=())) == "Stack(one, other)"


def test_nothing_given_is_the_default_and_an_empty_list_is_nothing():
    assert arrange(None, default=DEFAULT).policies == DEFAULT
    assert arrange([], default=DEFAULT).policies == ()
    assert arrange((), default=DEFAULT).policies == ()


def test_fallbacks_join_whichever_there_is():
    extra = Fallback(to=["b"])
    for policies in (None, [], [Retry()]):
        assert extra in arrange(policies, default=DEFAULT, extra=[extra]).policies
    assert repr(arrange([], default=DEFAULT, extra=[extra])) == "Stack(Fallback)"


def test_fallbacks_join_an_exact_stack_without_changing_what_works_in_it():
    """The fallback must stand outside Retry, inside Deadline."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stack = arrange(Stack(Deadline(), Retry()), default=DEFAULT, extra=[Fallback(to=["b"])])
    kinds = [type(policy).__name__ for policy in stack.policies]
    assert kinds.index("Fallback") < kinds.index("Retry")
    assert kinds.index("Deadline") < kinds.index("Retry")


def test_two_fallbacks_are_one_too_many():
    with pytest.raises(ConfigError, match="already hold a Fallback"):
        arrange([Fallback(to=["b"])], default=DEFAULT, extra=[Fallback(to=["c"])])


def test_a_stack_is_a_sequence_of_its_policies():
    policies = (Deadline(), Retry())
    stack = Stack(*policies)
    assert (tuple(stack), len(stack), repr(stack)) == (policies, 2, "Stack(Deadline, Retry)")
    assert len(Stack()) == 0
    assert repr(Stack()) == "Stack()"


def test_policies_are_policies_by_shape():
    assert isinstance(Retry(), Policy)
    assert isinstance(at(Place.OTHER, "x"), Policy)


async def test_the_outermost_policy_is_asked_first():
    passed = []

    def named(name):
        async def policy(call, send):
            passed.append(f"{name} in")
            reply = await send(call)
            passed.append(f"{name} out")
            return reply

        return policy

    reply = await Stack(named("a"), named("b")).bind(Inner("x"))(make_call())
    assert reply.value == "x"
    assert passed == ["a in", "b in", "b out", "a out"]


def test_the_default_policies_are_made_anew_for_every_client():
    """A retry budget is shared by sharing the object, never by accident."""
    from hanzo_agents import AsyncHanzo

    one, other = (AsyncHanzo("https://router.test/v1", "key", model="m") for _ in range(2))
    budgets = [next(p.budget for p in client.stack.policies if isinstance(p, Retry)) for client in (one, other)]
    assert budgets[0] is not budgets[1]
