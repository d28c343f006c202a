"""Strategies of the user's own, as the documents show them."""

import pytest
from scenes import EASY, HARD, LOCAL, NAMES, Upstream, chosen, decision, route, talk

from hanzo_agents import ConfigError, Fallback, Refused, Route, Stack, Target
from hanzo_agents.routing import RoutingStrategy, routed


class CustomRoutingStrategy(RoutingStrategy):
    """Route based on custom business logic."""

    def select_model(self, messages, options):
        user_role = options.get("user_role", "free")
        if user_role == "enterprise":
            return "gpt-4"
        elif user_role == "pro":  # noqa: RET505 - as the document has it
            return "llama-3-70b"
        else:
            return "llama-3-8b"

    def should_use_local(self, messages, options):
        content = " ".join(m["content"] for m in messages)
        return self.contains_pii(content)


@pytest.mark.parametrize(
    ("role", "expected"), [("enterprise", "gpt-4"), ("pro", "llama-3-70b"), (None, "llama-3-8b")]
)
async def test_the_model_by_the_users_role(role, expected):
    policy = Route(strategy=CustomRoutingStrategy())
    with routed(options={"user_role": role} if role else None):
        call = talk("Hello")
        assert await chosen(policy, call) == expected
    assert decision(call).reason == f"{expected}: CustomRoutingStrategy says so"


async def test_personal_data_stays_local_whatever_model_is_named():
    policy = route([*NAMES, LOCAL], local=["local"], strategy=CustomRoutingStrategy())
    private = talk("I am jane@example.com")
    with routed(options={"user_role": "enterprise"}):
        assert await chosen(policy, private) == "local"
        upstream = Upstream(local=ConnectionError())
        with pytest.raises(Exception, match="must stay"):
            await Stack(policy, Fallback(to=["best"])).bind(upstream)(talk("I am jane@example.com"))
        assert upstream.asked == ["local"]


async def test_personal_data_with_nowhere_to_stay_is_refused():
    upstream = Upstream()
    with pytest.raises(Refused) as error:
        await Route(strategy=CustomRoutingStrategy())(talk("I am jane@example.com"), upstream)
    assert error.value.code == "local_only"
    assert upstream.asked == []


async def test_a_local_model_that_is_named_is_taken():
    class Named(RoutingStrategy):
        def select_model(self, messages, options):
            return "tiny"

        def should_use_local(self, messages, options):
            return True

    assert await chosen(route([*NAMES, LOCAL], local=["local"], strategy=Named()), talk(HARD)) == "local"


async def test_one_that_does_not_say_leaves_it_to_the_balanced_strategy():
    policy = route(strategy=RoutingStrategy())
    assert await chosen(policy, talk(EASY)) == "small"
    assert await chosen(policy, talk(HARD)) == "best"


async def test_a_target_may_be_named():
    class Mine(RoutingStrategy):
        def select_model(self, messages, options):
            return Target("m", "http://127.0.0.1:9/v1", "k")

    assert await chosen(Route(strategy=Mine()), talk(EASY)) == "m@127.0.0.1:9"


async def test_content_is_text_however_the_message_is_made():
    seen = []

    class Reads(RoutingStrategy):
        def select_model(self, messages, options):
            seen.extend((m["role"], m["content"]) for m in messages)
            return "m"

    messages = (
        {
            "role": "user",
            "content": [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}],
        },
        {"type": "function_call_output", "call_id": "1", "output": "42"},
    )
    from calls import PlainView, make_call

    await chosen(Route(strategy=Reads()), make_call(view=PlainView(messages=messages)))
    assert seen == [("user", "Look:"), ("assistant", '{"a": 1}'), ("tool", "42")]


@pytest.mark.parametrize("answer", [7, ""])
async def test_an_answer_that_is_no_model_is_said(answer):
    class Odd(RoutingStrategy):
        def select_model(self, messages, options):
            return answer

    with pytest.raises(ConfigError, match="select_model"):
        await chosen(Route(strategy=Odd()), talk(EASY))


async def test_a_coroutine_is_not_taken_for_yes():
    class Waits(RoutingStrategy):
        async def should_use_local(self, messages, options):
            return False

    with pytest.raises(ConfigError, match="should_use_local"):
        await chosen(Route(strategy=Waits()), talk(EASY))


async def test_a_strategy_that_fails_sends_nothing():
    class Broken(RoutingStrategy):
        def select_model(self, messages, options):
            raise KeyError("role")

    upstream = Upstream()
    with pytest.raises(KeyError):
        await Route(strategy=Broken())(talk(EASY), upstream)
    assert upstream.asked == []


def test_a_class_is_not_a_strategy():
    with pytest.raises(ConfigError, match="call it first"):
        Route(strategy=RoutingStrategy)
