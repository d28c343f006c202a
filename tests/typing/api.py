"""The public API as its users write it. mypy and pyright check this file; it is never run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, assert_type

import httpx2
import openai
from agents import Agent, Model, ModelProvider, RunConfig, Runner
from openai import AsyncOpenAI, AsyncStream, OpenAI, Stream, omit
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ParsedChatCompletion
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, SecretStr

from hanzo_agents import (
    AllProvidersFailed,
    Analytics,
    AsyncHanzo,
    Attempt,
    Batch,
    Blend,
    Blended,
    Call,
    Comparison,
    ConfigError,
    Cost,
    CostEstimate,
    Deadline,
    DeadlineExceeded,
    Decision,
    EnsembleEvent,
    Failure,
    Fallback,
    FallbackProvider,
    Hanzo,
    HanzoChatCompletion,
    HanzoChatCompletionChunk,
    HanzoCreateEmbeddingResponse,
    HanzoError,
    HanzoModel,
    HanzoModelProvider,
    HanzoParsedChatCompletion,
    HanzoResponse,
    InvalidResponse,
    Journal,
    Judge,
    Judged,
    LimitState,
    Log,
    Metrics,
    ModelAnswer,
    ModelStats,
    Observer,
    OpenTelemetry,
    Plan,
    Policy,
    PolicyModel,
    RateLimit,
    RateLimited,
    RateLimitedProvider,
    Refused,
    Reply,
    Retry,
    RetryBudget,
    Send,
    Settings,
    Settled,
    Stack,
    StreamTruncated,
    Summary,
    Target,
    Trace,
    Usage,
    Verdict,
    Watching,
    errors,
    get_hanzo_provider,
    get_provider,
    substitutable,
    track,
    transient,
    watch,
    wrap,
)
from hanzo_agents._wire.stream import HanzoChatStream
from hanzo_agents.mcp import AsyncMCPClient, MCPClient, StdioServer, ToolRules, ToolRun, run_tools

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from openai.types import CreateEmbeddingResponse
    from openai.types.chat import ChatCompletionMessageParam


class City(BaseModel):
    name: str


def use(*_: object) -> None:
    """Whatever a program does with what it got."""


async def agents_run() -> None:
    provider = HanzoModelProvider()
    agent = Agent(name="Assistant", instructions="Be brief.", model="zen-1")
    result = await Runner.run(agent, "Hello!", run_config=RunConfig(model_provider=provider))
    use(result.final_output)
    async with HanzoModelProvider.local(model="smollm2") as local:
        assert_type(local, HanzoModelProvider)
        Runner.run_streamed(agent, "Hello!", run_config=RunConfig(model_provider=local))


async def providers() -> None:
    provider = HanzoModelProvider(
        "https://router.example/v1",
        "key",
        model="zen-1",
        fallbacks=["zen-1-mini", Target("gpt-4o", base_url="https://api.openai.com/v1", api_key="key")],
        policies=[Retry(attempts=2), Deadline(total=30)],
        api="responses",
        headers={"X-Team": "search"},
        user_id="ada",
        metadata={"tags": ["nightly"]},
        timeout=10,
        env_file=".env",
        allow_insecure=True,
        verify=False,
    )
    as_the_sdk_sees_it: ModelProvider = provider
    model = provider.get_model("zen-1")
    assert_type(model, HanzoModel | PolicyModel)
    any_model: Model = as_the_sdk_sees_it.get_model(None)
    use(any_model)
    assert_type(provider.client, AsyncHanzo)
    assert_type(await provider.health(), bool)
    assert_type(await provider.list_models(), list[str])
    assert_type(get_provider(), HanzoModelProvider)
    assert_type(get_hanzo_provider(), HanzoModelProvider)
    await provider.aclose()
    HanzoModelProvider(policies=Stack(Trace(), Retry()))
    HanzoModelProvider(policies=[])
    HanzoModelProvider(http_client=httpx2.AsyncClient())
    HanzoModelProvider(api="completions")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def chat(client: AsyncHanzo, messages: list[ChatCompletionMessageParam], *, stream: bool) -> None:
    create = client.chat.completions.create

    # The client's default model.
    assert_type(await create(messages=messages), HanzoChatCompletion)
    assert_type(await create(messages=[{"role": "user", "content": "Hi"}], model="zen-1"), HanzoChatCompletion)
    assert_type(await create(messages=messages, stream=False, temperature=0.2), HanzoChatCompletion)
    assert_type(await create(messages=messages, stream=omit, model=omit, user=omit), HanzoChatCompletion)
    chunks = await create(messages=messages, stream=True, stream_options={"include_usage": True})
    assert_type(chunks, HanzoChatStream)
    as_the_sdk_sees_them: AsyncStream[ChatCompletionChunk] = chunks
    use(as_the_sdk_sees_them)
    async with chunks:
        async for chunk in chunks:
            assert_type(chunk, HanzoChatCompletionChunk)
            use(chunk.cost, chunk.tool_calls)
    either = await create(messages=messages, stream=stream)
    assert_type(either, HanzoChatCompletion | HanzoChatStream)

    # What is wrong in the SDK's eyes is wrong here.
    await create(model="zen-1")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]
    await create(messages=messages, temprature=1)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]
    await create(messages=messages, temperature="hot")  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]

    raw = await client.chat.completions.with_raw_response.create(messages=messages, model="zen-1")
    assert_type(raw.parse(), ChatCompletion)
    parsed = await client.chat.completions.parse(messages=messages, response_format=City)
    assert_type(parsed, HanzoParsedChatCompletion[City])
    as_the_sdk_sees_it: ParsedChatCompletion[City] = parsed
    use(as_the_sdk_sees_it.id)
    assert_type(parsed.choices[0].message.parsed, City | None)
    await client.chat.completions.parse(messages=messages, response_format=City, quality_threshold="good")
    client.chat.completions.stream(messages=messages, options={"role": "pro"})
    async with client.chat.completions.stream(messages=messages) as events:
        final: ChatCompletion = await events.get_final_completion()
    streaming = client.chat.completions.with_streaming_response
    async with streaming.create(messages=messages, model="zen-1") as response:
        use(final, response.headers)


async def responses(client: AsyncHanzo, *, stream: bool) -> None:
    assert_type(await client.responses.create(input="Hi"), HanzoResponse)
    assert_type(await client.responses.create(input="Hi", model="zen-1", stream=False), HanzoResponse)
    events = await client.responses.create(input="Hi", stream=True)
    assert_type(events, AsyncStream[ResponseStreamEvent])
    either = await client.responses.create(input="Hi", stream=stream)
    assert_type(either, HanzoResponse | AsyncStream[ResponseStreamEvent])
    async with client.responses.stream(input="Hi", text_format=City) as streaming:
        use(await streaming.get_final_response())
    raw = await client.responses.with_raw_response.create(input="Hi")
    assert_type(raw.parse(), Response)
    assert_type((await client.responses.parse(input="Hi", text_format=City)).output_parsed, City | None)


async def clients() -> None:
    async with AsyncHanzo(model="zen-1", fallbacks=["zen-1-mini"], max_retries=1) as client:
        assert_type(client, AsyncHanzo)
        as_the_sdk_sees_it: AsyncOpenAI = client
        use(as_the_sdk_sees_it)
        assert_type(client.with_options(timeout=3, max_retries=0), AsyncHanzo)
        assert_type(client.copy(default_headers={"X-Team": "search"}), AsyncHanzo)
        assert_type(client.default_model, str | None)
        assert_type(client.stack, Stack)
        embedded = await client.embeddings.create(input="Hi", model="zen-embed")
        assert_type(embedded, HanzoCreateEmbeddingResponse)
        bare: CreateEmbeddingResponse = await client.embeddings.create(input=["Hi"])
        use(bare)
        assert_type([model.id async for model in client.models.list()], list[str])


def known(reply: HanzoChatCompletion, answer: HanzoResponse) -> None:
    assert_type(reply.provider, str | None)
    assert_type(reply.routing_reason, str)
    assert_type(reply.cost, Decimal | None)
    assert_type(reply.cost_basis, Literal["reported", "estimated", "unknown"])
    assert_type(reply.from_cache, bool)
    assert_type(reply.attempts, tuple[Attempt, ...])
    assert_type(reply.latency, float | None)
    use([call.id for call in reply.tool_calls], [call.call_id for call in answer.tool_calls])
    as_the_sdk_sees_it: ChatCompletion = reply
    use(as_the_sdk_sees_it)


def synchronous(messages: list[ChatCompletionMessageParam]) -> None:
    def key() -> str:
        return "key"

    with Hanzo("https://router.example/v1", key, model="zen-1", fallbacks=["zen-1-mini"], timeout=3) as client:
        assert_type(client, Hanzo)
        as_the_sdk_sees_it: OpenAI = client
        use(as_the_sdk_sees_it)
        create = client.chat.completions.create
        assert_type(create(messages=messages), HanzoChatCompletion)
        chunks = create(messages=messages, stream=True)
        bare: Stream[ChatCompletionChunk] = chunks
        use(bare)
        for chunk in chunks:
            assert_type(chunk, HanzoChatCompletionChunk)
        parsed = client.chat.completions.parse(messages=messages, response_format=City)
        assert_type(parsed.choices[0].message.parsed, City | None)
        with client.chat.completions.stream(messages=messages) as events:
            use([event.type for event in events])
        assert_type(client.responses.create(input="Hi"), HanzoResponse)
        assert_type(client.responses.create(input="Hi", stream=True), Stream[ResponseStreamEvent])
        assert_type(client.responses.parse(input="Hi", text_format=City).output_parsed, City | None)
        assert_type(client.embeddings.create(input="Hi"), HanzoCreateEmbeddingResponse)
        assert_type([model.id for model in client.models.list()], list[str])
        assert_type(client.with_options(max_retries=0, timeout=3), Hanzo)
        assert_type(client.explain(messages=messages), Plan)
        create(messages=messages, options={"role": "pro"}, quality_threshold="good")
        client.chat.completions.parse(messages=messages, response_format=City, options={"role": "pro"})
        client.chat.completions.stream(messages=messages, quality_threshold=0.8)
        client.responses.parse(input="Hi", text_format=City, quality_threshold="good")
        client.responses.stream(input="Hi", options={"role": "pro"})
        assert_type(client.analytics, Analytics)
        assert_type(client.analytics.get_summary(), Summary)
        assert_type(client.analytics.get_summary().by_model["zen-1"], ModelStats)
        assert_type(client.estimate_cost(messages=messages, model="zen-1"), CostEstimate)
        batch = client.chat.completions.batch_create(
            [messages, {"role": "user", "content": "Hi"}], max_concurrent=3
        )
        assert_type(batch, Batch[HanzoChatCompletion])
        assert_type([reply.id for reply in batch], list[str])
        assert_type(batch.errors, dict[int, Exception])
        compared = client.compare(models=["a", Target("b")], messages=messages, temperature=0.5)
        assert_type(compared, Comparison)
        assert_type(compared["a"], ModelAnswer)
        assert_type(client.blend(models=["a", "b"], messages=messages, strategy="moa", layers=2), Blended)
        judged = client.judge(contestants=["a", "b"], messages=messages)
        assert_type(judged, Judged)
        assert_type(judged.verdict, Verdict)
        for event in client.blend(models=["a", "b"], messages=messages, stream=True):
            assert_type(event, EnsembleEvent)
        client.blend(models=["a", "b"], messages=messages, strategy="vote")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
        create(messages=messages, temprature=1)  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]
    Hanzo(tmeout=3)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    assert_type(Hanzo.local(model="smollm2"), Hanzo)


def targets(foreign: Model) -> None:
    here = Target("zen-1", lacks=frozenset({"vision"}), context_window=8192, label="small")
    elsewhere = Target("gpt-4o", base_url="https://api.openai.com/v1", api_key="key", headers={"X": "y"})
    keep_the_name = Target(base_url="https://other.example/v1", api_key="key")
    assert_type(here.name, str)
    assert_type(Target(foreign).foreign, bool)
    assert_type(Target.of("zen-1"), Target)
    Fallback(to=["zen-1-mini", here, elsewhere, keep_the_name, Target(foreign)], on=substitutable)


def policies() -> list[Policy]:
    def busy(error: Exception) -> bool:
        return transient(error) or isinstance(error, openai.RateLimitError)

    return [
        Retry(attempts=4, base_delay=0.1, max_delay=timedelta(seconds=2), on=busy, budget=RetryBudget(10)),
        Retry(budget=None),
        Fallback(to=("zen-1-mini",), on=busy),
        Blend(["zen-1", Target("gpt-4o")], synthesizer="zen-1", strategy="council", patience=timedelta(seconds=9)),
        Judge(["zen-1", "gpt-4o"], judge="zen-1", criteria=["It is short."]),
        Deadline(total=timedelta(minutes=1), first_event=5, idle=None),
        Trace(to=[Printer()]),
        polite,
        Counting(),
    ]


async def polite(call: Call, send: Send, /) -> Reply:
    """A policy is any such function."""
    if call.attempt > 1 and (left := call.remaining()) is not None and left < 1:
        raise Refused("no time left")
    call.note("polite", "sends", call.view.text, needs=sorted(call.view.needs))
    reply = await send(call.aimed_at(Target.of("zen-1")).within(call.clock.now() + 3))
    assert_type(reply, Reply)
    return reply


@dataclass(frozen=True, kw_only=True)
class Counting:
    """Or such an object."""

    most: int = 3

    async def __call__(self, call: Call, send: Send, /) -> Reply:
        if len(call.journal.attempts) >= self.most:
            raise Refused("enough", retry_after=60)
        reply = await send(call.again())
        reply.on_settled(self.ended)
        return reply

    def ended(self, settled: Settled) -> None:
        assert_type(settled.usage, Usage | None)
        assert_type(settled.cost, Cost)
        assert_type(settled.error, BaseException | None)
        assert_type(settled.complete, bool)


class Printer:
    """An observer."""

    def attempt_started(self, journal: Journal, attempt: Attempt) -> None:
        use(journal.operation, attempt.number, attempt.target)

    def attempt_ended(self, journal: Journal, attempt: Attempt) -> None:
        assert_type(attempt.ttft, float | None)
        assert_type(attempt.usage, Usage | None)
        use(journal.operation, attempt.cost.amount, attempt.error)

    def decided(self, journal: Journal, decision: Decision) -> None:
        use(journal.operation, decision.policy, decision.action, decision.reason, decision.data)

    def call_ended(self, journal: Journal) -> None:
        use(journal.operation, journal.error)


def protocols() -> None:
    policy: Policy = polite
    service: Callable[[Call], Awaitable[Reply]]
    stack = Stack(Trace(), policy, Counting())
    assert_type(len(stack), int)
    assert_type(list(stack), list[Policy])
    assert_type(stack.policies, tuple[Policy, ...])

    async def wire(call: Call) -> Reply:
        return Reply(call.payload)

    send: Send = wire
    service = stack.bind(send)
    observer: Observer = Printer()
    use(service, observer)
    Stack(Retry)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def foreign_models(model: Model, primary: ModelProvider, second: ModelProvider) -> None:
    assert_type(wrap(model), PolicyModel)
    assert_type(wrap(model, Retry(attempts=2), polite), PolicyModel)
    assert_type(wrap(model, Stack(Retry())), PolicyModel)
    provider = FallbackProvider([("gpt-4", primary), ("claude", second), (None, second)], Retry(), polite)
    assert_type(provider.get_model(None), Model)
    RunConfig(model_provider=provider)


async def tracked(client: AsyncHanzo) -> Decimal:
    spent = Decimal(0)
    with track() as journals:
        await client.chat.completions.create(messages=[{"role": "user", "content": "Hi"}])
    assert_type(journals, list[Journal])
    for attempt in journals[0].attempts:
        assert_type(attempt, Attempt)
        assert_type(attempt.cost.basis, Literal["reported", "estimated", "unknown"])
        if attempt.usage is not None:
            assert_type(attempt.usage.total_tokens, int)
        spent += attempt.cost.amount or 0
    assert_type(journals[0].decisions, list[Decision])
    return spent


async def failures(client: AsyncHanzo) -> None:
    try:
        await client.responses.create(input="Hi")
    except AllProvidersFailed as error:
        assert_type(error.failures, tuple[Failure, ...])
        for failure in error.failures:
            assert_type(failure.target, str)
            assert_type(failure.error, Exception)
        group: ExceptionGroup[Exception] = error
        use(group.exceptions)
    except DeadlineExceeded as error:
        late: TimeoutError = error
        use(late)
    except errors.BudgetExceeded as error:
        assert_type(error.limit, Decimal)
        assert_type(error.resets_at, float | None)
    except Refused as error:
        assert_type(error.retry_after, float | None)
    except StreamTruncated as error:
        broken: InvalidResponse = error
        assert_type(broken.body, str | None)
    except ConfigError as error:
        wrong: ValueError = error
        use(wrong)
    except HanzoError as error:
        upstream: openai.OpenAIError = error
        use(upstream)
        assert_type(error.status_code, int | None)
        assert_type(error.code, str | None)
        assert_type(error.request_id, str | None)


def settings() -> dict[str, Any]:
    found = Settings.resolve(base_url="https://router.example/v1", api_key="key", env_file=".env")
    assert_type(found, Settings)
    assert_type(found.base_url, str)
    assert_type(found.api_key, SecretStr)
    assert_type(found.model, str | None)
    return found.model_dump()


def watched() -> None:
    metrics = Metrics(None, max_names=50, buckets=[0.1, 1, 10])
    with watch(metrics) as watching, metrics.serve(9090, host="0.0.0.0") as server:
        assert_type(watching, Watching)
        assert_type(server.url, str)
    watch(Log()).stop()
    Trace(to=[OpenTelemetry(), Log(), metrics])
    metrics.close()
    watch(object())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def with_tools_of_servers(sync: Hanzo, client: AsyncHanzo) -> None:
    rules = ToolRules(timeout=timedelta(seconds=5), breaker=None)
    mcp = MCPClient("https://localhost", ["mcp-server-time"], {"a": StdioServer(command=["b"])}, rules=rules)
    Agent(name="A", tools=mcp.get_tools())
    reply = sync.chat.completions.create(messages=[], tools=mcp.get_tools())
    assert_type(mcp.execute_tool_calls(reply.tool_calls), list[dict[str, Any]])
    assert_type(run_tools(sync, messages=[], tools=mcp, budget="0.5"), ToolRun)
    async with AsyncMCPClient(approve=lambda request: request.tool != "rm") as asynchronous:
        assert_type((await asynchronous.call_tool("x", {"n": 1})).text, str)
        run = await run_tools(client, messages=[], tools=asynchronous)
    assert_type(run, ToolRun)
    assert_type(run.cost, Cost)
    MCPClient(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def limited(any_provider: ModelProvider) -> None:
    limit = RateLimit(requests_per_minute=60, tokens_per_minute=90_000, key=lambda call: call.view.operation)
    assert_type(limit.state("m", name="chat"), LimitState)
    provider = RateLimitedProvider(any_provider, requests_per_minute=60, max_concurrent=10)
    assert_type(provider.limit, RateLimit)
    served: ModelProvider = provider
    use(served)
    try:
        use(limit)
    except RateLimited as error:
        assert_type(error.retry_after, float | None)
    RateLimit(requests_per_minute="60")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
