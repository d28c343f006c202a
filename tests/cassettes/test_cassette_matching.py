"""What matches, what misses, and what a miss says."""
# ruff: noqa: PT012 - a miss is raised where its block ends

import httpx2
import openai
import pytest

from hanzo_agents.testing.cassettes import (
    CassetteError,
    CassetteMiss,
    CassetteNotFoundError,
    UnusedRecordings,
    use_cassette,
)

ELSEWHERE = "http://elsewhere.invalid:9"
HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def tape(tmp_path):
    return tmp_path / "tape.yaml"


async def test_a_recording_replays_on_another_host_and_port_with_no_request(post, upstream, tape):
    upstream.reply = (200, {"content-type": "application/json"}, b'{"answer": [1, 2.5, "\xc3\xa9"]}')
    with use_cassette(tape, mode="all"):
        live = await post(HELLO)
    with use_cassette(tape, all_used=True):
        replayed = await post(HELLO, site=ELSEWHERE)
    assert upstream.hits == 1
    assert replayed.json() == live.json() == {"answer": [1, 2.5, "é"]}
    assert replayed.status_code == 200


async def test_bodies_are_compared_parsed(post, tape):
    with use_cassette(tape, mode="all"):
        await post({"a": 1, "b": [1, 2]})
    with use_cassette(tape):
        await post({"b": [1, 2], "a": 1}, site=ELSEWHERE)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({**HELLO, "model": "other"}, "/v1/chat/completions"),
        (HELLO, "/v1/responses"),
        (HELLO, "/v1/chat/completions?page=2"),
    ],
)
async def test_another_request_misses_and_is_not_sent(post, upstream, tape, body, path):
    with use_cassette(tape, mode="all"):
        await post(HELLO)
    with pytest.raises(CassetteMiss), use_cassette(tape):
        await post(body, path=path)
    assert upstream.hits == 1


async def test_a_miss_shows_the_nearest_recording_and_how_it_differs(post, tape):
    with use_cassette(tape, mode="all"):
        await post({"model": "m", "messages": [{"role": "user", "content": "goodbye", "name": "bob"}]})
        await post({"completely": "different"}, path="/v1/embeddings")
    with pytest.raises(CassetteMiss) as miss, use_cassette(tape):
        await post({"model": "m", "messages": [{"role": "user", "content": "hello", "name": "bob"}]})
    text = str(miss.value)
    assert "Nearest is number 1, POST /v1/chat/completions" in text
    assert '-      "content": "goodbye"' in text
    assert '+      "content": "hello"' in text
    assert "They differ at messages[0].content." in text
    assert "ignore=['messages[0].content']" in text
    assert str(tape) in text


async def test_each_recording_plays_once_and_in_order(post, upstream, tape):
    with use_cassette(tape, mode="all"):
        for number in range(2):
            upstream.reply = (200, {"content-type": "application/json"}, b'{"number": %d}' % number)
            await post(HELLO)
    with pytest.raises(CassetteMiss, match="sent too often"), use_cassette(tape):
        assert (await post(HELLO)).json() == {"number": 0}
        assert (await post(HELLO)).json() == {"number": 1}
        await post(HELLO)


async def test_a_client_that_swallows_the_miss_does_not_hide_it(post, tape):
    with use_cassette(tape, mode="all"):
        await post(HELLO)
    with pytest.raises(CassetteMiss), use_cassette(tape):
        try:
            await post({"not": "recorded"})
        except Exception:
            await post(HELLO)  # a fallback that works
    with pytest.raises(CassetteMiss) as miss, use_cassette(tape):
        try:
            await post({"not": "recorded"})
        except Exception as error:
            raise LookupError("something else") from error
    assert isinstance(miss.value.__cause__, LookupError)


async def test_unused_recordings_can_be_asserted(post, tape):
    with use_cassette(tape, mode="all") as cassette:
        await post(HELLO)
        await post({"two": 2})
        assert cassette.unused == []
    with pytest.raises(UnusedRecordings, match=r"1 recording\(s\)"), use_cassette(tape, all_used=True) as cassette:
        await post(HELLO)
        assert [interaction.body for interaction in cassette.unused] == [{"two": 2}]
    with use_cassette(tape) as cassette:
        assert len(cassette.unused) == 2
        with pytest.raises(UnusedRecordings):
            cassette.assert_all_used()


@pytest.mark.parametrize(
    ("ignore", "recorded", "replayed"),
    [
        (["user"], {"a": 1, "user": "x"}, {"a": 1, "user": "y"}),
        (["user"], {"a": 1, "user": "x"}, {"a": 1}),
        (["$.m[*].id"], {"m": [{"id": 1, "k": 2}, {"id": 2}]}, {"m": [{"id": 8, "k": 2}, {"id": 9}]}),
        (["m[1].id"], {"m": [{"id": 1}, {"id": 2}]}, {"m": [{"id": 1}, {"id": 9}]}),
        (["m.*.at"], {"m": {"x": {"at": 1}, "y": {"at": 2}}}, {"m": {"x": {"at": 3}, "y": {"at": 4}}}),
        (["**.id"], {"id": 0, "m": [{"c": [{"id": 1}]}]}, {"id": 5, "m": [{"c": [{"id": 6}]}]}),
        (["t[*]"], {"t": [1, 2]}, {"t": [3, 4]}),
    ],
)
async def test_parts_can_be_ignored(post, tape, ignore, recorded, replayed):
    with use_cassette(tape, mode="all"):
        await post(recorded)
    with use_cassette(tape, ignore=ignore, all_used=True):
        await post(replayed, site=ELSEWHERE)
    with pytest.raises(CassetteMiss), use_cassette(tape):
        await post(replayed)


async def test_ignoring_is_no_wider_than_asked(post, tape):
    with use_cassette(tape, mode="all"):
        await post({"m": [{"id": 1}, {"id": 2}], "k": 1})
    with pytest.raises(CassetteMiss), use_cassette(tape, ignore=["m[*].id"]):
        await post({"m": [{"id": 1}], "k": 1})


@pytest.mark.parametrize("path", ["", "$", "..", "**"])
async def test_a_path_that_is_none_is_refused(post, tape, path):
    with pytest.raises(ValueError, match="path"), use_cassette(tape, mode="all", ignore=[path]):
        await post(HELLO)
        await post(HELLO)


def test_replay_without_a_cassette_says_how_to_record_it(tmp_path):
    with pytest.raises(CassetteNotFoundError, match="--hanzo-record"), use_cassette("nothing", directory=tmp_path):
        pass


async def test_once_records_only_what_is_not_there(post, upstream, tape):
    for _ in range(2):
        with use_cassette(tape, mode="once"):
            await post(HELLO)
    assert upstream.hits == 1


async def test_all_replaces_what_was_there(post, tape):
    tape.write_text("not even a cassette: [")
    for body in ({"first": 1}, {"second": 2}):
        with use_cassette(tape, mode="all") as cassette:
            await post(body)
            assert [interaction.body for interaction in cassette.interactions] == [body]
            assert cassette.unused == []
    with use_cassette(tape) as cassette:
        assert [interaction.body for interaction in cassette.interactions] == [{"second": 2}]


async def test_a_run_that_fails_writes_nothing(post, tape):
    with pytest.raises(LookupError), use_cassette(tape, mode="all"):
        await post(HELLO)
        raise LookupError
    assert not tape.exists()


def test_an_unknown_mode_is_refused(tape):
    with pytest.raises(ValueError, match="none, once, all"), use_cassette(tape, mode="new_episodes"):
        pass


@pytest.mark.parametrize("text", ["interactions: [", "just text", "interactions: [{}]", "[]", "{}"])
def test_a_file_that_is_no_cassette_is_an_error_and_not_an_empty_cassette(tape, text):
    tape.write_text(text)
    with pytest.raises(CassetteError, match="not a cassette"), use_cassette(tape):
        pass


async def test_the_openai_client_streams_from_a_cassette(upstream, tape):
    chunk = (
        b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":%s}]}'
    )
    upstream.reply = (
        200,
        {"content-type": "text/event-stream"},
        b"".join(
            b"data: %s\r\n\r\n" % (chunk % delta) for delta in (b'{"content":"h\\u00e9"}', b'{"content":"llo"}')
        )
        + b"data: [DONE]\r\n\r\n",
    )

    async def ask(site):
        async with openai.AsyncOpenAI(api_key="sk-test-1234", base_url=f"{site}/v1", max_retries=0) as client:
            stream = await client.chat.completions.create(model="m", messages=HELLO["messages"], stream=True)
            return [part.choices[0].delta.content async for part in stream]

    with use_cassette(tape, mode="all"):
        live = await ask(upstream.url)
    with use_cassette(tape):
        assert await ask(ELSEWHERE) == live == ["hé", "llo"]


def test_sync_clients_are_covered(upstream, tape):
    for mode in ("all", "none"):
        with use_cassette(tape, mode=mode), httpx2.Client() as client:
            assert client.get(f"{upstream.url}/v1/models").json() == {"ok": True}
    assert upstream.hits == 1


async def test_error_replies_are_recorded(post, upstream, tape):
    upstream.reply = (429, {"content-type": "application/json", "retry-after": "7"}, b'{"error": {"code": "429"}}')
    with use_cassette(tape, mode="all"):
        await post(HELLO)
    with use_cassette(tape):
        reply = await post(HELLO, site=ELSEWHERE)
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "7")


async def test_nothing_stays_patched(post, upstream, tape):
    with use_cassette(tape, mode="all"):
        await post(HELLO)
    await post(HELLO)
    assert upstream.hits == 2
