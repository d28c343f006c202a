"""What is in the file: readable, complete, and without secrets."""

import base64
import gzip
import hashlib
import json
import logging

import httpx2
import pytest
import yaml

from hanzo_agents.testing.cassettes import SecretFoundError, scan, use_cassette
from hanzo_agents.testing.cassettes.bodies import parsed, readable
from hanzo_agents.testing.cassettes.scrubbing import Scrubber, secret_header, secret_texts

CANARY = "canary-7f3a9c2e51d8"
JSON = {"content-type": "application/json"}


@pytest.fixture
def tape(tmp_path):
    return tmp_path / "tape.yaml"


async def test_json_is_stored_pretty_so_that_a_change_is_a_line_in_a_diff(post, upstream, tape):
    upstream.reply = (200, JSON, b'{"choices":[{"text":"two\\nlines \\u00e9","n":1.50}]}')
    with use_cassette(tape, mode="all"):
        await post({"model": "m", "messages": []})
    text = tape.read_text()
    assert '    body: |-\n      {\n        "model": "m",' in text
    assert '              "text": "two\\nlines é",' in text


async def test_streams_are_stored_as_lines(post, upstream, tape):
    upstream.reply = (
        200,
        {"content-type": "text/event-stream"},
        b'data: {"a":1}\r\n\r\nevent: x\r\ndata: [DONE]\r\n\r\n',
    )
    with use_cassette(tape, mode="all"):
        await post({})
    assert '        data: {"a": 1}\n\n        event: x\n        data: [DONE]\n' in tape.read_text()


async def test_only_allowed_headers_are_stored(post, upstream, tape):
    upstream.reply = (
        200,
        {
            **JSON,
            "set-cookie": "session=abc",
            "x-litellm-model-group": "m",
            "x-litellm-model-api-base": "http://10.0.0.7:8000",
            "x-internal": "yes",
        },
        b"{}",
    )
    with use_cassette(tape, mode="all", keep_response_headers=["X-Internal"]):
        await post(
            {}, headers={"Authorization": "Bearer x", "Cookie": "a=b", "X-Tenant": "t", "x-litellm-tags": "a"}
        )
    [stored] = yaml.safe_load(tape.read_text())["interactions"]
    assert set(stored["request"]["headers"]) == {"accept", "content-type", "x-litellm-tags"}
    assert set(stored["response"]["headers"]) == {"content-type", "x-litellm-model-group", "x-internal"}
    assert "127.0.0.1" not in tape.read_text()


async def test_canaries_planted_everywhere_are_gone(post, upstream, tape):
    key = f"{CANARY}-key"
    forms = [
        key,
        base64.b64encode(key.encode()).decode(),
        hashlib.sha256(key.encode()).hexdigest(),
    ]
    event = json.dumps({"delta": f"the key is {key}"})
    upstream.reply = (
        401,
        {**JSON, "set-cookie": f"s={CANARY}", "x-request-id": f"req-{key}"},
        json.dumps({"error": " ".join(forms), "nested": json.dumps({"password": f"{CANARY}-pw"})}).encode(),
    )
    with use_cassette(tape, mode="all", secrets=[f'{CANARY}-"quoted"/é']):
        await post(
            {
                "api_key": f"{CANARY}-field",
                "note": f'{CANARY}-"quoted"/é',
                "url": f"https://u:{CANARY}@h/?token={CANARY}",
            },
            path=f"/v1/chat?api_key={CANARY}-query&keep=1&sig={CANARY}",
            headers={"Authorization": f"Bearer {key}", "X-Api-Key": f"{CANARY}-other1", "Cookie": f"c={CANARY}"},
        )
        upstream.reply = (
            200,
            {"content-type": "text/event-stream"},
            f"data: {event}\n\n: {CANARY}-other1\n\n".encode(),
        )
        await post({"stream": True}, headers={"X-Api-Key": f"{CANARY}-other1"})
    text = tape.read_text()
    assert CANARY not in text
    assert not any(form in text for form in forms)
    assert "keep=1" in text
    assert text.count("REDACTED") > 8
    assert scan(tape, secrets=[key]) == []


@pytest.mark.parametrize(
    "secret",
    [
        "sk-1234",
        "sk-proj-abcDEFghiJKLmnoPQRstu",
        "sk-...cdef",
        "mm_sk_0123456789abcdef",
        "vc_0123456789abcdef0123456789abcdef",
        "Bearer abcdefghij0123456789",
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "hf_abcdefghijklmnopqrstuvwxyzABCD",
        "AKIAABCDEFGHIJKLMNOP",
        "xoxb-1234567890-abc",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop",
        '{"client_secret": "hunter2"}',
        '{"args": "{\\"password\\": \\"hunter2\\"}"}',
        "https://user:hunter2@host/",
        "/path?access_token=hunter2",
    ],
)
async def test_what_looks_like_a_secret_is_found_and_taken_out(tmp_path, secret):
    planted = tmp_path / "planted.yaml"
    planted.write_text(yaml.dump({"interactions": [{"body": f"before {secret} after"}]}))
    [finding] = scan(tmp_path)
    assert finding.path == planted
    assert finding.line > 0
    assert secret not in str(finding)
    assert "hunter2" not in str(finding)
    clean = Scrubber().scrub(f"before {secret} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "REDACTED" in clean
    assert secret_texts(clean) == []


@pytest.mark.parametrize(
    "text",
    [
        "a task-management-system-for-everybody",
        "scikit is imported as sk-learn",
        "the bearer understands the risk",
        '{"token": " the", "logprob": -0.5, "max_tokens": 20, "total_tokens": 3}',
        '{"password": {"type": "string"}}',
        "keep the key in mind: key = value",
        "https://host/path?page=2&keyword=x",
        "2+2=4, e.g. eyJust a word",
    ],
)
def test_ordinary_texts_are_left_alone(text):
    assert secret_texts(text) == []
    assert Scrubber().scrub(text) == text


@pytest.mark.parametrize(
    "name",
    ["X-Goog-Api-Key", "x-api-key", "api-key", "Ocp-Apim-Subscription-Key", "X-Auth-Token", "x-functions-key"],
)
def test_the_headers_in_which_keys_travel_are_known(name):
    scrubber = Scrubber()
    scrubber.learn({name: "canary-01234"})
    assert scrubber.scrub("it says canary-01234") == "it says REDACTED"
    assert secret_header(name)


def test_placeholder_keys_do_not_mangle_texts():
    scrubber = Scrubber()
    scrubber.learn({"Authorization": "Bearer none", "x-api-key": "anything"})
    assert scrubber.scrub("none of anything") == "none of anything"


async def test_a_key_spelled_over_several_deltas_stops_the_recording(post, upstream, tape):
    deltas = [
        json.dumps({"choices": [{"delta": {"content": part}}]}) for part in ("it is sk-", "proj-0123", "456789")
    ]
    upstream.reply = (
        200,
        {"content-type": "text/event-stream"},
        "".join(f"data: {d}\n\n" for d in deltas).encode(),
    )
    with (
        pytest.raises(SecretFoundError, match="spread over the deltas") as refused,
        use_cassette(tape, mode="all"),
    ):
        await post({})
    assert "0123456789" not in str(refused.value)
    assert list(tape.parent.iterdir()) == []


async def test_a_refused_recording_leaves_the_network_as_it_was(post, upstream, tape):
    before = httpx2.AsyncHTTPTransport.handle_async_request
    upstream.reply = (200, {"content-type": "audio/wav"}, b"\xff\x00" + CANARY.encode())
    with pytest.raises(SecretFoundError) as refused, use_cassette(tape, mode="all", secrets=[CANARY]):
        await post({})
    assert httpx2.AsyncHTTPTransport.handle_async_request is before, refused


async def test_a_given_secret_in_a_binary_body_stops_the_recording(post, upstream, tape):
    upstream.reply = (200, {"content-type": "audio/wav"}, b"\xff\x00" + CANARY.encode())
    with pytest.raises(SecretFoundError), use_cassette(tape, mode="all", secrets=[CANARY]):
        await post({})


async def test_binary_bodies_replay_byte_for_byte(post, upstream, tape):
    sound = bytes(range(256))
    upstream.reply = (200, {"content-type": "audio/wav"}, sound)
    with use_cassette(tape, mode="all"):
        await post({})
    with use_cassette(tape):
        assert (await post({})).content == sound


async def test_compressed_replies_are_stored_readable(post, upstream, tape):
    upstream.reply = (200, {**JSON, "content-encoding": "gzip"}, gzip.compress(b'{"said": "hello"}'))
    with use_cassette(tape, mode="all"):
        await post({})
    assert '"said": "hello"' in tape.read_text()
    with use_cassette(tape):
        assert (await post({})).json() == {"said": "hello"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1.0, "b": 1e400, "c": "\\ud800", "d": 12345678901234567890}',
        b'{"cut": ',
        b"[1, 2",
        b"plain text\n with trailing space \n",
        b"<html>",
        b'{"emoji": "\xf0\x9f\x98\x80"}',
        b"\xef\xbb\xbf{}",
        b'data: {"cut": \n\ndata: x \n\n: ping\n',
        b"",
    ],
)
async def test_odd_bodies_mean_the_same_after_a_replay(post, upstream, tape, body):
    upstream.reply = (200, JSON, body)
    with use_cassette(tape, mode="all"):
        live = (await post({})).content
    with use_cassette(tape):
        replayed = (await post({})).content
    assert parsed(replayed) == parsed(live)
    again = readable(replayed)
    assert again is None or again.encode() == replayed  # stored once more, nothing changes


async def test_interactions_can_be_read(post, tape):
    with use_cassette(tape, mode="all") as cassette:
        await post({"model": "m"}, headers={"Authorization": f"Bearer {CANARY}"})
        [interaction] = cassette.interactions
    assert (interaction.method, interaction.target, interaction.status) == ("POST", "/v1/chat/completions", 200)
    assert (interaction.body, interaction.reply) == ({"model": "m"}, {"ok": True})
    assert interaction.headers == {"content-type": "application/json"}
    assert "recorded=1" in repr(cassette)


async def test_the_recorder_logs_no_key(post, tape, caplog):
    with caplog.at_level(logging.DEBUG), use_cassette(tape, mode="all"):
        await post({"k": f"sk-{CANARY}"}, path=f"/v1?api_key={CANARY}", headers={"x-api-key": f"sk-{CANARY}"})
    assert CANARY not in "".join(record.getMessage() for record in caplog.records if record.name.startswith("vcr"))


def test_scan_reports_headers_and_files_that_cannot_be_read(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "headers.yaml").write_text(
        "headers:\n  Set-Cookie:\n  - plain\n  Authorization: [REDACTED]\n"
    )
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "ignored.txt").write_text("sk-0123456789")
    findings = {finding.path.name: finding for finding in scan(tmp_path)}
    assert set(findings) == {"broken.yaml", "headers.yaml"}
    assert findings["headers.yaml"].line == 3
    assert "Set-Cookie" in str(findings["headers.yaml"])


def test_scan_finds_given_secrets_in_any_form(tmp_path):
    (tmp_path / "a.yaml").write_text(f"body: {base64.b64encode(b'plain old secret').decode()}\n")
    assert scan(tmp_path) == []
    assert len(scan(tmp_path, secrets=["plain old secret"])) == 1
