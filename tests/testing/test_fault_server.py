"""The server itself, seen from plain sockets and plain HTTP."""

import asyncio
import contextlib
import gc
import gzip
import json
import socket
import ssl
import threading
from datetime import UTC, datetime

import httpx2
import pytest
import trustme

from hanzo_agents.testing.fault_server import (
    DIALECTS,
    Close,
    FaultServer,
    Http,
    Pause,
    Request,
    Send,
    answers,
    faults,
)

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


@pytest.fixture
def http(server):
    with httpx2.Client(base_url=server.url, trust_env=False) as client:
        yield client


def post(http, *, stream=False, model="m", path="/v1/chat/completions"):
    return http.post(path, json={**CHAT, "model": model, "stream": stream})


def raw(server, *, stream=False):
    """Everything the server sends to one request, until it closes."""
    body = json.dumps({**CHAT, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as connection:
        connection.sendall(head.encode() + body)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


class TestScript:
    def test_replies_come_in_order(self, server, http):
        server.script("one", faults.status(503), "three")
        assert [post(http).status_code for _ in range(3)] == [200, 503, 200]
        assert server.hits == 3

    def test_without_a_reply_left_it_says_so_in_a_way_nobody_retries(self, server, http):
        server.script("one")
        post(http)
        answer = post(http)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "unscripted"
        assert "request 2" in answer.json()["error"]["message"]

    def test_the_last_reply_may_repeat(self, server, http):
        server.script("one", faults.status(503), repeat=True)
        assert [post(http).status_code for _ in range(4)] == [200, 503, 503, 503]

    def test_a_later_script_ends_the_repetition(self, server, http):
        server.script(faults.status(503), repeat=True)
        post(http)
        server.script("well again")
        assert [post(http).status_code for _ in range(2)] == [200, 400]

    def test_each_model_may_have_a_lane(self, server, http):
        server.script("any", repeat=True)
        broken = server.model("gpt-4").script(faults.status(503), repeat=True)
        assert post(http, model="gpt-4").status_code == 503
        assert post(http, model="zen-1").status_code == 200
        assert (broken.hits, server.lane().hits, server.hits) == (1, 1, 2)
        assert broken.requests[0].model == "gpt-4"

    def test_a_models_own_lane_does_not_fall_through(self, server, http):
        server.script("any", repeat=True)
        server.model("gpt-4").script("once")
        assert [post(http, model="gpt-4").status_code for _ in range(2)] == [200, 400]

    def test_each_path_has_a_lane(self, server, http):
        server.script(answers.models("a", "b"), path="/v1/models")
        assert [model["id"] for model in http.get("/v1/models").json()["data"]] == ["a", "b"]

    def test_left_counts_what_was_not_asked_for(self, server, http):
        server.script("one", "two")
        post(http)
        assert server.lane().left == 1

    def test_scripting_while_serving_is_safe(self, server, http):
        writers = [threading.Thread(target=lambda: [server.script(str(n)) for n in range(25)]) for _ in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert all(post(http).status_code == 200 for _ in range(100))
        assert server.lane().left == 0


class TestRequests:
    def test_everything_is_recorded(self, server, http):
        server.script("hi")
        http.post("/v1/chat/completions?v=1", json=CHAT, headers={"X-User-ID": "u1"})
        (request,) = server.requests
        assert (request.number, request.method, request.path) == (1, "POST", "/v1/chat/completions")
        assert request.query == "v=1"
        assert request.headers["x-user-id"] == "u1"
        assert request.json == CHAT
        assert json.loads(request.raw) == CHAT
        assert (request.model, request.stream, request.prompt) == ("m", False, "Hi")

    def test_a_chunked_body_is_read(self, server, http):
        server.script("hi")
        http.post("/v1/chat/completions", content=iter([b'{"model":', b'"chunked"}']))
        assert server.requests[0].model == "chunked"

    def test_repr_keeps_the_key(self, server, http):
        server.script("hi")
        http.post("/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer canary"})
        assert "canary" not in repr(server.requests)

    @pytest.mark.parametrize("body", [b"", b"[]", b"not json", b'"text"'])
    def test_a_body_that_is_no_object_has_no_fields(self, body):
        request = Request(method="POST", path="/", raw=body)
        assert (request.model, request.stream, request.messages, request.prompt) == (None, False, [], "")

    def test_prompt_is_the_last_word_of_the_user(self):
        parts = [{"type": "text", "text": "sec"}, {"type": "image_url"}, {"type": "text", "text": "ond"}]
        messages = [
            {"role": "user", "content": "first"},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "no"},
        ]
        assert Request(method="POST", path="/", raw=json.dumps({"messages": messages}).encode()).prompt == "second"
        assert Request(method="POST", path="/", raw=b'{"input": "alone"}').prompt == "alone"


class TestLifetime:
    def test_it_must_run_to_have_an_address(self):
        with pytest.raises(RuntimeError, match="context manager"):
            _ = FaultServer().base_url

    def test_it_starts_once(self, server):
        with pytest.raises(RuntimeError, match="already"):
            server.start()

    async def test_stop_closes_everything_and_may_be_called_twice(self):
        server = FaultServer().start()
        server.script(faults.hang())
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as client:
            asking = asyncio.create_task(client.post("/v1/chat/completions", json=CHAT))
            await server.until(lambda: server.paused == 1)
            server.stop()
            with pytest.raises(httpx2.HTTPError):
                await asking
        server.stop()
        assert server.open_connections == 0
        assert "stopped" in repr(server)

    async def test_async_context(self):
        async with FaultServer() as server, httpx2.AsyncClient(trust_env=False) as client:
            server.script("hi")
            answer = await client.post(f"{server.base_url}/chat/completions", json=CHAT)
            assert answer.status_code == 200

    def test_connections_are_kept_and_counted(self, server, http):
        server.script("hi", repeat=True)
        post(http)
        post(http)
        assert (server.connections, server.open_connections) == (1, 1)
        http.close()
        server.wait_for(lambda: server.open_connections == 0)
        assert server.connections == 1

    def test_waiting_in_vain_says_where_the_server_stands(self, server):
        with pytest.raises(TimeoutError, match="hits=0"):
            server.wait_for(lambda: server.hits == 1, timeout=0)

    async def test_waiting_in_vain_on_a_loop(self, server):
        with pytest.raises(TimeoutError, match="hits=0"):
            await server.until(lambda: server.hits == 1, timeout=0)

    def test_what_a_reply_raises_comes_out_at_the_end(self):
        class Broken:
            def render(self, request, /):
                raise LookupError(request.path)

        server = FaultServer().start().script(Broken())
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            assert post(client).status_code == 500
        with pytest.raises(LookupError, match="/v1/chat"):
            server.__exit__(None, None, None)

    def test_tls(self):
        authority = trustme.CA()
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(ours)
        theirs = ssl.create_default_context()
        with FaultServer(ssl=ours) as server:
            server.script("hi")
            with (
                pytest.raises(httpx2.ConnectError),
                httpx2.Client(base_url=server.url, verify=theirs, trust_env=False) as client,
            ):
                post(client)
            authority.configure_trust(theirs)
            with httpx2.Client(base_url=server.url, verify=theirs, trust_env=False) as client:
                assert post(client).status_code == 200


class TestConnectionFaults:
    def test_closed_port(self):
        with faults.closed_port() as url, pytest.raises(httpx2.ConnectError):
            httpx2.post(f"{url}/chat/completions", json=CHAT, trust_env=False)

    def test_reset(self, server):
        server.script(faults.reset())
        with pytest.raises(ConnectionResetError):
            raw(server)

    def test_reset_after_content(self, server, http):
        server.script(faults.reset_after_content())
        with pytest.raises(httpx2.ReadError):
            post(http, stream=True)

    def test_hang_ends_when_the_client_goes(self, server, http):
        server.script(faults.hang())
        with pytest.raises(httpx2.ReadTimeout):
            http.post("/v1/chat/completions", json=CHAT, timeout=0.05)
        server.wait_for(lambda: server.paused == 0 and server.open_connections == 0)

    def test_hang_ends_when_it_is_released(self, server):
        server.script(faults.hang())
        thread = threading.Thread(target=lambda: (server.wait_for(lambda: server.paused == 1), server.release()))
        thread.start()
        assert raw(server) == b""
        thread.join()

    @pytest.mark.parametrize("stream", [False, True])
    async def test_hang_mid_body_goes_on_when_released(self, server, stream):
        server.script(faults.hang_mid_body())
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as client:
            task = asyncio.create_task(client.post("/v1/chat/completions", json={**CHAT, "stream": stream}))
            await server.until(lambda: server.paused == 1)
            assert not task.done()
            server.release()
            assert b"lo!" in (await task).content

    async def test_slow_loris_sends_a_byte_a_release(self, server):
        server.script(faults.slow_loris(answers.json({})))
        async with httpx2.AsyncClient(base_url=server.url, trust_env=False) as client:
            task = asyncio.create_task(client.post("/v1/chat/completions", json=CHAT))
            while not task.done():
                await server.until(lambda: server.paused == 1 or task.done())
                server.release()
            assert task.result().json() == {}

    def test_wrong_length(self, server, http):
        server.script(faults.wrong_length(by=10), faults.wrong_length(by=-10))
        with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete"):
            post(http)
        with pytest.raises(json.JSONDecodeError):
            post(http).json()

    @pytest.mark.parametrize("code", [301, 302, 307, 308])
    def test_redirect(self, server, http, code):
        with FaultServer() as other:
            server.script(faults.redirect(other.base_url, code=code))
            answer = post(http)
            assert (answer.status_code, answer.headers["location"]) == (
                code,
                f"{other.base_url}/chat/completions",
            )

    def test_redirect_to_any_url(self, server, http):
        server.script(faults.redirect("https://example.com/elsewhere"))
        assert post(http).headers["location"] == "https://example.com/elsewhere"


class TestStatuses:
    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            (1, ["1"]),
            (0.5, ["0.5"]),
            ("nan", ["nan"]),
            ("", [""]),
            (("1", "2"), ["1", "2"]),
            (None, []),
            (datetime(2026, 1, 2, tzinfo=UTC), ["Fri, 02 Jan 2026 00:00:00 GMT"]),
        ],
    )
    def test_retry_after_in_all_its_forms(self, server, http, given, sent):
        server.script(faults.status(429, retry_after=given))
        assert post(http).headers.get_list("retry-after") == sent

    def test_headers_and_the_usual_body(self, server, http):
        server.script(
            faults.status(400, headers={"x-should-retry": "false"}, error_code="context_length_exceeded")
        )
        answer = post(http)
        assert answer.headers["x-should-retry"] == "false"
        assert answer.json()["error"]["code"] == "context_length_exceeded"

    def test_other_bodies(self, server, http):
        server.script(
            faults.status(500, body="plain"), faults.status(500, body={"oops": 1}), faults.detail(422, "no")
        )
        assert [post(http).text for _ in range(3)] == ["plain", '{"oops": 1}', '{"detail": "no"}']

    def test_an_unknown_status_is_sent_too(self, server, http):
        server.script(faults.status(529))
        assert post(http).status_code == 529

    def test_the_key_is_echoed(self, server, http):
        server.script(faults.echo_authorization())
        answer = http.post("/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer sk-canary"})
        assert (answer.status_code, "sk-canary" in answer.text) == (401, True)


class TestBodies:
    @pytest.mark.parametrize("stream", [False, True])
    def test_html(self, server, http, stream):
        server.script(faults.html())
        answer = post(http, stream=stream)
        assert answer.headers["content-type"].startswith("text/html")
        assert "Sign in" in answer.text

    @pytest.mark.parametrize("given", ["[]", "null", '""', ""])
    def test_body(self, server, http, given):
        server.script(faults.body(given))
        assert post(http).text == given

    def test_truncated_json_is_whole_to_the_transport(self, server, http):
        server.script(faults.truncated_json())
        answer = post(http)
        assert int(answer.headers["content-length"]) == len(answer.content)
        with pytest.raises(json.JSONDecodeError):
            answer.json()

    @pytest.mark.parametrize("stream", [False, True])
    def test_bad_utf8(self, server, http, stream):
        server.script(faults.bad_utf8())
        with pytest.raises(UnicodeDecodeError):
            post(http, stream=stream).content.decode()

    @pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
    def test_huge_of_a_size(self, server, http, content_type):
        server.script(faults.huge(1_000_000, content_type=content_type))
        assert 900_000 < len(post(http).content) < 1_200_000

    def test_huge_without_end(self, server, http):
        server.script(faults.huge())
        with http.stream("POST", "/v1/chat/completions", json=CHAT) as answer:
            pieces = answer.iter_bytes()
            assert sum(len(next(pieces)) for _ in range(10)) > 10
        server.wait_for(lambda: server.open_connections == 0)

    def test_gzip_bomb(self, server):
        server.script(faults.gzip_bomb(2_000_000))
        server.script(Http(body=(Close(),), head=False))
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            answer = post(client)
        packed = int(answer.headers["content-length"])
        assert packed < 20_000
        assert len(answer.json()["choices"][0]["message"]["content"]) > 1_900_000

    def test_gzip_bomb_is_gzip(self, server, http):
        server.script(faults.gzip_bomb(100_000))
        with http.stream("POST", "/v1/chat/completions", json=CHAT) as answer:
            assert json.loads(gzip.decompress(b"".join(answer.iter_raw())))["model"] == "bomb"

    def test_anything_can_be_spelled_out(self, server):
        server.script(
            Http(status=418, headers=(("X-Pot", "tea"),), body=(Send(b"short"), Pause(), Send(b" and stout")))
        )
        thread = threading.Thread(target=lambda: (server.wait_for(lambda: server.paused == 1), server.release()))
        thread.start()
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            answer = post(client)
        thread.join()
        assert (answer.status_code, answer.text, answer.headers["x-pot"]) == (418, "short and stout", "tea")


class TestStreams:
    def test_framing_is_chunked_and_kept(self, server, http):
        server.script("hi", repeat=True)
        answer = post(http, stream=True)
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.text.endswith("data: [DONE]\n\n")
        post(http, stream=True)
        assert server.connections == 1

    def test_framing_by_close(self, server):
        server.script(answers.text(framing="close"))
        assert raw(server, stream=True).endswith(b"data: [DONE]\n\n")

    def test_framing_by_length(self, server, http):
        server.script(answers.text(framing="length"))
        answer = post(http, stream=True)
        assert int(answer.headers["content-length"]) == len(answer.content)

    @pytest.mark.parametrize("name", DIALECTS)
    def test_dialects_say_the_same(self, server, name):
        server.script(answers.text("Grüße ✓", dialect=DIALECTS[name], framing="close"))
        _, _, body = raw(server, stream=True).partition(b"\r\n\r\n")
        lines = body.decode("utf-8-sig").splitlines()
        said = [
            "".join(line.removeprefix("data:") for line in event.splitlines() if line.startswith("data:")).strip()
            for event in "\n".join(lines).split("\n\n")
        ]
        deltas = [json.loads(one)["choices"][0]["delta"] for one in said if one.startswith("{")]
        assert "".join(delta.get("content", "") for delta in deltas) == "Grüße ✓"
        assert [one for one in said if one][-1] == "[DONE]"

    def test_dialects_differ_on_the_wire(self):
        with FaultServer() as server:
            server.script(*(answers.text(dialect=dialect, framing="close") for dialect in DIALECTS.values()))
            bodies = [raw(server, stream=True).partition(b"\r\n\r\n")[2] for _ in DIALECTS]
        spelled = dict(zip(DIALECTS, bodies, strict=True))
        assert b"\r\n\r\n" in spelled["crlf"]
        assert b"data:{" in spelled["no-space"]
        assert spelled["bom"].startswith(b"\xef\xbb\xbf")
        assert b"event: message" in spelled["named"]
        assert b"retry: 3000" in spelled["ids"]
        assert b":ping" in spelled["pings"]

    @pytest.mark.parametrize("framing", ["close", "chunked", "length"])
    @pytest.mark.parametrize("cut", [faults.cut_between_events, faults.cut_in_json, faults.cut_in_utf8])
    def test_a_cut_is_seen_only_where_the_framing_shows_it(self, server, cut, framing):
        server.script(cut(framing=framing))
        with httpx2.Client(base_url=server.url, trust_env=False) as client:
            if framing == "close":
                answer = post(client, stream=True)
                assert b"[DONE]" not in answer.content
                assert b"data:" in answer.content
            else:
                with pytest.raises(httpx2.RemoteProtocolError):
                    post(client, stream=True)

    def test_where_the_cuts_are(self, server, http):
        server.script(
            faults.cut_between_events(ended=True, framing="chunked"),
            faults.cut_in_json(ended=True, framing="chunked"),
            faults.cut_in_utf8(ended=True, framing="chunked"),
            faults.cut_between_events(content=0, ended=True, framing="chunked"),
        )
        between, inside, torn, before = [post(http, stream=True).content for _ in range(4)]
        assert between.endswith(b"}\n\n")
        json.loads(between.split(b"data: ")[-1])
        with pytest.raises(json.JSONDecodeError):
            json.loads(inside.split(b"data: ")[-1])
        with pytest.raises(UnicodeDecodeError):
            torn.decode()
        assert before.count(b"data:") == 1
        assert b'"role":"assistant"' in before

    def test_values_are_cut_too(self, server, http):
        cuts = [faults.cut_between_events, faults.cut_in_json, faults.cut_in_utf8]
        server.script(*(cut() for cut in cuts))
        for _ in cuts:
            with pytest.raises(ValueError):
                json.loads(post(http).content)
        server.script(faults.cut_in_json(framing="length"))
        with pytest.raises(httpx2.RemoteProtocolError):
            post(http)

    def test_streams_that_say_nothing(self, server, http):
        server.script(faults.done_only(), faults.nothing(), faults.keepalive_only(2))
        assert [post(http, stream=True).text for _ in range(3)] == [
            "data: [DONE]\n\n",
            "",
            ": keep-alive\n\n" * 2,
        ]

    def test_errors_inside(self, server, http):
        server.script(faults.error_in_200(), faults.error_after_content(), faults.error_in_200())
        first, after = post(http, stream=True).text, post(http, stream=True).text
        assert first.startswith('data: {"error"')
        assert after.index('"content":"Hel"') < after.index('"error"')
        assert post(http).json()["error"]["code"] == "overloaded"

    def test_hollow_answers(self, server, http):
        server.script(faults.empty_choices(), faults.null_message(), faults.no_finish_reason())
        assert post(http).json()["choices"] == []
        assert post(http).json()["choices"][0]["message"] is None
        assert post(http).json()["choices"][0]["finish_reason"] is None
        server.script(faults.empty_choices(), faults.null_message(), faults.no_finish_reason(), faults.no_done())
        empty, null, unfinished, undone = [post(http, stream=True).text for _ in range(4)]
        assert '"choices":[]' in empty
        assert '"delta":null' in null
        assert '"finish_reason":"' not in unfinished
        assert "[DONE]" not in undone
        assert '"finish_reason":"stop"' in undone


class Holding:
    """A reply that keeps the server's loop until it is told to go on."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def render(self, request):
        self.begun.set()
        assert self.go_on.wait(5)
        return answers.text("Hello!").render(request)


def test_who_connects_while_it_stops_is_closed():
    """asyncio forgets a connection that it accepts in the very turn in which its server closes."""
    holding = Holding()
    with FaultServer().script(holding) as server:
        address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
        with socket.create_connection(address) as first:
            first.sendall(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}")
            assert holding.begun.wait(5)
            with socket.create_connection(address, timeout=5) as late:
                server._loop.call_soon_threadsafe(server._finished.set)
                holding.go_on.set()
                server.stop()
                with contextlib.suppress(ConnectionResetError):
                    assert late.recv(1) == b""
    gc.collect()  # a socket that nobody closed is a warning now, and that a failure
