"""Every way in which a reply can be no answer, as a value and as a stream, before the bare SDK and before ours.

The bare column is what `OpenAIChatCompletionsModel` does on its own, measured: it proves that the trap is there. Most of
it is success with the wrong text, or an exception that no caller expects. Ours raises `InvalidResponse` or
`StreamTruncated`; with a `Retry` it asks again, unnoticed, unless the user has already seen a part of the answer.
"""

import asyncio
import json
from dataclasses import dataclass

import openai
import pytest
from agents import ModelBehaviorError

from hanzo_agents import Retry
from hanzo_agents.errors import InvalidResponse, ResponseTooLarge, StreamTruncated
from hanzo_agents.testing.fault_server import DIALECTS, Reply, Usage, answers, faults

MODES = pytest.mark.parametrize("stream", [False, True], ids=["value", "stream"])
Lost = openai.APIConnectionError
NotJson = json.JSONDecodeError


@dataclass(frozen=True)
class Row:
    """One fault: what goes out, and what comes of it as (value, stream).

    In `bare` a text stands for a run that succeeds with it. `begun` says that the fault comes after the first content
    of a stream, when it is too late to try again.
    """

    name: str
    reply: Reply
    bare: tuple[str | type, str | type]
    ours: tuple[type, type]
    begun: bool = False


def cuts():
    """A stream broken off: where, how its end is framed, and before or after the first content."""
    endings = {
        "close": {"framing": "close"},
        "chunked": {"framing": "chunked"},
        "chunked, ended": {"framing": "chunked", "ended": True},
    }
    places = {
        "between events": (faults.cut_between_events, NotJson, ""),
        "inside JSON": (faults.cut_in_json, NotJson, ""),
        "inside UTF-8": (faults.cut_in_utf8, UnicodeDecodeError, UnicodeDecodeError),
    }
    for place, (cut, value, silent) in places.items():
        for ending, framing in endings.items():
            seen = ending == "chunked"  # the one framing whose end the transport can tell from a cut
            for content in (0, 1):
                text = "Hel" if content and not silent else silent
                yield Row(
                    f"14-15 cut {place}, {ending}, after {content}",
                    cut(content=content, **framing),
                    bare=(Lost if seen else value, Lost if seen else text),
                    ours=(Lost if seen else InvalidResponse, StreamTruncated),
                    begun=content > 0,
                )


def no_answers():
    """Complete and well-framed, but not the JSON that was asked for."""
    for body in ("[]", "null", '""'):
        yield Row(f"10 {body}", faults.body(body), (AttributeError, ""), (InvalidResponse, InvalidResponse))
    for body in ("{}", '{"detail": "no"}'):
        yield Row(f"10 {body}", faults.body(body), (ModelBehaviorError, ""), (InvalidResponse, InvalidResponse))
    both = (InvalidResponse, InvalidResponse)
    yield Row("10 empty body", faults.body(""), (NotJson, ""), both)
    yield Row("11 HTML", faults.html(), (AttributeError, ""), both)
    event_stream = faults.html(content_type="text/event-stream")
    yield Row("11 HTML that says it is a stream", event_stream, (AttributeError, ""), both)
    as_json = faults.html(content_type="application/json")
    yield Row("11 HTML that says it is JSON", as_json, (NotJson, ""), both)


ROWS = [
    Row("9 reset before the reply", faults.reset(), (Lost, Lost), (Lost, Lost)),
    Row("9 reset after content", faults.reset_after_content(), (Lost, Lost), (Lost, StreamTruncated), begun=True),
    Row("10 truncated JSON", faults.truncated_json(), (NotJson, ""), (InvalidResponse, StreamTruncated)),
    *no_answers(),
    Row(
        "12 18 error in a 200",
        faults.error_in_200(),
        (ModelBehaviorError, openai.APIError),
        (InvalidResponse, InvalidResponse),
    ),
    Row(
        "18 error after content",
        faults.error_after_content(),
        (ModelBehaviorError, openai.APIError),
        (InvalidResponse, InvalidResponse),
        begun=True,
    ),
    Row("13 no choices", faults.empty_choices(), (ModelBehaviorError, ""), (InvalidResponse, InvalidResponse)),
    Row("13 null message", faults.null_message(), ("", ""), (InvalidResponse, InvalidResponse)),
    *cuts(),
    Row("17 [DONE] alone", faults.done_only(), (NotJson, ""), (InvalidResponse, StreamTruncated)),
    Row("17 zero bytes", faults.nothing(), (NotJson, ""), (InvalidResponse, StreamTruncated)),
    Row("17 comments alone", faults.keepalive_only(), (NotJson, ""), (InvalidResponse, StreamTruncated)),
    Row(
        "25 bad UTF-8",
        faults.bad_utf8(),
        (UnicodeDecodeError, UnicodeDecodeError),
        (InvalidResponse, InvalidResponse),
    ),
]
TABLE = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])


@TABLE
@MODES
async def test_what_the_bare_sdk_makes_of_it(stage, row, stream):
    stage.server.script(row.reply)
    heard = await stage.ask(stage.bare(), stream=stream)
    expected = row.bare[stream]
    if isinstance(expected, str):
        assert (heard.error, heard.text) == (None, expected)
    else:
        assert type(heard.error) is expected


@TABLE
@MODES
async def test_ours_never_takes_it_for_an_answer(stage, row, stream):
    stage.server.script(row.reply)
    heard = await stage.ask(stage.hanzo(), stream=stream)
    assert isinstance(heard.error, row.ours[stream]), heard.text
    assert isinstance(heard.error, openai.OpenAIError)
    assert stage.server.hits == 1


@TABLE
@MODES
async def test_ours_asks_again_unless_the_user_has_seen_a_part(stage, row, stream):
    stage.server.script(row.reply, "Second")
    heard = await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=stream)
    if row.begun and stream:
        assert isinstance(heard.error, row.ours[stream])
        assert heard.deltas
        assert stage.server.hits == 1
    else:
        assert (heard.error, heard.text, stage.server.hits) == (None, "Second", 2)
        assert "".join(heard.deltas) == ("Second" if stream else "")


@TABLE
@MODES
async def test_ours_says_so_when_every_attempt_fails(stage, row, stream):
    stage.server.script(row.reply, repeat=True)
    heard = await stage.ask(stage.hanzo(Retry(attempts=3, base_delay=0)), stream=stream)
    assert isinstance(heard.error, row.ours[stream])
    assert stage.server.hits == (1 if row.begun and stream else 3)


class TestFinishReason:
    """Row 14, in its plainest form, and row 16."""

    async def test_the_bare_sdk_does_not_miss_it(self, stage):
        stage.server.script(faults.no_finish_reason())
        assert (await stage.ask(stage.bare(), stream=True)).text == "Hello!"

    async def test_ours_does(self, stage):
        stage.server.script(faults.no_finish_reason(), "Second")
        heard = await stage.ask(stage.hanzo(Retry(attempts=2, base_delay=0)), stream=True)
        assert isinstance(heard.error, StreamTruncated)
        assert (heard.deltas, stage.server.hits) == (["Hel", "lo!"], 1)

    @MODES
    async def test_without_done_it_is_complete_all_the_same(self, stage, stream):
        stage.server.script(faults.no_done())
        assert (await stage.ask(stage.hanzo(), stream=stream)).text == "Hello!"

    async def test_what_breaks_after_the_end_breaks_nothing(self, stage):
        """The answer was complete when the connection broke: asking again would pay for it twice."""
        stage.server.script(faults.wrong_length())
        heard = await stage.ask(stage.hanzo(), stream=True)
        assert (heard.error, heard.text) == (None, "Hello!")


class TestDialects:
    """Row 19: spelled differently, meant the same."""

    @pytest.mark.parametrize("opening", [True, False], ids=["role first", "content first"])
    @pytest.mark.parametrize("name", DIALECTS)
    async def test_ours_hears_the_same_in_all(self, stage, name, opening):
        stage.server.script(answers.text("Grüße ✓", dialect=DIALECTS[name], opening=opening))
        assert (await stage.ask(stage.hanzo(), stream=True)).text == "Grüße ✓"

    async def test_the_bare_sdk_loses_what_follows_a_byte_order_mark(self, stage):
        stage.server.script(answers.text("Grüße ✓", dialect=DIALECTS["bom"], opening=False))
        assert (await stage.ask(stage.bare(), stream=True)).text == "e ✓"

    async def test_the_bare_sdk_trips_over_a_comment_after_an_id(self, stage):
        stage.server.script(answers.text(dialect=DIALECTS["everything"]))
        assert type((await stage.ask(stage.bare(), stream=True)).error) is NotJson

    @MODES
    async def test_an_event_of_a_megabyte(self, stage, stream):
        stage.server.script(answers.text("x" * 1_000_000, pieces=1))
        assert len((await stage.ask(stage.hanzo(), stream=stream)).text) == 1_000_000


class TestSize:
    """Row 24."""

    @pytest.mark.parametrize(
        ("reply", "stream"),
        [
            (faults.huge(), False),
            (faults.huge(content_type="text/event-stream"), True),
            (faults.gzip_bomb(5_000_000), False),
            (answers.text("x" * 2_000_000), False),
            (answers.text("x" * 2_000_000, pieces=1), True),
            (answers.text("x" * 2_000_000, pieces=200), True),
        ],
        ids=["endless", "endless stream", "gzip bomb", "long value", "one long event", "long stream"],
    )
    async def test_ours_gives_up_at_the_limit(self, stage, reply, stream):
        stage.server.script(reply)
        heard = await stage.ask(stage.hanzo(max_response_bytes=1_000_000), stream=stream)
        assert isinstance(heard.error, ResponseTooLarge)
        assert stage.server.hits == 1

    async def test_the_bare_sdk_swallows_a_bomb(self, stage):
        stage.server.script(faults.gzip_bomb(5_000_000))
        assert len((await stage.ask(stage.bare(), stream=False)).text) > 4_900_000


class TestHanging:
    """Rows 26 and 27."""

    @MODES
    @pytest.mark.parametrize(
        "reply",
        [faults.hang(), faults.hang_mid_body(), faults.slow_loris()],
        ids=["hang", "hang mid-body", "slow loris"],
    )
    async def test_a_cancelled_run_lets_go_of_the_connection(self, stage, stream, reply):
        stage.server.script(reply)
        run = asyncio.create_task(stage.ask(stage.hanzo(), stream=stream))
        await stage.server.until(lambda: stage.server.paused == 1)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        await stage.server.until(lambda: stage.server.open_connections == 0)

    async def test_hang_mid_body_ends_well_when_the_rest_comes(self, stage):
        stage.server.script(faults.hang_mid_body())
        run = asyncio.create_task(stage.ask(stage.hanzo(), stream=True))
        await stage.server.until(lambda: stage.server.paused == 1)
        stage.server.release()
        assert (await run).text == "Hello!"


class TestUsage:
    """Row 32: streamed usage is asked for, and what is missing or impossible is estimated, never zero."""

    async def test_the_bare_sdk_counts_nothing_in_a_stream(self, stage):
        stage.server.script("Hello!")
        usage = (await stage.ask(stage.bare(), stream=True)).usage
        assert (usage.requests, usage.total_tokens) == (1, 0)
        assert "stream_options" not in stage.server.requests[0].json

    async def test_ours_asks_for_it(self, stage):
        stage.server.script("Hello!")
        usage = (await stage.ask(stage.hanzo(), stream=True)).usage
        assert (usage.requests, usage.input_tokens, usage.output_tokens) == (1, 12, 5)

    @MODES
    @pytest.mark.parametrize(
        "usage", [None, Usage(-5, -7), Usage(-5, 7)], ids=["missing", "negative", "half negative"]
    )
    async def test_ours_estimates_what_is_missing(self, stage, stream, usage):
        stage.server.script(answers.text("Hello! " * 100, usage=usage))
        counted = (await stage.ask(stage.hanzo(), stream=stream)).usage
        assert counted.requests == 1
        assert counted.input_tokens > 0
        assert counted.output_tokens > 10
        assert counted.total_tokens == counted.input_tokens + counted.output_tokens

    async def test_the_bare_sdk_believes_anything(self, stage):
        stage.server.script(answers.text(usage=Usage(-5, -7)))
        assert (await stage.ask(stage.bare(), stream=False)).usage.total_tokens == -12
