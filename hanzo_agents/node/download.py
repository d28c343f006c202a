"""`download`: a model by its short name, its hub reference or its address, into the cache folder."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from hanzo_agents.errors import ConfigError, DownloadFailed

from .bar import Bar
from .catalogue import PACKAGED, Source, source_of
from .folder import forget, installed, models_dir
from .gguf import read_card
from .transfer import RemoteFile, transfer
from .weights import find_packaged, model_name

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator

__all__ = ["download"]

_USUAL = ("Q4_K_M", "Q4_0", "Q4_1", "Q5_K_M", "Q8_0", "F16")
"""Quantizations in the order in which they are taken when none is named: small, and still good."""
_SPLIT = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
MOST_LETTERS = 100
"""Of a name: file systems take 255 bytes, and what is under way has a longer one."""
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def download(
    name: str,
    *,
    sha256: str | None = None,
    folder: str | Path | None = None,
    progress: Callable[[int, int | None], None] | bool | None = None,
    cancelled: threading.Event | None = None,
    endpoint: str | None = None,
) -> Path:
    """Fetch a model, unless it is there already; blocks until it is.

    The file has its name only when it is whole and its checksum is right. What a cut connection left is kept, and
    the next call goes on from there. Processes that fetch the same file wait for one another.

    Args:
        name: a name of the catalogue ("qwen-2-7b"), "owner/repo", "owner/repo:Q4_K_M" or "owner/repo/file.gguf" at
            the Hugging Face hub, or the https address of a GGUF file.
        sha256: the checksum of a file that is fetched from an address; the hub tells those of its files itself.
        folder: where models are kept; HANZO_MODELS_DIR, or the user's cache folder.
        progress: called with the bytes so far and in all; True draws a bar, None does on a terminal.
        cancelled: set it from another thread to stop.
        endpoint: the hub's address; HF_ENDPOINT by default. Its token is HF_TOKEN, or the one of `hf auth login`.

    Returns:
        The file. `LocalNode(name)` serves it, and so does a client in local or hybrid mode.

    Raises:
        ConfigError: the name or the checksum is none, or the extra `hub` is not installed.
        DownloadFailed: see its `code`.
    """
    if isinstance(name, str) and name.strip().lower() == PACKAGED and (packaged := find_packaged()) is not None:  # pyright: ignore[reportUnnecessaryIsInstance]
        return packaged
    source = source_of(name)
    if sha256 is not None and (source.url is None or not (isinstance(sha256, str) and _HEX.fullmatch(sha256))):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError("sha256: expected 64 hex digits, for a model that is fetched from an address")
    if not (progress is None or isinstance(progress, bool) or callable(progress)):  # pyright: ignore[reportUnnecessaryComparison]
        raise ConfigError(f"progress: expected a function, True, False or None, got {progress!r}")
    into = models_dir() if folder is None else Path(folder).expanduser().absolute()
    if source.name is not None and (there := installed(into).get(source.name)) is not None:
        return there
    if source.url is not None:
        file, remote = unquote(urlsplit(source.url).path), RemoteFile(url=source.url, sha256=sha256)
    else:
        file, remote = _at_hub(source, endpoint)
    to = into / f"{source.name or _named(file)}.gguf"
    with _shown(to.stem, progress) as told:
        transfer(remote, to, check=_check, progress=told, cancelled=cancelled)
    forget(into)
    return to


def _named(file: str) -> str:
    """The name to keep a file under, of what others call it: one that is served, and leads nowhere else."""
    name = model_name(Path(PurePosixPath(file.replace("\\", "/")).name))
    return re.sub(r"[^a-z0-9._-]+", "-", name).strip("-._")[:MOST_LETTERS] or "model"


def _check(part: Path) -> None:
    try:
        read_card(part)
    except ConfigError as error:
        raise DownloadFailed(f"what came is no model: {error}", code="not_a_model") from None


def _at_hub(source: Source, endpoint: str | None) -> tuple[str, RemoteFile]:
    """The file of a repository that is meant, and what the hub says of it."""
    if find_spec("huggingface_hub") is None:
        raise ConfigError(
            "name: models of the hub need huggingface_hub. Type: pip install 'hanzo-agents-provider[hub]'"
        )
    from huggingface_hub import HfApi, hf_hub_url, utils
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    assert source.repo is not None
    try:
        info = HfApi(endpoint=endpoint).model_info(source.repo, files_metadata=True, timeout=30)
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = (
            "; it is not there, or it wants a token (HF_TOKEN) or a licence accepted"
            if status in {401, 403, 404}
            else ""
        )
        code = "not_found" if status in {401, 404} else "refused"
        raise DownloadFailed(
            f"{source.repo}: the hub answered {status}{hint}", code=code, status_code=status
        ) from None
    except OfflineModeIsEnabled:
        raise DownloadFailed(f"{source.repo}: HF_HUB_OFFLINE is set", code="unreachable") from None
    except Exception as error:  # its transport's errors, whichever transport it has
        raise DownloadFailed(f"the hub does not answer: {type(error).__name__}", code="unreachable") from error
    chosen: Any = _chosen(source, {one.rfilename: one for one in info.siblings or ()})
    url = hf_hub_url(source.repo, chosen.rfilename, revision=info.sha, endpoint=endpoint)
    tools: Any = utils  # its types are partly unknown
    headers: dict[str, str] = tools.build_hf_headers(library_name="hanzo-agents")
    sha256 = getattr(chosen.lfs, "sha256", None)
    return chosen.rfilename, RemoteFile(url=url, size=chosen.size, sha256=sha256, headers=headers)


def _chosen(source: Source, files: dict[str, Any]) -> Any:
    if source.file is not None:
        if source.file not in files:
            raise DownloadFailed(f"{source.repo} has no file {source.file}", code="not_found")
        return files[source.file]
    models = [name for name in sorted(files) if name.lower().endswith(".gguf")]
    wanted = [source.quantization] if source.quantization else list(_USUAL)
    for quantization in wanted:
        fitting = re.compile(rf"(^|[._/-]){re.escape(quantization)}([.-]|$)", re.IGNORECASE)
        found = [name for name in models if fitting.search(name)]
        if whole := [name for name in found if not _SPLIT.search(name)]:
            return files[min(whole, key=len)]
        if found and source.quantization:
            raise DownloadFailed(
                f"{source.repo}: {quantization} is split into {len(found)} files", code="not_found"
            )
    there = ", ".join(map(_printable, models[:12]))
    kinds = f"there are {there}" if models else "there is no GGUF file at all"
    raise DownloadFailed(f"{source.repo} has no file of {' or '.join(wanted)}; {kinds}", code="not_found")


def _printable(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MOST_LETTERS])


@contextmanager
def _shown(
    name: str, progress: Callable[[int, int | None], None] | bool | None
) -> Generator[Callable[[int, int | None], None] | None]:
    """What is told of the progress: the caller's function, or a bar on stderr."""
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield None
        return
    bar = Bar(name)
    try:
        yield bar
    finally:
        bar.end()
