"""The LLMWise clients as their users write them. mypy and pyright check this file; it is never run."""

from __future__ import annotations

from typing import Any, assert_type

from agents import Agent, Model

from hanzo_agents import Fallback, Retry, Target, wrap
from hanzo_agents.llmwise import AsyncLLMWise, LLMWise, LLMWiseError, LLMWiseModel
from hanzo_agents.llmwise.shapes import Blend, Chat, Compare, Event, Judge, Message


def sync(client: LLMWise) -> None:
    """Answers, and events in a `for` loop."""
    messages: list[Message] = [{"role": "user", "content": "Hello"}]
    answer = client.chat(model="auto", messages=messages, temperature=0.5, routing={"fallback": ["gpt-5.2"]})
    assert_type(answer, Chat)
    assert_type(answer["content"], str)
    assert_type(client.compare(models=["a", "b"], messages=messages), Compare)
    assert_type(client.blend(models=["a", "b"], messages=messages, strategy="moa", layers=2), Blend)
    assert_type(client.judge(contestants=["a", "b"], judge="c", messages=messages, criteria=["wit"]), Judge)
    for event in client.chat_stream(model="auto", messages=messages):
        assert_type(event, Event)
        assert_type(event.get("delta"), str | None)
    assert_type(client.models(), list[dict[str, Any]])
    assert_type(client.history(limit=5), dict[str, Any])
    assert_type(client.optimization_test_run_csv("run_1"), str)
    client.chat(model="auto", messages=messages, temprature=0.5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    client.conversations(limit="many")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def asynchronous(client: AsyncLLMWise) -> None:
    """The same, awaited."""
    messages: list[Message] = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert_type(await client.chat(model="auto", messages=messages), Chat)
    async for event in client.compare_stream(models=["a", "b"], messages=messages):
        assert_type(event, Event)
    assert_type(await client.credits_packs(), list[dict[str, Any]])
    try:
        await client.memory_delete("mem_1")
    except LLMWiseError as error:
        assert_type(error.status_code, int)


def for_agents() -> Agent[Any]:
    """A model among others."""
    model: Model = LLMWiseModel("auto", AsyncLLMWise("mm_sk_...", policies=[Retry(attempts=2)]))
    return Agent(name="Poet", model=wrap(model, Fallback(to=[Target(model=LLMWiseModel("gpt-5.2"))])))
