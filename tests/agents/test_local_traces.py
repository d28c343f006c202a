"""What is asked of the embedded node is not told to OpenAI, whose exporter the Agents SDK sets up by default."""

import json
from collections import OrderedDict

import agents
import pytest
from agents import Agent, ModelSettings, RunConfig, Runner, trace
from agents.tracing import processors
from agents.tracing.processors import BackendSpanExporter, BatchTraceProcessor, default_exporter
from recorded_spans import Recorder
from upstream import Upstream, response, sse, text_chunks

from hanzo_agents import FallbackProvider, HanzoModelProvider
from hanzo_agents._agents import withheld
from hanzo_agents.testing.fault_server import FaultServer, answers

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])


class Service:
    """OpenAI's service for traces, and the SDK's own exporter to it."""

    def __init__(self, server):
        self._server = server
        self.exporter = default_exporter()
        self.processor = BatchTraceProcessor(self.exporter, schedule_delay=3600)

    def told(self):
        """The items that arrived, all that are under way exported first."""
        self.processor.force_flush()
        return [item for request in self._server.requests for item in request.json["data"]]


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai")
    exporter = BackendSpanExporter()
    monkeypatch.setattr(processors, "_global_exporter", exporter)
    with FaultServer() as server:
        server.script(answers.json({}), path="/v1/traces/ingest", repeat=True)
        exporter.endpoint = f"{server.base_url}/traces/ingest"
        service = Service(server)
        assert service.exporter is exporter
        agents.set_trace_processors([service.processor])
        agents.set_tracing_disabled(disabled=False)
        yield service
        agents.set_tracing_disabled(disabled=True)
        agents.set_trace_processors([])
        service.processor.shutdown()
    exporter.close()


def local(upstream, **settings):
    """A provider as `.local()` makes it, with a scripted upstream for its node."""
    provider = upstream.provider(**settings)
    provider._node = object()
    return provider


async def run(provider, *, stream=False, **more):
    config = RunConfig(model_provider=provider, **more)
    if not stream:
        return await Runner.run(Agent(name="A"), "a secret question", run_config=config)
    result = Runner.run_streamed(Agent(name="A"), "a secret question", run_config=config)
    async for _ in result.stream_events():
        pass
    return result


@both
async def test_a_run_on_the_node_is_not_told(service, stream):
    upstream = Upstream(sse(*text_chunks("a secret answer"))) if stream else Upstream()
    await run(local(upstream), stream=stream)
    assert service.told() == []


async def test_nor_is_one_over_the_responses_api(service):
    await run(local(Upstream(response()), api="responses"))
    assert service.told() == []


async def test_other_runs_are_told_as_ever(service):
    await run(local(Upstream()))
    await run(Upstream().provider())
    told = service.told()
    assert len({item.get("trace_id") or item["id"] for item in told}) == 1
    assert {item["object"] for item in told} == {"trace", "trace.span"}
    assert "a secret question" in json.dumps(told), "or this would prove nothing"


async def test_a_trace_in_which_the_node_was_asked_is_withheld_whole(service):
    with trace("mine"):
        await run(local(Upstream()))
        await run(Upstream().provider())
    assert service.told() == []


async def test_a_chain_with_the_node_in_it(service):
    chain = FallbackProvider([("m", local(Upstream())), ("b", Upstream().provider())])
    await run(chain)
    assert service.told() == []


async def test_a_model_of_the_node_outside_a_run_config(service):
    await Runner.run(Agent(name="A", model=local(Upstream()).get_model("m")), "a secret question")
    assert service.told() == []


async def test_who_gives_a_key_for_the_trace_has_asked_for_it(service):
    await run(local(Upstream()), tracing={"api_key": "sk-mine"})
    assert "a secret question" in json.dumps(service.told())


async def test_processors_of_ones_own_get_it(service):
    recorder = Recorder()
    agents.add_trace_processor(recorder)
    await run(local(Upstream()))
    assert {span["span_data"]["type"] for span in recorder.spans} >= {"agent", "generation", "custom"}
    assert service.told() == []


async def test_an_exporter_of_ones_own_gets_it(service):
    exported = []

    class Mine(BackendSpanExporter):
        def export(self, items):
            exported.extend(items)

    exporter = Mine()
    mine = BatchTraceProcessor(exporter, schedule_delay=3600)
    agents.add_trace_processor(mine)
    await run(local(Upstream()))
    mine.force_flush()
    mine.shutdown()
    exporter.close()
    assert exported


async def test_the_exporter_is_sifted_once(service):
    provider = local(Upstream())
    await run(provider)
    sieve = service.exporter.export
    await run(provider)
    assert service.exporter.export is sieve


async def test_what_is_remembered_is_bounded(service, monkeypatch):
    monkeypatch.setattr(withheld, "MOST_TRACES", 2)
    monkeypatch.setattr(withheld, "_withheld", OrderedDict())
    for _ in range(3):
        await run(local(Upstream()))
    assert len(withheld._withheld) == 2


async def test_a_run_that_is_not_traced_touches_nothing(service):
    await run(local(Upstream()), tracing_disabled=True)
    await local(Upstream()).client.chat.completions.create(messages=[{"role": "user", "content": "x"}])
    assert "export" not in vars(service.exporter)


@pytest.mark.node
async def test_on_the_embedded_node(service):
    provider = HanzoModelProvider.local()
    await run(provider, model_settings=ModelSettings(max_tokens=4))
    await provider.aclose()
    assert service.told() == []
