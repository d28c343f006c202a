"""Files under way: whose they are, and what the disk says."""

from __future__ import annotations

import errno
import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hanzo_agents.errors import DownloadFailed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

__all__ = ["alone", "disk_error", "etag_of", "forget_etag", "in_words", "is_already", "read_etag"]


def is_already(path: Path, size: int | None, sha256: str | None) -> bool:
    """Whether a file is the one that is wanted, as far as one can tell."""
    if size is not None and path.stat().st_size != size:
        return False
    if sha256 is None:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256.lower()


@contextmanager
def alone(part: Path) -> Generator[None]:
    """One process and thread at a time per file; the others wait, where there is flock."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with part.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    # The lock file stays: removing it while another waits on it would let a third one in.


def etag_of(part: Path) -> Path:
    """Where that is kept."""
    return part.with_suffix(".etag")


def read_etag(part: Path) -> str:
    """What the server calls the version that a part is of, empty when it does not."""
    try:
        return etag_of(part).read_text()
    except OSError:
        return ""


def forget_etag(part: Path) -> None:
    """The part is whole, or gone."""
    etag_of(part).unlink(missing_ok=True)


def disk_error(error: OSError, to: Path) -> DownloadFailed:
    """What the disk said, with its `code`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return DownloadFailed(f"the disk of {to.parent} is full: {error.strerror}", code="disk_full")
    return DownloadFailed(f"{to.parent} cannot be written to: {error.strerror or error}", code="disk")


def in_words(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
