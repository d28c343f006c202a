"""Files under way: whose they are, and what the disk says."""

from __future__ import annotations

import errno
import hashlib
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hanzo_agents.errors import DownloadFailed

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path
    from typing import TextIO

__all__ = ["alone", "disk_error", "etag_of", "forget_etag", "in_words", "is_already", "note", "noted", "read_etag"]


def is_already(path: Path, size: int | None, sha256: str | None) -> bool:
    """Whether a file is the one that is wanted, as far as one can tell."""
    if size is not None and path.stat().st_size != size:
        return False
    if sha256 is None:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256.lower()


@contextmanager
def alone(to: Path) -> Generator[TextIO]:
    """One process and thread at a time per file; the others wait, where there is flock.

    What is yielded keeps a note: of what the file was made (see `noted`, `note`).
    """
    with to.with_name(f".{to.name}.lock").open("a+") as lock:
        with suppress(ImportError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    # The lock file stays: removing it while another waits on it would let a third one in.


def noted(lock: TextIO) -> str:
    """What the file was made of, empty when nobody has said."""
    lock.seek(0)
    return lock.read(64)


def note(lock: TextIO, source: str) -> None:
    """Write down what the file was made of."""
    lock.truncate(0)
    lock.write(source)


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
