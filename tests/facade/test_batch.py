"""`batch_create`: many requests at a time, in order, each with its own reply or error, and resumable."""

import asyncio
import io
import json
import logging
import os
import stat

import openai
import pytest
from upstream import KEY, URL, Upstream, completion, status

from hanzo_agents import ConfigError, Hanzo, HanzoChatCompletion, InvalidResponse
from hanzo_agents.batch import Batch, _Bar


def said(request):
    return json.loads(request.content)["messages"][-1]["content"]


def echo(request):
    """Answers with what was said; "fail" fails, "empty" is no answer."""
    words = said(request)
    if words == "fail":
        return status(400)
    return {"choices": []} if words == "empty" else completion(words.upper())


def upstream_of(answer=echo):
    return Upstream(answer)


def user(text):
    return {"role": "user", "content": text}


def texts(batch):
    return [reply.choices[0].message.content for reply in batch]


async def both(client, sync, requests, **more):
    if sync:
        return await asyncio.to_thread(
            lambda: Hanzo(URL, KEY, model="m", http_client=client).chat.completions.batch_create(requests, **more)
        )
    from hanzo_agents import AsyncHanzo

    return await AsyncHanzo(URL, KEY, model="m", http_client=client).chat.completions.batch_create(
        requests, **more
    )


SYNC = pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])


@SYNC
async def test_replies_come_in_the_order_of_their_requests(sync):
    upstream = upstream_of()
    batch = await both(upstream.http, sync, [user(f"document {n}") for n in range(30)], model="other")
    assert texts(batch) == [f"DOCUMENT {n}" for n in range(30)]
    assert {body["model"] for body in upstream.bodies} == {"other"}
    assert (len(batch), batch.errors, repr(batch)) == (30, {}, "Batch(30 requests, 0 failed)")
    assert isinstance(batch[3], HanzoChatCompletion)
    assert batch[3].attempts
    assert texts(batch[3:5]) == ["DOCUMENT 3", "DOCUMENT 4"]


@SYNC
async def test_requests_come_in_three_forms(sync):
    upstream = upstream_of()
    requests = [
        user("message"),
        [{"role": "system", "content": "Be brief."}, user("conversation")],
        (message for message in [user("generated")]),
        {"messages": [user("arguments")], "model": "own", "temperature": 0},
    ]
    batch = await both(upstream.http, sync, iter(requests), max_tokens=9)
    assert texts(batch) == ["MESSAGE", "CONVERSATION", "GENERATED", "ARGUMENTS"]
    bodies = {said(r): json.loads(r.content) for r in upstream.requests}
    assert bodies["conversation"]["messages"][0]["role"] == "system"
    assert {name: body["max_tokens"] for name, body in bodies.items()} == dict.fromkeys(bodies, 9)
    assert (bodies["arguments"]["model"], bodies["arguments"]["temperature"]) == ("own", 0)
    assert bodies["message"]["model"] == "m"


@SYNC
async def test_a_message_of_a_reply_goes_back_as_it_is(tmp_path, sync):
    message = HanzoChatCompletion.from_json(json.dumps(completion("an answer"))).choices[0].message
    upstream = upstream_of(lambda _: completion())
    requests = [[user("a question"), message, user("another")], message]
    batch = await both(upstream.http, sync, requests, file=tmp_path / "answers.jsonl")
    assert not batch.errors
    answer = {"role": "assistant", "content": "an answer"}
    sent = sorted((body["messages"] for body in upstream.bodies), key=len)
    assert sent == [[answer], [user("a question"), answer, user("another")]]


@SYNC
async def test_a_failure_stays_with_its_request(sync):
    batch = await both(upstream_of().http, sync, [user("a"), user("fail"), user("b"), user("empty")])
    assert sorted(batch.errors) == [1, 3]
    assert isinstance(batch.errors[1], openai.BadRequestError)
    assert batch.errors[1].__notes__ == ["request 1 of the batch"]
    assert texts(batch.replies) == ["A", "B"]
    assert [isinstance(one, Exception) for one in batch.results] == [False, True, False, True]
    with pytest.raises(openai.BadRequestError):
        batch[1]
    with pytest.raises(InvalidResponse):
        texts(batch[2:])
    assert repr(batch) == "Batch(4 requests, 2 failed)"


@pytest.mark.parametrize("most", [1, 3])
async def test_never_more_at_a_time_than_allowed(most):
    now, peak = 0, 0

    async def slow(request):
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        for _ in range(5):
            await asyncio.sleep(0)
        now -= 1
        return completion(said(request))

    batch = await both(upstream_of(slow).http, False, [user(str(n)) for n in range(9)], max_concurrent=most)
    assert texts(batch) == [str(n) for n in range(9)]
    assert peak == most


async def test_an_empty_batch_is_one():
    batch = await both(upstream_of().http, False, [])
    assert list(batch) == []


async def test_cancelling_a_batch_cancels_its_calls():
    left = []

    async def hang(_request):
        try:
            await asyncio.Event().wait()
        finally:
            left.append(True)

    task = asyncio.create_task(both(upstream_of(hang).http, False, [user("a")] * 5, max_concurrent=2))
    while not task.done() and not left:
        for _ in range(50):
            await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert left == [True, True]


# --- from a file --------------------------------------------------------------------------------------------------


@SYNC
async def test_a_batch_goes_on_where_it_stopped(tmp_path, sync):
    file = tmp_path / "answers.jsonl"
    requests = [user("a"), user("fail"), user("c")]
    first = await both(upstream_of().http, sync, requests, file=file)
    assert sorted(first.errors) == [1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KEY not in file.read_text()
    mended = upstream_of(lambda request: completion("mended"))
    second = await both(mended.http, sync, requests, file=str(file))
    assert texts(second) == ["A", "mended", "C"]
    assert mended.hits == 1
    assert second[0] == first[0]
    third = upstream_of()
    assert texts(await both(third.http, sync, requests, file=file)) == ["A", "mended", "C"]
    assert third.hits == 0


async def test_equal_requests_have_answers_of_their_own(tmp_path):
    numbers = iter(range(9))
    upstream = upstream_of(lambda request: completion(str(next(numbers))))
    batch = await both(upstream.http, False, [user("a")] * 3, file=tmp_path / "f")
    again = await both(upstream.http, False, [user("a")] * 3, file=tmp_path / "f")
    assert texts(batch) == texts(again)
    assert len(set(texts(batch))) == upstream.hits == 3


async def test_a_line_that_was_cut_short_is_taken_back(tmp_path):
    file = tmp_path / "f"
    await both(upstream_of().http, False, [user("a"), user("b")], file=file, max_concurrent=1)
    whole = file.read_bytes()
    for cut in (1, 20, len(whole.splitlines()[1])):
        file.write_bytes(whole[:-cut])
        upstream = upstream_of()
        assert texts(await both(upstream.http, False, [user("a"), user("b")], file=file)) == ["A", "B"]
        assert upstream.hits == 1
        assert len(file.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("change", ["request", "model", "setting", "fewer"])
async def test_a_file_of_other_requests_is_refused(tmp_path, change):
    file = tmp_path / "f"
    upstream = upstream_of()
    await both(upstream.http, False, [user("a"), user("b")], file=file)
    requests = {"request": [user("x"), user("b")], "fewer": [user("a")]}.get(change, [user("a"), user("b")])
    more = {"model": {"model": "n"}, "setting": {"temperature": 0.5}}.get(change, {})
    with pytest.raises(ConfigError, match=r"file: line . .* answers another request"):
        await both(upstream.http, False, requests, file=file, **more)
    assert upstream.hits == 2


@pytest.mark.parametrize(
    "content", [b"[]\n", b"x\n", b'{"version": 2}\n', b'{"version": 1, "number": "x"}\n', b"\n", b"\xff\n"]
)
async def test_a_file_of_something_else_is_refused(tmp_path, content):
    file = tmp_path / "f"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="file: line 1"):
        await both(upstream_of().http, False, [user("a")], file=file)
    assert file.read_bytes() == content


async def test_a_full_disk_costs_no_answers(tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with caplog.at_level(logging.WARNING, logger="hanzo_agents"):
        batch = await both(upstream_of().http, False, [user("a"), user("b")], file=tmp_path / "f")
    assert texts(batch) == ["A", "B"]
    assert len([record for record in caplog.records if "no longer written" in record.message]) == 1


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


# --- what is none -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requests", "more", "why"),
    [
        ("text", {}, "requests: expected a list"),
        (5, {}, "requests: expected a list"),
        (user("a"), {}, "requests: expected a list"),
        (["text"], {}, r"requests\[0\]: expected a message"),
        ([user("a"), 5], {}, r"requests\[1\]: expected a message"),
        ([[]], {}, r"requests\[0\]: expected messages with a role, got none"),
        ([["text"]], {}, r"requests\[0\]: expected messages with a role"),
        ([{"content": "x"}], {}, r"requests\[0\]: expected messages with a role"),
        ([{"messages": "x"}], {}, r"requests\[0\]: expected a message or a list"),
        ([user("a")], {"stream": True}, "stream"),
        ([{"messages": [user("a")], "stream": True}], {}, "stream"),
        ([user("a")], {"max_concurrent": 0}, "max_concurrent"),
        ([user("a")], {"max_concurrent": True}, "max_concurrent"),
        ([user("a")], {"max_concurrent": 1.5}, "max_concurrent"),
        ([user("a")], {"file": 5}, "file"),
        ([user("a")], {"file": "no/such/folder/file"}, "file"),
        ([user("a")], {"file": "."}, "file"),
        ([user("a")], {"progress": "yes"}, "progress"),
        ([{"messages": [user("a")], "metadata": {"a": object()}}], {"file": "f"}, "plain JSON"),
    ],
    ids=repr,
)
@pytest.mark.usefixtures("_elsewhere")
@SYNC
async def test_what_is_none_is_refused_before_anything_is_sent(sync, requests, more, why):
    upstream = upstream_of()
    with pytest.raises(ConfigError, match=why):
        await both(upstream.http, sync, requests, **more)
    assert upstream.hits == 0


async def test_without_any_model_each_request_fails_by_name():
    from hanzo_agents import AsyncHanzo

    client = AsyncHanzo(URL, KEY, http_client=upstream_of().http)
    batch = await client.chat.completions.batch_create([user("a")])
    assert isinstance(batch.errors[0], ConfigError)


# --- progress -----------------------------------------------------------------------------------------------------


async def test_a_bar_is_drawn_where_somebody_looks(monkeypatch, capsys):
    await both(upstream_of().http, False, [user("a"), user("fail")], progress=True)
    drawn = capsys.readouterr().err
    assert "\r" in drawn
    assert "2/2, 1 failed" in drawn
    assert drawn.endswith("\n")
    await both(upstream_of().http, False, [user("a")])
    assert capsys.readouterr().err == ""


def test_the_bar_says_how_long_it_will_take():
    to = io.StringIO()
    bar = _Bar(4, done=1, shown=True, to=to)
    bar.step(failed=False)
    bar.end()
    frames = to.getvalue().rstrip("\n").split("\r")
    assert frames[1].startswith("██████░░")
    assert "1/4, ..." in frames[1]
    assert "2/4, 0 s left" in frames[2]


def test_nothing_is_drawn_of_what_is_done_already():
    to = io.StringIO()
    _Bar(2, done=2, shown=True, to=to).end()
    assert to.getvalue() == ""


def test_a_batch_is_a_sequence():
    batch = Batch([1, 2, 3])
    assert (list(batch), batch[-1], list(batch[1:]), 2 in batch, batch.index(3)) == ([1, 2, 3], 3, [2, 3], True, 2)
