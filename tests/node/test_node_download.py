"""A model is fetched whole or not at all, from a server that cuts, lies, redirects and has moved on."""

import asyncio
import errno
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from openai import OpenAI

from hanzo_agents import AsyncHanzo
from hanzo_agents.errors import ConfigError, DownloadFailed
from hanzo_agents.node import LocalNode, download, models_dir
from hanzo_agents.node import transfer as transferring
from hanzo_agents.node.catalogue import CATALOGUE, source_of
from hanzo_agents.node.embedded import installed_models
from hanzo_agents.node.folder import installed
from hanzo_agents.node.weights import find_packaged
from hanzo_agents.testing._http import Http, Repeat, Reset, Send, json_http, problem
from hanzo_agents.testing._server import WireServer


def gguf(size=3_000_000, name="llama"):
    """A file that begins as a model does."""

    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    pairs = text("general.architecture") + struct.pack("<I", 8) + text(name)
    pairs += text(f"{name}.context_length") + struct.pack("<II", 4, 4096)
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pairs
    return head + hashlib.sha256(b"weights").digest() * ((size - len(head)) // 32)


MODEL = gguf()
SHA = hashlib.sha256(MODEL).hexdigest()


class Hub(WireServer):
    """Files with ranges and ETags, the hub's API before them; `cuts` is after how many bytes connections end."""

    def __init__(self, content=MODEL, *, etag='"one"', ranges=True):
        super().__init__()
        self.content, self.etag, self.ranges = content, etag, ranges
        self.cuts, self.statuses = [], []
        self.files = {"x-q8_0.gguf": None, "x-q4_k_m.gguf": None, "README.md": None}
        self.sha = hashlib.sha256(content).hexdigest()
        self.private = False

    @property
    def fetched(self):
        return [request for request in self.requests if request.path.endswith(".gguf")]

    @property
    def ranges_asked(self):
        return [request.headers.get("range") for request in self.fetched]

    def _reply_to(self, request):
        if request.path.startswith("/api/models/"):
            return self._described(request)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return problem(status, "not now")
        if request.path.startswith("/from/"):
            target = f"http://localhost:{self._port}/cdn/x.gguf"
            return Http(status=302, headers=(("location", target),))
        start = 0
        status, headers = 200, (("etag", self.etag),) if self.etag else ()
        asked = request.headers.get("range")
        fresh = request.headers.get("if-range") in {None, self.etag}
        if asked and self.ranges and fresh:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.content):
                return problem(416, "beyond")
            status = 206
            headers += (("content-range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"),)
        rest = self.content[start:]
        if self.cuts and (cut := self.cuts.pop(0)) is not None:
            return Http(status=status, headers=headers, body=(Send(rest[:cut]), Reset()), length=len(rest))
        return Http(status=status, headers=headers, body=(Send(rest),))

    def _described(self, request):
        if self.private and request.headers.get("authorization") != "Bearer hf_secret":
            return problem(401, "Repository not found")
        lfs = {"sha256": self.sha, "size": len(self.content), "pointerSize": 1}
        siblings = [
            {"rfilename": name, "size": len(self.content), "lfs": lfs if name.endswith(".gguf") else None}
            for name in self.files
        ]
        body = {"id": "me/x", "modelId": "me/x", "sha": "0" * 40, "siblings": siblings, "tags": []}
        return json_http({**body, "private": False, "downloads": 0, "likes": 0})


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("HF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HANZO_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setattr(transferring.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(
        transferring.transfer, "__kwdefaults__", {**transferring.transfer.__kwdefaults__, "sleep": lambda _: None}
    )
    return tmp_path / "models"


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


def left(folder):
    """What is in the folder but locks, which stay."""
    return sorted(path.name for path in folder.glob("*") if path.suffix != ".lock") if folder.exists() else []


class TestFromAnAddress:
    def test_whole_under_its_name(self, hub, folder):
        told = []
        path = download(f"{hub.url}/x-Q4_K_M.gguf", sha256=SHA, progress=lambda *one: told.append(one))
        assert path == folder / "x.gguf"
        assert path.read_bytes() == MODEL
        assert told[-1] == (len(MODEL), len(MODEL))
        assert left(folder) == ["x.gguf"]
        assert installed() == {"x": path}

    def test_a_cut_connection_is_taken_up_where_it_ended(self, hub, folder):
        hub.cuts = [1_000_000, 500_000]
        assert download(f"{hub.url}/x.gguf", sha256=SHA).read_bytes() == MODEL
        assert hub.ranges_asked[0] is None
        begins = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in hub.ranges_asked[1:]]
        assert begins == sorted(begins)
        assert begins[0] > 0

    def test_so_is_one_of_an_earlier_call(self, hub, folder):
        hub.cuts = [1_500_000] + [0] * 10
        with pytest.raises(DownloadFailed) as caught:
            download(f"{hub.url}/x.gguf", sha256=SHA)
        assert caught.value.code == "interrupted"
        assert not (folder / "x.gguf").exists(), "never a half file under its name"
        hub.cuts = []
        already = len(hub.fetched)
        assert download(f"{hub.url}/x.gguf", sha256=SHA).read_bytes() == MODEL
        assert hub.ranges_asked[already].startswith("bytes=")
        assert left(folder) == ["x.gguf"]

    def test_a_server_without_ranges_starts_anew(self, hub, folder):
        hub.ranges = False
        hub.cuts = [1_000_000]
        assert download(f"{hub.url}/x.gguf", sha256=SHA).read_bytes() == MODEL

    def test_a_file_that_changed_meanwhile_starts_anew(self, hub, folder):
        hub.cuts = [1_000_000] + [0] * 10
        with pytest.raises(DownloadFailed):
            download(f"{hub.url}/x.gguf")
        hub.cuts, hub.content, hub.etag = [], gguf(2_000_000), '"two"'
        assert download(f"{hub.url}/x.gguf").read_bytes() == hub.content

    def test_without_anything_to_tell_by_it_starts_anew(self, hub, folder):
        hub.etag = None
        hub.cuts = [1_000_000]
        assert download(f"{hub.url}/x.gguf").read_bytes() == MODEL
        assert hub.ranges_asked == [None, None]

    def test_a_wrong_checksum_throws_it_away(self, hub, folder):
        with pytest.raises(DownloadFailed, match=r"checksum: .* expected aaaaaaaaaaaaaaaa") as caught:
            download(f"{hub.url}/x.gguf", sha256="a" * 64)
        assert caught.value.code == "checksum"
        assert left(folder) == []

    @pytest.mark.parametrize("content", [b"<html>Sign in</html>", b"", b"GGUF\x03\x00\x00\x00"])
    def test_what_is_no_model_is_thrown_away(self, hub, folder, content):
        hub.content = content
        with pytest.raises(DownloadFailed, match="no model") as caught:
            download(f"{hub.url}/x.gguf")
        assert caught.value.code == "not_a_model"
        assert left(folder) == []

    @pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (403, "refused"), (401, "refused")])
    def test_a_refusal_is_said_at_once(self, hub, status, code):
        hub.statuses = [status]
        with pytest.raises(DownloadFailed, match=f"answered {status}") as caught:
            download(f"{hub.url}/x.gguf")
        assert (caught.value.code, caught.value.status_code, len(hub.fetched)) == (code, status, 1)

    def test_a_busy_server_is_asked_again(self, hub):
        hub.statuses = [503, 429, 500]
        assert download(f"{hub.url}/x.gguf", sha256=SHA).read_bytes() == MODEL

    def test_but_not_for_ever(self, hub):
        hub.statuses = [503] * 50
        with pytest.raises(DownloadFailed, match="answered 503"):
            download(f"{hub.url}/x.gguf")
        assert len(hub.fetched) == transferring.TRIES

    def test_nobody_there(self):
        with pytest.raises(DownloadFailed, match=r"127\.0\.0\.1: ConnectError") as caught:
            download("http://127.0.0.1:9/x.gguf")
        assert caught.value.code == "unreachable"

    def test_never_in_the_clear_from_elsewhere(self):
        with pytest.raises(DownloadFailed, match=r"plain http to models\.example"):
            download("http://models.example/x.gguf")

    def test_it_is_there_already(self, hub):
        download(f"{hub.url}/x.gguf", sha256=SHA)
        before = len(hub.fetched)
        download(f"{hub.url}/x.gguf", sha256=SHA)
        assert len(hub.fetched) == before

    def test_an_endless_answer_ends(self, hub, folder):
        class Endless(Hub):
            def _reply_to(self, request):
                return Http(framing="close", body=(Send(MODEL), Repeat(b"x" * 65536)))

        stop = threading.Event()

        def enough(done, _total):
            if done > 8_000_000:
                stop.set()

        with Endless() as endless, pytest.raises(DownloadFailed, match="stopped"):
            download(f"{endless.url}/x.gguf", cancelled=stop, progress=enough)

    def test_stopping_keeps_what_came(self, hub, folder):
        stop = threading.Event()
        with pytest.raises(DownloadFailed, match="stopped"):
            download(f"{hub.url}/x.gguf", sha256=SHA, cancelled=stop, progress=lambda *_: stop.set())
        assert left(folder) != []
        assert "x.gguf" not in left(folder)
        assert download(f"{hub.url}/x.gguf", sha256=SHA).read_bytes() == MODEL


class TestTheDisk:
    def test_too_small_for_it_is_said_before_it_is_full(self, hub, monkeypatch):
        usage = type("Usage", (), {"free": 1_000_000})
        monkeypatch.setattr(transferring.shutil, "disk_usage", lambda _path: usage)
        with pytest.raises(DownloadFailed, match="3 MB are needed and 1 MB are free") as caught:
            download(f"{hub.url}/x.gguf")
        assert caught.value.code == "disk_full"

    def test_full_on_the_way(self, hub, folder, monkeypatch):
        real = Path.open

        class Full:
            def __init__(self, file):
                self.file = file

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self.file.close()

            def write(self, piece):
                raise OSError(errno.ENOSPC, "No space left on device")

        def opened(path, mode="r", *args, **kwargs):
            file = real(path, mode, *args, **kwargs)
            return Full(file) if mode == "ab" else file

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opened)
            with pytest.raises(DownloadFailed, match="is full: No space left") as caught:
                download(f"{hub.url}/x.gguf", sha256=SHA)
        assert caught.value.code == "disk_full"
        assert "x.gguf" not in left(folder)
        assert download(f"{hub.url}/x.gguf", sha256=SHA).read_bytes() == MODEL

    def test_a_folder_that_cannot_be_made(self, hub, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        with pytest.raises(DownloadFailed, match="cannot be written to"):
            download(f"{hub.url}/x.gguf", folder=tmp_path / "file" / "models")


class TestFromTheHub:
    def test_by_reference(self, hub, folder):
        path = download("me/x", endpoint=hub.url)
        assert path.name == "x.gguf"
        assert hub.fetched[0].path == f"/me/x/resolve/{'0' * 40}/x-q4_k_m.gguf", "the usual quantization, pinned"

    def test_a_certain_quantization_or_file(self, hub):
        download("me/x:Q8_0", endpoint=hub.url)
        assert hub.fetched[-1].path.endswith("/x-q8_0.gguf")
        hub.files["y.gguf"] = None
        assert download("me/x/y.gguf", endpoint=hub.url).name == "y.gguf"

    def test_the_hubs_checksum_counts(self, hub, folder):
        hub.sha = "b" * 64
        with pytest.raises(DownloadFailed, match="checksum"):
            download("me/x", endpoint=hub.url)
        assert left(folder) == []

    def test_by_a_name_of_the_catalogue(self, hub, folder):
        hub.files = {"qwen2-7b-instruct-q4_k_m.gguf": None}
        path = download("qwen-2-7b", endpoint=hub.url)
        assert path == folder / "qwen-2-7b.gguf"
        assert hub.requests[0].path.startswith("/api/models/Qwen/Qwen2-7B-Instruct-GGUF")
        asked = hub.hits
        assert download("Qwen-2-7B", endpoint=hub.url) == path
        assert hub.hits == asked, "nobody is asked for what is there"

    def test_a_token_goes_to_the_hub_and_to_nobody_else(self, hub, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        hub.private = True
        download("me/x", endpoint=hub.url)
        assert hub.fetched[0].headers["authorization"] == "Bearer hf_secret"

    def test_nor_to_where_the_hub_redirects(self, hub, monkeypatch):
        remote = transferring.RemoteFile(
            url=f"{hub.url}/from/x.gguf", sha256=SHA, headers={"authorization": "Bearer hf_secret"}
        )
        transferring.transfer(remote, models_dir() / "x.gguf", check=lambda _path: None)
        first, second = hub.fetched
        assert first.headers["authorization"] == "Bearer hf_secret"
        assert "authorization" not in second.headers
        assert "hf_secret" not in repr(remote)

    def test_what_is_not_there(self, hub):
        hub.private = True
        with pytest.raises(
            DownloadFailed, match=r"me/x: the hub answered 401; it is not there, or it wants a token"
        ):
            download("me/x", endpoint=hub.url)
        hub.private = False
        with pytest.raises(DownloadFailed, match=r"no file of Q2_K; there are x-q4_k_m.gguf, x-q8_0.gguf"):
            download("me/x:Q2_K", endpoint=hub.url)
        with pytest.raises(DownloadFailed, match=r"has no file z\.gguf"):
            download("me/x/z.gguf", endpoint=hub.url)
        hub.files = {"x-q4_k_m-00001-of-00002.gguf": None, "x-q4_k_m-00002-of-00002.gguf": None}
        with pytest.raises(DownloadFailed, match="is split into 2 files"):
            download("me/x:Q4_K_M", endpoint=hub.url)
        hub.files = {"README.md": None}
        with pytest.raises(DownloadFailed, match="there is no GGUF file at all"):
            download("me/x", endpoint=hub.url)

    def test_a_hub_that_does_not_answer(self):
        with pytest.raises(DownloadFailed, match="the hub does not answer") as caught:
            download("me/x", endpoint="http://127.0.0.1:9")
        assert caught.value.code == "unreachable"

    def test_without_the_extra(self, monkeypatch):
        monkeypatch.setattr(sys.modules["hanzo_agents.node.download"], "find_spec", lambda _name: None)
        with pytest.raises(ConfigError, match=r"pip install 'hanzo-agents-provider\[hub\]'"):
            download("me/x")


@pytest.mark.parametrize(
    "name",
    ["", "no-such", "a/b/c", "../x", "a/../b.gguf", "file:///etc/passwd", "https://h/x.bin", "a/b:Q4 K", 7, None],
)
def test_what_is_no_reference(name):
    with pytest.raises(ConfigError, match="name: "):
        download(name)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("../../evil-q4_k_m.gguf", "evil"),
        ("/etc/x-q4_k_m.gguf", "x"),
        ("x\\..\\y-q4_k_m.gguf", "y"),
        ("..-q4_k_m.gguf", "model"),
        ("\x1b[31mred-q4_k_m.gguf", "31mred"),
        ("a\x00b?c#d-q4_k_m.gguf", "a-b-c-d"),
        ("x" * 300 + "-q4_k_m.gguf", "x" * 100),
    ],
)
def test_what_a_hub_calls_a_file_leads_nowhere_else(hub, folder, theirs, ours):
    hub.files = {theirs: None}
    assert download("me/x", endpoint=hub.url) == folder / f"{ours}.gguf"
    assert list(installed()) == [ours], "and it can be served"
    assert {path.parent for path in folder.parent.rglob("*.gguf*")} == {folder}


def test_nor_does_its_name_reach_a_terminal(hub):
    hub.files = {"\x1b[2Jx.gguf": None}
    with pytest.raises(DownloadFailed) as error:
        download("me/x", endpoint=hub.url)
    assert "\x1b" not in str(error.value)


def test_an_address_may_have_a_query(hub, folder):
    assert download(f"{hub.url}/resolve/main/x.gguf?download=true") == folder / "x.gguf"


def test_another_file_of_the_same_name_is_another_model(hub, folder):
    first = download(f"{hub.url}/one/x.gguf").read_bytes()
    assert download(f"{hub.url}/one/x.gguf").read_bytes() == first
    assert len(hub.fetched) == 1
    hub.content, hub.etag = gguf(2_000_000, "other"), '"two"'
    assert download(f"{hub.url}/two/x.gguf").read_bytes() == hub.content != first


async def test_a_cancelled_download_stops_and_keeps_what_came(hub, folder):
    hub.cuts = [100_000]
    began, release = threading.Event(), threading.Event()

    def progress(done, total):
        began.set()
        release.wait(10)

    client = AsyncHanzo("http://127.0.0.1:9/v1", "k")
    task = asyncio.create_task(client.models.download(f"{hub.url}/x.gguf", progress=progress))
    await asyncio.to_thread(began.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    deadline = time.monotonic() + 10
    while threading.active_count() > 1 and any(t.name == "hanzo-agents-job" for t in threading.enumerate()):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert len(hub.fetched) == 1, "no second connection"
    assert [name.rsplit(".", 1)[1] for name in left(folder)] == ["etag", "part"]


def test_a_checksum_that_is_none():
    for sha256, name in (("abc", "https://h/x.gguf"), ("a" * 64, "me/x"), (7, "https://h/x.gguf")):
        with pytest.raises(ConfigError, match="sha256: expected 64 hex digits"):
            download(name, sha256=sha256)


def test_a_progress_that_is_none():
    with pytest.raises(ConfigError, match="progress: expected a function, True, False or None, got 7"):
        download("https://h/x.gguf", progress=7)


def test_every_name_of_the_catalogue_is_a_reference():
    for name in CATALOGUE:
        source = source_of(name)
        assert source.name == name
        assert source.repo
        assert source.quantization


def test_the_folder_is_the_users_cache(monkeypatch):
    monkeypatch.delenv("HANZO_MODELS_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere/cache")
    if sys.platform == "linux":
        assert models_dir() == Path("/somewhere/cache/hanzo-agents/models")
        monkeypatch.setenv("XDG_CACHE_HOME", "relative")
        assert models_dir() == Path.home() / ".cache/hanzo-agents/models"


def test_processes_that_fetch_the_same_do_it_once(hub, folder):
    hub.cuts = [2_000_000]
    script = "import sys; from hanzo_agents.node import download; print(download(sys.argv[1], sha256=sys.argv[2]))"
    command = [sys.executable, "-c", script, f"{hub.url}/x.gguf", SHA]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {one.communicate(timeout=60)[0].strip() for one in running} == {str(folder / "x.gguf")}
    assert (folder / "x.gguf").read_bytes() == MODEL
    assert len(hub.fetched) == 2, "one, and the rest of it after the cut"


def test_the_packaged_model_is_fetched_for_nobody():
    assert download("smollm2-135m-instruct") == find_packaged()


def test_a_downloaded_model_is_served(folder):
    packaged = find_packaged().read_bytes()
    with Hub(packaged) as hub:
        hub.files = {"SmolLM2-135M-Instruct.Q4_1.gguf": None}
        hub.cuts = [40_000_000]
        path = download("me/x:Q4_1", endpoint=hub.url)
    assert path.name == "smollm2-135m-instruct.gguf"
    (described,) = installed_models()
    assert (described.id, described.parameters) == ("smollm2-135m-instruct", 0.135)
    renamed = path.rename(path.with_name("mine.gguf"))
    with LocalNode("mine", context_length=512) as node, OpenAI(base_url=node.base_url, api_key="none") as client:
        assert node.models == ("mine",)
        done = client.chat.completions.create(
            model="mine", messages=[{"role": "user", "content": "Say hello."}], max_tokens=4
        )
        assert done.choices[0].message.content
    assert json.dumps(installed(), default=str) == json.dumps({"mine": str(renamed)})


def test_a_name_that_was_not_downloaded():
    with pytest.raises(
        ConfigError, match=r"no file 'mine'; .* \(which has none yet\); node\.download\(name\) fetches one"
    ):
        LocalNode("mine").start()


def test_a_bar_on_the_terminal(hub, monkeypatch, capsys):
    download(f"{hub.url}/x.gguf", sha256=SHA, progress=True)
    drawn = capsys.readouterr().err
    assert drawn.endswith("\n")
    assert "████████████████████████ 3 MB of 3 MB" in drawn.split("\r")[-1]
    download(f"{hub.url}/x.gguf", sha256=SHA)
    assert capsys.readouterr().err == "", "nor without a terminal"
