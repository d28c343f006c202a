"""The matrix once more, through the Responses API."""

import asyncio

import openai
import pytest

from hanzo_agents import Retry
from hanzo_agents.errors import InvalidResponse, StreamTruncated
from hanzo_agents.testing.fault_server import DIALECTS, ByMode, ToolCall, answers, faults

MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
PATH = "/v1/responses"
FAILED = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "failed", "output": [],
    "error": {"code": "server_error", "message": "broke"}, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
}  # fmt: skip
BEFORE = {
    "HTML": faults.html(),
    "list": faults.body("[]"),
    "null": faults.body("null"),
    "empty": faults.nothing(),
    "comments alone": faults.keepalive_only(),
    "truncated JSON": faults.truncated_json(),
    "cut between events, close": faults.cut_between_events(content=0),
    "cut between events, chunked": faults.cut_between_events(content=0, framing="chunked"),
    "cut between events, ended": faults.cut_between_events(content=0, framing="chunked", ended=True),
    "cut inside JSON": faults.cut_in_json(content=0),
    "cut inside UTF-8": faults.cut_in_utf8(content=0),
    "error in a 200": faults.error_in_200(),
    "bad UTF-8": faults.bad_utf8(),
    "a failed response": ByMode(
        value=answers.json(FAILED),
        stream=answers.events([{"type": "response.failed", "sequence_number": 0, "response": FAILED}]),
    ),
    "an error event": ByMode(
        value=faults.error_in_200(),
        stream=answers.events(
            [{"type": "error", "sequence_number": 0, "code": "server_error", "message": "broke", "param": None}]
        ),
    ),
}
AFTER = {
    "cut between events": faults.cut_between_events(),
    "cut inside JSON": faults.cut_in_json(),
    "cut inside UTF-8": faults.cut_in_utf8(),
    "an error": faults.error_after_content(),
    "no end": faults.no_finish_reason(),
    "cut inside arguments": faults.tool_call_cut(),
}


@MODES
@pytest.mark.parametrize("fault", BEFORE)
async def test_it_is_never_an_answer(stage, stream, fault):
    stage.server.script(BEFORE[fault], path=PATH)
    heard = await stage.ask(stage.hanzo(api="responses"), stream=stream)
    assert isinstance(heard.error, InvalidResponse | openai.APIConnectionError), heard.text
    assert stage.server.hits == 1


@MODES
@pytest.mark.parametrize("fault", BEFORE)
async def test_before_the_first_content_it_is_asked_again(stage, stream, fault):
    stage.server.script(BEFORE[fault], "Second", path=PATH)
    heard = await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0), api="responses"), stream=stream)
    assert (heard.error, heard.text, stage.server.hits) == (None, "Second", 2)
    assert "".join(heard.deltas) == ("Second" if stream else "")


@pytest.mark.parametrize("fault", AFTER)
async def test_after_it_it_is_not(stage, fault):
    stage.server.script(AFTER[fault], "Second", path=PATH)
    provider = stage.hanzo(Retry(attempts=2, base_delay=0), api="responses")
    heard = await stage.ask(provider, stream=True, tools=stage.tools)
    assert isinstance(heard.error, StreamTruncated if fault != "an error" else InvalidResponse)
    assert (stage.server.hits, stage.calls) == (1, [])


@MODES
@pytest.mark.parametrize("ids", [("", ""), ("x", "x"), ("call_0", "call_0")], ids=["empty", "the same", "in turn"])
async def test_tool_call_ids_are_mended(stage, stream, ids):
    first, second = (
        ToolCall(name, {"a": 15, "b": 23}, given) for name, given in zip(("add", "mul"), ids, strict=True)
    )
    muddled = (
        [answers.tool_calls(first), answers.tool_calls(second)]
        if ids[0] == "call_0"
        else [answers.tool_calls(first, second)]
    )
    stage.server.script(*muddled, "done", path=PATH)
    heard = await stage.ask(stage.hanzo(api="responses"), stream=stream, tools=stage.tools)
    assert (heard.error, heard.text) == (None, "done")
    assert sorted(stage.calls) == [("add", 15, 23), ("mul", 15, 23)]


@pytest.mark.parametrize("name", DIALECTS)
async def test_dialects(stage, name):
    stage.server.script(answers.text("Grüße ✓", dialect=DIALECTS[name]), path=PATH)
    assert (await stage.ask(stage.hanzo(api="responses"), stream=True)).text == "Grüße ✓"


@MODES
async def test_usage(stage, stream):
    stage.server.script("Hello!", path=PATH)
    usage = (await stage.ask(stage.hanzo(api="responses"), stream=stream)).usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens) == (1, 12, 5)


@MODES
async def test_missing_usage_is_estimated(stage, stream):
    stage.server.script(answers.text("Hello! " * 100, usage=None), path=PATH)
    usage = (await stage.ask(stage.hanzo(api="responses"), stream=stream)).usage
    assert usage.requests == 1
    assert usage.output_tokens > 10


@MODES
async def test_a_cancelled_run_lets_go_of_the_connection(stage, stream):
    stage.server.script(faults.hang_mid_body(), path=PATH)
    run = asyncio.create_task(stage.ask(stage.hanzo(api="responses"), stream=stream))
    await stage.server.until(lambda: stage.server.paused == 1)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await stage.server.until(lambda: stage.server.open_connections == 0)
