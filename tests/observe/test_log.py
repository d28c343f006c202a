"""One line for a decision, one for a call, in the standard log, and nothing in them that was said or is secret."""

import asyncio
import json
import logging
from contextlib import suppress

import pytest
from calls import http_error
from upstream import HANG, KEY, ROLE, Upstream, chunk, completion, sse, status, text_chunks, value

from hanzo_agents import Attempt, Decision, Fallback, Journal, Log, Retry, Trace, watch
from hanzo_agents.testing.clock import FakeClock

both = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
ASKED = [{"role": "user", "content": "a secret question"}]


@pytest.fixture
def lines(caplog):
    """What is written, as "LEVEL logger: line"."""
    caplog.set_level(logging.DEBUG, "hanzo_agents")

    def lines(level=logging.DEBUG):
        return [f"{r.levelname} {r.name}: {r.getMessage()}" for r in caplog.records if r.levelno >= level]

    return lines


async def ask(upstream, *policies, stream=False):
    client = upstream.client(policies=[Trace(to=[Log()]), *policies])
    answer = await client.chat.completions.create(messages=ASKED, stream=stream)
    if stream:
        async for _ in answer:
            pass


@both
async def test_the_story_of_a_call(lines, stream):
    good = (
        sse(*text_chunks("a secret answer"))
        if stream
        else value(completion("a secret answer"), x_litellm_response_cost="0.25")
    )
    with FakeClock():
        await ask(Upstream(status(503), good), Retry(attempts=1), Fallback(to=["b"]), stream=stream)
    cost, total = ("", "") if stream else (", $0.25 reported", ", $0.25 estimated")
    assert lines() == [
        "INFO hanzo_agents.attempts: m, attempt 1: error (InternalServerError, 503) after 0.000 s",
        "WARNING hanzo_agents.decisions: Retry gives up: 1 attempts made: InternalServerError (503)",
        "WARNING hanzo_agents.decisions: Fallback moves on: m failed: InternalServerError",
        f"DEBUG hanzo_agents.attempts: b, attempt 1: ok after 0.000 s, 3 + 2 tokens{cost}",
        f"INFO hanzo_agents.calls: chat m: ok after 0.000 s, by {'b' if stream else 'm-2024'}, 2 attempts, 3 + 2 tokens{total}",
    ]


async def test_the_fields_are_attributes_of_the_record(caplog, lines):
    await ask(Upstream(status(503), value(completion(), x_litellm_response_cost="0.25")), Retry(base_delay=0))
    assert lines()
    call = vars(caplog.records[-1])
    fields = {name: value for name, value in call.items() if name.startswith("hanzo_")}
    assert fields.pop("hanzo_seconds") >= 0
    assert fields.pop("hanzo_first_token_seconds") >= 0
    story = fields.pop("hanzo_call")
    assert fields == {
        "hanzo_event": "call",
        "hanzo_operation": "chat",
        "hanzo_outcome": "ok",
        "hanzo_target": "m",
        "hanzo_model": "m-2024",
        "hanzo_server": "router.test",
        "hanzo_status": 200,
        "hanzo_request_id": "req-1",
        "hanzo_attempts": 2,
        "hanzo_input_tokens": 3,
        "hanzo_output_tokens": 2,
        "hanzo_tokens_basis": "reported",
        "hanzo_cost": "0.25",
        "hanzo_cost_basis": "estimated",
    }
    retried = next(vars(r) for r in caplog.records if getattr(r, "hanzo_event", "") == "decision")
    assert (retried["hanzo_policy"], retried["hanzo_action"]) == ("Retry", "retries")
    assert retried["hanzo_data"] == {"delay": 0.0, "attempt": 2}
    assert {record.hanzo_call for record in caplog.records} == {story}, "the lines of one call belong together"
    assert json.dumps(fields)


async def test_levels(lines):
    await ask(Upstream())
    assert lines(logging.WARNING) == []
    with pytest.raises(Exception, match="400"):
        await ask(Upstream(status(400)))
    (failed,) = lines(logging.WARNING)
    assert failed.startswith("WARNING hanzo_agents.calls: chat m: error (BadRequestError, 400)")


async def test_streams_that_do_not_end_well(lines):
    with pytest.raises(Exception, match="ended"):
        await ask(Upstream(sse(ROLE, chunk({"content": "a"}), done=False)), stream=True)
    assert "WARNING hanzo_agents.calls: chat m: broken (StreamTruncated)" in lines(logging.WARNING)[-1]
    task = asyncio.create_task(ask(Upstream(sse(ROLE, chunk({"content": "a"}), HANG)), stream=True))
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert "INFO hanzo_agents.calls: chat m: cancelled (CancelledError)" in lines()[-1]


@both
async def test_no_prompt_no_answer_and_no_key(caplog, lines, stream):
    echo = status(400, {"error": {"message": f"a secret question with {KEY}", "code": "x"}})
    with pytest.raises(Exception, match="400"):
        await ask(Upstream(echo), Fallback(to=["b"]), stream=stream)
    good = sse(*text_chunks("a secret answer")) if stream else completion("a secret answer")
    await ask(Upstream(status(503), good), Retry(base_delay=0), stream=stream)
    assert len(lines()) >= 6
    everything = repr([vars(record) for record in caplog.records]) + caplog.text
    assert "secret" not in everything
    assert KEY not in everything


def test_a_name_cannot_forge_a_line(lines):
    journal = Journal(0.0, "chat", target="m", observers=(Log(),))
    attempt = Attempt(1, "m\n2026-01-01 CRITICAL all is lost", 0.0, model="%s\r\x1b[2J" + "x" * 9999, accepted=0.5)
    journal.begin(attempt)
    journal.finish(attempt)
    journal.note(Decision("Mine", "moves on", "because\nof %d this"))
    journal.close(1.0)
    for line in lines():
        assert line.isprintable()
        assert len(line) < 400
    assert "by %s" in lines()[-1]
    assert "because of %d this" in lines()[1]


def test_nothing_is_made_up_that_nobody_will_read(caplog):
    caplog.set_level(logging.ERROR, "hanzo_agents")
    journal = Journal(0.0, "chat", observers=(Log(),))
    journal.close(1.0, http_error(500))
    assert caplog.records == []


async def test_for_the_whole_process(lines):
    with watch(Log()):
        await Upstream().client().chat.completions.create(messages=ASKED)
    await Upstream().client().chat.completions.create(messages=ASKED)
    assert len([line for line in lines() if "calls: " in line]) == 1
