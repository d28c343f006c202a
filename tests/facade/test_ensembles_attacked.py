"""What is asked of several models and cannot be had: said before anybody is paid."""

import pytest
from test_ensembles import MESSAGES, client, sync_client, upstream
from upstream import HELLO

from hanzo_agents.errors import ConfigError

RESULTS = [
    HELLO,
    {
        "role": "assistant",
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "1", "content": "x"},
]
NO_CONVERSATIONS = [None, 5, "Hello", b"Hello", {"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("messages", NO_CONVERSATIONS, ids=repr)
async def test_messages_that_are_none_are_sent_to_nobody(messages, stream):
    router = upstream()
    asked = client(router)
    for ask in (
        lambda: asked.compare(models=["gpt", "claude"], messages=messages, stream=stream),
        lambda: asked.blend(models=["gpt", "claude"], messages=messages, stream=stream),
        lambda: asked.judge(contestants=["gpt", "claude"], messages=messages, stream=stream),
    ):
        with pytest.raises(ConfigError, match="messages: expected a list of messages, got"):
            await ask()
    assert router.hits == 0


async def test_an_iterator_of_messages_is_read_once():
    judged = await client().judge(contestants=["gpt", "claude"], judge="judge", messages=iter(MESSAGES))
    assert judged.content == "Lyon, no doubt."


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"messages": RESULTS}, "results of tools"),
        ({"extra_body": {"tools": [{"type": "function", "function": {"name": "f"}}]}}, "judge.tools"),
    ],
)
async def test_what_cannot_be_judged_is_paid_by_nobody(more, message, stream):
    router = upstream()
    with pytest.raises(ConfigError, match=message):
        await client(router).judge(
            **{"contestants": ["gpt", "claude"], "judge": "m", "messages": MESSAGES, "stream": stream, **more}
        )
    assert router.hits == 0


async def test_a_single_request_brings_no_verdict():
    router = upstream()
    single = client(router).with_options(max_retries=0)
    with pytest.raises(ConfigError, match="a verdict takes several requests"):
        await single.judge(contestants=["gpt", "claude"], judge="m", messages=MESSAGES)
    assert router.hits == 0
    await single.blend(models=["gpt", "claude"], synthesizer="m", messages=MESSAGES)
    assert router.hits == 1


def test_nor_without_a_loop():
    router = upstream()
    with pytest.raises(ConfigError, match="a verdict takes several requests"):
        sync_client(router).with_options(max_retries=0).judge(
            contestants=["gpt", "claude"], judge="m", messages=MESSAGES
        )
    assert router.hits == 0
