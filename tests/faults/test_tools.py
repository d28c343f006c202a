"""Tool calls as upstreams break them. Rows 20 to 22: no tool runs with half its arguments, none twice, none for another."""

from dataclasses import dataclass

import pytest
from agents import MaxTurnsExceeded, ModelBehaviorError

from hanzo_agents import Retry
from hanzo_agents.errors import InvalidResponse, StreamTruncated
from hanzo_agents.testing.fault_server import Reply, ToolCall, answers, faults

MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
FIRST, SECOND = {"a": 15, "b": 23}, {"a": 2, "b": 3}
BOTH = [("add", 15, 23), ("mul", 2, 3)]


class TestCut:
    """Row 21."""

    @pytest.mark.parametrize("framing", [{"framing": "close"}, {"framing": "chunked", "ended": True}], ids=str)
    async def test_the_bare_sdk_pays_for_every_turn(self, stage, framing):
        stage.server.script(faults.tool_call_cut(**framing), repeat=True)
        heard = await stage.ask(stage.bare(), stream=True, tools=stage.tools)
        assert isinstance(heard.error, MaxTurnsExceeded)
        assert (stage.server.hits, stage.calls) == (5, [])

    @pytest.mark.parametrize("framing", [{"framing": "close"}, {"framing": "chunked", "ended": True}], ids=str)
    async def test_ours_stops_at_once(self, stage, framing):
        stage.server.script(faults.tool_call_cut(**framing), repeat=True)
        heard = await stage.ask(stage.hanzo(), stream=True, tools=stage.tools)
        assert isinstance(heard.error, StreamTruncated)
        assert (stage.server.hits, stage.calls) == (1, [])

    async def test_nothing_is_replayed_after_a_part_of_a_call(self, stage):
        stage.server.script(faults.tool_call_cut(), "Second")
        heard = await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=True, tools=stage.tools)
        assert isinstance(heard.error, StreamTruncated)
        assert (stage.server.hits, stage.calls) == (1, [])

    @MODES
    async def test_the_bare_sdk_pays_for_every_turn_that_was_too_long(self, stage, stream):
        stage.server.script(faults.tool_call_too_long(), repeat=True)
        heard = await stage.ask(stage.bare(), stream=stream, tools=stage.tools)
        assert isinstance(heard.error, MaxTurnsExceeded)
        assert (stage.server.hits, stage.calls) == (5, [])

    @MODES
    @pytest.mark.parametrize("attempts", [1, 3])
    async def test_ours_says_that_it_was_too_long(self, stage, stream, attempts):
        """The same limit would cut the same call again: it is not worth another attempt."""
        stage.server.script(faults.tool_call_too_long(), repeat=True)
        heard = await stage.ask(
            stage.hanzo(Retry(attempts=attempts, base_delay=0)), stream=stream, tools=stage.tools
        )
        assert isinstance(heard.error, InvalidResponse)
        assert "length" in str(heard.error)
        assert (stage.server.hits, stage.calls) == (1, [])

    @MODES
    async def test_malformed_arguments_go_back_to_the_model(self, stage, stream):
        """Row 20: not cut, only wrong. The model hears of it and can mend it."""
        stage.server.script(answers.tool_call("add", "{not json"), answers.tool_call("add", FIRST), "38")
        heard = await stage.ask(stage.hanzo(), stream=stream, tools=stage.tools)
        assert (heard.text, stage.calls) == ("38", [("add", 15, 23)])


@dataclass(frozen=True)
class Muddle:
    """Tool calls with ids or indices that cannot be told apart, and what the model meant."""

    name: str
    replies: tuple[Reply, ...]
    meant: list[tuple]


def together(name, first, second, meant=None):
    calls = answers.tool_calls(ToolCall("add", FIRST, **first), ToolCall("mul", SECOND, **second))
    return Muddle(name, (calls,), meant or BOTH)


def in_turn(name, *calls, meant):
    return Muddle(name, tuple(answers.tool_calls(call) for call in calls), meant)


MUDDLES = [
    together("empty ids", {"id": ""}, {"id": ""}),
    together("the same id twice", {"id": "call_0"}, {"id": "call_0"}),
    together("no index", {"index": None}, {"index": None}),
    together("no index, empty ids", {"index": None, "id": ""}, {"index": None, "id": ""}),
    together("the same index", {"index": 0}, {"index": 0}),
    together("the same index, empty ids", {"index": 0, "id": ""}, {"index": 0, "id": ""}),
    Muddle(
        "the same id for the same tool",
        (answers.tool_calls(ToolCall("add", FIRST, id="x"), ToolCall("add", SECOND, id="x")),),
        [("add", 15, 23), ("add", 2, 3)],
    ),
    Muddle(
        "the same index for the same tool, empty ids",
        (answers.tool_calls(*(ToolCall("add", args, id="", index=0) for args in (FIRST, SECOND))),),
        [("add", 15, 23), ("add", 2, 3)],
    ),
    Muddle(
        "one call sent twice",
        (answers.tool_calls(ToolCall("add", FIRST, id="x"), ToolCall("add", FIRST, id="x")),),
        [("add", 15, 23)],
    ),
    in_turn(
        "an id of an earlier turn", ToolCall("add", FIRST, "call_0"), ToolCall("mul", SECOND, "call_0"), meant=BOTH
    ),
    in_turn(
        "an id of an earlier turn, for the same call",
        ToolCall("add", FIRST, "call_0"),
        ToolCall("add", FIRST, "call_0"),
        meant=[("add", 15, 23), ("add", 15, 23)],
    ),
    in_turn("empty ids in two turns", ToolCall("add", FIRST, ""), ToolCall("mul", SECOND, ""), meant=BOTH),
]


@MODES
@pytest.mark.parametrize("muddle", [pytest.param(muddle, id=muddle.name) for muddle in MUDDLES])
async def test_each_tool_runs_once_with_its_own_arguments(stage, stream, muddle):
    stage.server.script(*muddle.replies, "done")
    heard = await stage.ask(stage.hanzo(), stream=stream, tools=stage.tools)
    assert (heard.error, heard.text) == (None, "done")
    assert sorted(stage.calls) == sorted(muddle.meant)
    assert results(stage.server.requests[-1]) == sorted(
        str(a + b if tool == "add" else a * b) for tool, a, b in muddle.meant
    )


def results(request):
    """What the tools returned, after checking that each result belongs to a call of its own."""
    asked = [call["id"] for message in request.messages for call in message.get("tool_calls") or ()]
    answered = {
        message["tool_call_id"]: message["content"] for message in request.messages if message["role"] == "tool"
    }
    assert all(asked)
    assert len(set(asked)) == len(asked)
    assert set(answered) == set(asked)
    return sorted(answered.values())


@MODES
@pytest.mark.parametrize("ids", [("", ""), ("x", "x")], ids=["empty", "duplicate"])
async def test_the_bare_sdk_gives_up(stage, stream, ids):
    muddled = answers.tool_calls(ToolCall("add", FIRST, ids[0]), ToolCall("mul", SECOND, ids[1]))
    stage.server.script(muddled, "done")
    heard = await stage.ask(stage.bare(), stream=stream, tools=stage.tools)
    assert isinstance(heard.error, ModelBehaviorError)
    assert stage.calls == []


@MODES
async def test_the_bare_sdk_gives_up_at_an_id_of_an_earlier_turn(stage, stream):
    stage.server.script(
        answers.tool_call("add", FIRST, id="call_0"), answers.tool_call("mul", SECOND, id="call_0"), "done"
    )
    heard = await stage.ask(stage.bare(), stream=stream, tools=stage.tools)
    assert isinstance(heard.error, ModelBehaviorError)
    assert stage.calls == [("add", 15, 23)]


@pytest.mark.parametrize("index", [None, 0])
async def test_the_bare_sdk_joins_calls_that_share_an_index(stage, index):
    stage.server.script(
        answers.tool_calls(*(ToolCall(name, FIRST, index=index) for name in ("add", "mul"))), "done"
    )
    heard = await stage.ask(stage.bare(), stream=True, tools=stage.tools)
    assert (heard.text, stage.calls) == ("done", [])


@MODES
@pytest.mark.parametrize("arguments", ["", "{}"])
async def test_a_tool_without_arguments_runs(stage, stream, arguments):
    stage.server.script(answers.tool_call("now", arguments), "done")
    heard = await stage.ask(stage.hanzo(), stream=stream, tools=stage.tools)
    assert (heard.text, stage.calls) == ("done", [("now",)])


@pytest.mark.parametrize("arguments", [None, FIRST], ids=["null", "object"])
async def test_arguments_of_another_type(stage, arguments):
    """Row 20: some upstreams send null for none, or the object itself."""
    call = {
        "id": "x",
        "type": "function",
        "function": {"name": "add" if arguments else "now", "arguments": arguments},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    completion = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    stage.server.script(
        answers.json({**completion, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}),
        "done",
    )
    heard = await stage.ask(stage.hanzo(), stream=False, tools=stage.tools)
    assert (heard.error, heard.text) == (None, "done")
    assert stage.calls == ([("add", 15, 23)] if arguments else [("now",)])
