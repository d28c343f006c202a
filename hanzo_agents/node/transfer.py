"""One file over HTTP: resumed where it was cut, checked, and under its name only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import ipaddress
import os
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

from hanzo_agents.errors import DownloadFailed

from .parts import alone, disk_error, etag_of, forget_etag, in_words, is_already, note, noted, read_etag

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Progress", "RemoteFile", "transfer"]

Progress = "Callable[[int, int | None], None]"

PIECE = 1 << 20
TRIES = 5
"""Connections in a row that brought nothing before it is given up."""
TIMEOUT = httpx2.Timeout(30.0)
SPARE = 64 << 20
"""Bytes that are left free on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """What to fetch.

    Attributes:
        url: where it is.
        size: bytes, when known.
        sha256: its checksum in hex, when known.
        headers: sent to that host, not to others it redirects to.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def transfer(
    remote: RemoteFile,
    to: Path,
    *,
    check: Callable[[Path], None],
    progress: Callable[[int, int | None], None] | None = None,
    cancelled: threading.Event | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a file into `to`, which is whole when it is there. What came of it before is not fetched again.

    Args:
        remote: what to fetch.
        to: where it goes.
        check: refuses what is not the kind of file that was wanted, by raising.
        progress: told the bytes so far, and how many there will be when that is known.
        cancelled: set to stop; what came so far is kept.
        sleep: waits between two connections.

    Raises:
        DownloadFailed: see its `code`.
    """
    identity = hashlib.sha256(f"{remote.url}\n{remote.sha256}".encode()).hexdigest()[:16]
    part = to.parent / f".{to.name}.{identity}.part"
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with alone(to) as lock:
            # Without a checksum, a file of that name may be another model's.
            ours = remote.sha256 is not None or noted(lock) in {"", identity}
            if ours and to.exists() and not part.exists() and is_already(to, remote.size, remote.sha256):
                return  # another process was quicker
            _Transfer(remote, part, progress, cancelled, sleep).run()
            try:
                check(part)
                part.replace(to)
                note(lock, identity)
            finally:
                part.unlink(missing_ok=True)
                forget_etag(part)
    except OSError as error:
        raise disk_error(error, to) from error


class _Transfer:
    """The file so far, and the connections that bring the rest."""

    def __init__(
        self,
        remote: RemoteFile,
        part: Path,
        progress: Callable[[int, int | None], None] | None,
        cancelled: threading.Event | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._remote = remote
        self._part = part
        self._progress = progress or _tell_nobody
        self._cancelled = cancelled
        self._sleep = sleep
        self._hash: Any = hashlib.sha256()
        self._done = 0
        self._total = remote.size
        self._etag = read_etag(part)

    def run(self) -> None:
        self._resume()
        with httpx2.Client(timeout=TIMEOUT, follow_redirects=True, event_hooks=_HOOKS) as http:
            empty_handed = 0
            while not self._whole():
                before = self._done
                failure = self._connect(http)
                if failure is None:
                    break
                empty_handed = 0 if self._done > before else empty_handed + 1
                if empty_handed == TRIES:
                    raise failure
                self._sleep(min(8.0, 0.5 * 2**empty_handed))
        self._verify()

    def _resume(self) -> None:
        """Take up what there is. Without a checksum or an ETag nothing says that it is of the same file."""
        if not self._part.exists():
            return
        if self._remote.sha256 is None and not self._etag:
            self._restart()
            return
        with self._part.open("rb") as file:
            while piece := file.read(PIECE):
                self._hash.update(piece)
                self._done += len(piece)
                self._check_cancelled()
        if self._total is not None and self._done > self._total:
            self._restart()

    def _restart(self) -> None:
        self._part.unlink(missing_ok=True)
        self._hash, self._done = hashlib.sha256(), 0

    def _whole(self) -> bool:
        return self._total is not None and self._done == self._total

    def _connect(self, http: httpx2.Client) -> DownloadFailed | None:
        """Fetch what is missing over one connection; None when it came to its end, else why it did not."""
        if not self._etag and self._remote.sha256 is None:
            self._restart()  # nothing would say that the rest is of the same file
        headers = {**self._remote.headers, "accept-encoding": "identity"}
        if self._done:
            headers["range"] = f"bytes={self._done}-"
            if self._etag:
                headers["if-range"] = self._etag
        try:
            with http.stream("GET", self._remote.url, headers=headers) as response:
                if refusal := self._accept(response):
                    return refusal
                self._receive(response)
        except (httpx2.TransportError, httpx2.TooManyRedirects) as error:
            code = "interrupted" if self._done else "unreachable"
            return DownloadFailed(f"{_host(self._remote.url)}: {type(error).__name__}: {error}", code=code)
        if self._total is not None and self._done < self._total:
            return DownloadFailed(
                f"the connection ended after {self._done} of {self._total} bytes", code="interrupted"
            )
        return None

    def _accept(self, response: httpx2.Response) -> DownloadFailed | None:
        """Whether the answer continues the file, starts it anew, or is none; what will not change is raised."""
        status = response.status_code
        if status == 416:  # beyond the end: what is here is not a part of that file
            self._restart()
            return DownloadFailed("the file has changed", code="interrupted", status_code=416)
        if status not in {200, 206}:
            failure = DownloadFailed(
                f"{_host(self._remote.url)} answered {status}" + (_HINTS.get(status) or ""),
                code="not_found" if status in {404, 410} else "refused",
                status_code=status,
            )
            if status >= 500 or status in {408, 425, 429}:
                return failure
            raise failure
        continues = status == 206 and response.headers.get("content-range", "").startswith(f"bytes {self._done}-")
        if not continues and self._done:
            self._restart()
            if status == 206:
                return DownloadFailed("the server sent another part than was asked for", code="interrupted")
        self._learn(response)
        return None

    def _learn(self, response: httpx2.Response) -> None:
        length = response.headers.get("content-length", "")
        if self._remote.size is None:
            self._total = self._done + int(length) if length.isdecimal() else None
        etag = response.headers.get("etag", "")
        if etag and not etag.startswith("W/") and etag != self._etag:
            self._etag = etag
            etag_of(self._part).write_text(etag)
        if self._total is not None:
            free, needed = shutil.disk_usage(self._part.parent).free, self._total - self._done
            if free < needed + SPARE:
                raise OSError(errno.ENOSPC, f"{in_words(needed)} are needed and {in_words(free)} are free")

    def _receive(self, response: httpx2.Response) -> None:
        with self._part.open("ab") as file:
            for piece in response.iter_raw():
                self._check_cancelled()
                file.write(piece)
                self._hash.update(piece)
                self._done += len(piece)
                self._progress(self._done, self._total)
                if self._total is not None and self._done > self._total:
                    break
            file.flush()
            os.fsync(file.fileno())

    def _check_cancelled(self) -> None:
        if self._cancelled is not None and self._cancelled.is_set():
            raise DownloadFailed("stopped", code="interrupted")

    def _verify(self) -> None:
        wanted, got = self._remote.sha256, self._hash.hexdigest()
        if wanted is not None and got != wanted.lower():
            self._restart()
            forget_etag(self._part)
            raise DownloadFailed(
                f"checksum: what came has the SHA-256 {got[:16]}..., expected {wanted[:16]}...: thrown away",
                code="checksum",
            )


def _tell_nobody(_done: int, _total: int | None) -> None:
    pass


_HINTS = {401: ": it wants a token (HF_TOKEN)", 403: ": the token may not read it, or its licence is not accepted"}


def _refuse_plain(request: httpx2.Request) -> None:
    """What is fetched is run: not over a road on which anybody could change it."""
    if request.url.scheme != "https" and not _is_loopback(request.url.host):
        raise DownloadFailed(f"plain http to {request.url.host}: expected https", code="refused")


_HOOKS: dict[str, list[Callable[..., Any]]] = {"request": [_refuse_plain]}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    return httpx2.URL(url).host
