"""The cache under the Agents SDK: through the provider, and around models of any make."""

import asyncio
import gc

import pytest
from agents import Agent, ModelSettings, RunConfig, Runner, function_tool, handoff
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage
from openai.types.responses import ResponseReasoningItem
from openai.types.responses.response_reasoning_item import Summary
from upstream import Upstream, call_chunks, call_item, completion, response, response_events, sse, text_chunks

from hanzo_agents import Cache, Fallback, Target, track, wrap


async def run(agent, question="Hi", *, stream=False, provider=None):
    config = RunConfig(model_provider=provider) if provider else RunConfig()
    if not stream:
        return await Runner.run(agent, question, run_config=config)
    result = Runner.run_streamed(agent, question, run_config=config)
    async for _ in result.stream_events():
        pass
    return result


BOTH = pytest.mark.parametrize("then", [False, True], ids=["then a value", "then a stream"])
FIRST = pytest.mark.parametrize("first", [False, True], ids=["a value", "a stream"])


class TestTheProvider:
    @BOTH
    @FIRST
    @pytest.mark.parametrize("api", ["chat", "responses"])
    async def test_a_run_is_answered_from_another(self, api, first, then):
        replies = {
            ("chat", False): completion("Hello"),
            ("chat", True): sse(*text_chunks("Hel", "lo")),
            ("responses", False): response(text="Hello"),
            ("responses", True): sse(*response_events(text="Hello")),
        }
        upstream = Upstream(replies[api, first])
        provider = upstream.provider(policies=[Cache()], api=api)
        agent = Agent(name="A", model="m")
        assert (await run(agent, stream=first, provider=provider)).final_output == "Hello"
        with track() as journals:
            result = await run(agent, stream=then, provider=provider)
        assert result.final_output == "Hello"
        assert upstream.hits == 1
        assert journals[0].attempts[0].cache_hit
        assert journals[0].cost.amount == 0
        assert result.context_wrapper.usage.total_tokens == 5

    @BOTH
    @FIRST
    @pytest.mark.parametrize("api", ["chat", "responses"])
    async def test_a_run_with_tools(self, api, first, then):
        ran = []

        @function_tool
        def multiply(a: int, b: int) -> int:
            ran.append((a, b))
            return a * b

        said = '{"a": 15, "b": 23}'
        replies = {
            ("chat", False): [completion(None, calls=[("call_1", "multiply", said)]), completion("345")],
            ("chat", True): [sse(*call_chunks("call_1", "multiply", said)), sse(*text_chunks("345"))],
            ("responses", False): [response(call_item("call_1", "multiply", said)), response(text="345")],
            ("responses", True): [
                sse(*response_events(call_item("call_1", "multiply", said))), sse(*response_events(text="345")),
            ],
        }  # fmt: skip
        upstream = Upstream(*replies[api, first])
        provider = upstream.provider(policies=[Cache()], api=api)
        agent = Agent(name="A", model="m", tools=[multiply])
        for number, stream in enumerate([first, then, then], 1):
            assert (await run(agent, stream=stream, provider=provider)).final_output == "345"
            assert len(ran) == number
        assert upstream.hits == 2

    async def test_injected_keys_do_not_matter(self):
        upstream = Upstream()
        provider = upstream.provider(policies=[Cache()])
        for key in ("run-1", "run-2"):
            settings = ModelSettings(extra_args={"prompt_cache_key": key}, metadata={"trace": key})
            await run(Agent(name="A", model="m", model_settings=settings), provider=provider)
        assert upstream.hits == 1

    async def test_concurrent_runs_ask_once(self):
        async def slowly(_request):
            for _ in range(20):
                await asyncio.sleep(0)
            return sse(*text_chunks("Hi"))

        upstream = Upstream(slowly)
        provider = upstream.provider(policies=[Cache()])
        results = await asyncio.gather(
            *(run(Agent(name="A", model="m"), stream=True, provider=provider) for _ in range(20))
        )
        assert {result.final_output for result in results} == {"Hi"}
        assert upstream.hits == 1


def scripted(*steps):
    return ScriptedModel([ModelStep(output=step) for step in steps])


class Fixed(Model):
    """A model that says one thing, once."""

    def __init__(self, answer):
        self.answers = [answer]

    async def get_response(self, *_, **__):
        return self.answers.pop()

    def stream_response(self, *_, **__):
        raise NotImplementedError


class TestAnyModel:
    @BOTH
    @FIRST
    async def test_answers_are_kept(self, first, then):
        model = scripted([assistant_message("Hello")])
        cache = Cache()
        agent = Agent(name="A", model=wrap(model, cache))
        assert (await run(agent, stream=first)).final_output == "Hello"
        with track() as journals:
            assert (await run(agent, stream=then)).final_output == "Hello"
        assert journals[0].attempts[0].cache_hit
        assert cache.stats().hits == 1

    @BOTH
    @FIRST
    async def test_with_tools_and_handoffs(self, first, then):
        ran = []

        @function_tool
        def look() -> str:
            ran.append(1)
            return "seen"

        other = Agent(name="Other", model=wrap(scripted([assistant_message("Done")]), cache := Cache()))
        model = scripted(
            [function_call("look", {}, call_id="call_1")],
            [function_call("transfer_to_other", {}, call_id="call_1")],
        )
        agent = Agent(name="A", model=wrap(model, cache), tools=[look], handoffs=[handoff(other)])
        for stream in (first, then, then):
            result = await run(agent, stream=stream)
            assert (result.final_output, result.last_agent.name) == ("Done", "Other")
        assert len(ran) == 3
        assert cache.stats().hits == 6

    async def test_values_are_what_they_were(self):
        reasoning = ResponseReasoningItem(
            id="rs_1", type="reasoning", summary=[Summary(type="summary_text", text="Hm.")], encrypted_content="e"
        )
        answer = ModelResponse(
            output=[reasoning, assistant_message("Hello")],
            usage=Usage(requests=1, input_tokens=3, output_tokens=2, total_tokens=5),
            response_id="resp_1",
            raw_usage={"prompt_tokens": 3},
        )
        model = wrap(Fixed(answer), Cache())
        first, second, third = [
            await model.get_response(
                "Be brief.", "Hi", ModelSettings(), [], None, [], None,
                previous_response_id=None, conversation_id=None, prompt=None,
            )
            for _ in range(3)
        ]  # fmt: skip
        assert second == third == ModelResponse(first.output, first.usage, "resp_1", raw_usage=first.raw_usage)
        second.output.clear()
        assert third.output == first.output

    async def test_state_at_the_provider_is_left_alone(self):
        cache = Cache()
        model = wrap(scripted([assistant_message("1")], [assistant_message("2")]), cache)
        for _ in range(2):
            await Runner.run(Agent(name="A", model=model), "Hi", previous_response_id="resp_0")
        assert cache.stats().bypassed == 2

    async def test_two_models_without_a_name_are_two(self):
        cache = Cache()
        for text in ("one", "two"):
            agent = Agent(name="A", model=wrap(scripted([assistant_message(text)]), cache))
            assert (await run(agent)).final_output == text

    async def test_a_substitute_is_not_kept(self):
        def failing(_call):
            raise ConnectionError("lost")

        first = ScriptedModel([ModelStep(responder=failing), ModelStep(output=[assistant_message("first")])])
        second = scripted([assistant_message("second")])
        on = lambda _: True  # noqa: E731
        model = wrap(first, Cache(), Fallback(to=[Target(second, label="second")], on=on))
        agent = Agent(name="A", model=model)
        assert [(await run(agent)).final_output for _ in range(3)] == ["second", "first", "first"]

    async def test_a_chain_with_a_model_object_in_it(self):
        upstream = Upstream(completion("Hello"))
        cache = Cache()
        other = scripted([assistant_message("other")])
        provider = upstream.provider(policies=[cache], fallbacks=[Target(other)])
        for stream in (False, True, False):
            agent = Agent(name="A", model="m")
            assert (await run(agent, stream=stream, provider=provider)).final_output == "Hello"
        assert upstream.hits == 1
        assert cache.stats().hits == 2

    async def test_a_stream_that_was_dropped_lets_the_next_one_ask(self):
        model = wrap(scripted([assistant_message("1")], [assistant_message("2")]), Cache())
        events = model.stream_response(
            "Be brief.", "Hi", ModelSettings(), [], None, [], None,
            previous_response_id=None, conversation_id=None, prompt=None,
        )  # fmt: skip
        async for _ in events:
            break
        await events.aclose()
        gc.collect()
        assert (await run(Agent(name="A", model=model), "Hi")).final_output in {"1", "2"}
