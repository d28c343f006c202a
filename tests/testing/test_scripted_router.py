"""The well-behaved router."""

import openai
import pytest
from agents import Agent, OpenAIProvider, RunConfig, Runner, function_tool, set_tracing_disabled

from hanzo_agents.testing.scripted import ScriptedRouter, answers

MESSAGES = [{"role": "user", "content": "Hi"}]


@pytest.fixture(autouse=True)
def _no_tracing():
    set_tracing_disabled(disabled=True)


def client_of(router):
    return openai.OpenAI(base_url=router.base_url, api_key="k", max_retries=0)


def ask(client, content="Hi"):
    reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    return reply.choices[0].message.content


def test_a_list_answers_in_turn():
    with ScriptedRouter(["one", answers.text("two")]) as router, client_of(router) as client:
        assert [ask(client), ask(client)] == ["one", "two"]
        router.assert_complete()


def test_a_function_sees_the_request():
    with ScriptedRouter(lambda request: request.prompt.upper()) as router, client_of(router) as client:
        assert ask(client, "hello") == "HELLO"


def test_a_mapping_is_the_whole_body():
    with ScriptedRouter([{"id": "x", "choices": []}]) as router, client_of(router) as client:
        assert client.chat.completions.create(model="m", messages=MESSAGES).id == "x"


def test_models_take_no_answer():
    with ScriptedRouter(["one"], models=["a", "b"]) as router, client_of(router) as client:
        assert [model.id for model in client.models.list()] == ["a", "b"]
        assert ask(client) == "one"


def test_answers_nobody_asked_for():
    with ScriptedRouter(["one", "two"]) as router, client_of(router) as client:
        ask(client)
        with pytest.raises(AssertionError, match="1 scripted answer"):
            router.assert_complete()


def test_a_question_too_many_fails_the_test():
    with (
        pytest.raises(AssertionError, match="after the last"),
        ScriptedRouter([]) as router,
        client_of(router) as client,
        pytest.raises(openai.InternalServerError),
    ):
        ask(client)


def test_an_error_of_the_test_itself_comes_first():
    def fail_after_the_router():
        with ScriptedRouter([]) as router, client_of(router) as client:
            try:
                ask(client)
            finally:
                assert router.errors

    with pytest.raises(openai.InternalServerError):
        fail_after_the_router()


@pytest.mark.parametrize("use_responses", [False, True])
async def test_a_whole_agent_run(use_responses):
    @function_tool
    def multiply(a: int, b: int) -> int:
        return a * b

    def reply(request):
        outputs = [
            message
            for message in request.messages
            if message.get("role") == "tool" or message.get("type") == "function_call_output"
        ]
        if outputs:
            return f"It is {outputs[0].get('content') or outputs[0]['output']}."
        return answers.tool_call("multiply", {"a": 15, "b": 23})

    async with (
        ScriptedRouter(reply) as router,
        openai.AsyncOpenAI(base_url=router.base_url, api_key="k") as client,
    ):
        provider = OpenAIProvider(openai_client=client, use_responses=use_responses)
        agent = Agent(name="a", model="m", tools=[multiply])
        result = await Runner.run(agent, "15 times 23?", run_config=RunConfig(model_provider=provider))
        assert result.final_output == "It is 345."
        assert router.hits == 2
