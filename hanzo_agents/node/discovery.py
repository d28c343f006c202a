"""Which nodes answer on this machine, and which models they have.

A port is taken for a node by what answers there, never by its number: hanzod by `/v2/health_check`, the engine by
`/health` that says `OK`, the embedded node and llama.cpp's server by `/health` with a status; each also lists its
models. A router, which would send what it gets to the cloud, does none of that without a key.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from openai.types import Model

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["KNOWN_PORTS", "FoundNode", "LocalModel", "find_node", "forget_nodes", "probe"]

KNOWN_PORTS = (8080, 3690, 1234, 36900)
"""Where nodes listen: the port that the guides name; hanzod's; the engine's own, and that of its compose file."""

NODE_URL, NODE_KEY = "HANZO_NODE_URL", "HANZO_NODE_API_KEY"
NO_KEY = "local"
"""Sent where a node has no key: hanzod wants the header, whatever is in it."""

PATIENCE = 0.5
"""Seconds for all ports together. What listens on loopback answers in milliseconds."""
REMEMBERED = 10.0
"""Seconds for which an answer, also that nobody is there, is not asked for again."""

_MOST_BYTES = 4 << 20
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)(b|m)(?![a-z])", re.IGNORECASE)


class LocalModel(Model):
    """A model on this machine.

    Attributes:
        context_length: tokens it takes, when known.
        parameters: how many weights it has, in billions, when known.
    """

    context_length: int | None = None
    parameters: float | None = None


@dataclass(frozen=True, slots=True)
class FoundNode:
    """A node that answers.

    Attributes:
        base_url: for an OpenAI client, with `/v1`.
        kind: "hanzod", "engine", "node" (the embedded one, or one like it), or "other" for an address that the
            user named and that only lists its models.
        models: None when it does not tell, as hanzod without its key.
    """

    base_url: str
    kind: str
    models: tuple[LocalModel, ...] | None


def find_node(url: str | None = None, *, api_key: str | None = None) -> FoundNode | None:
    """The node at an address; without one, that of HANZO_NODE_URL, else the first on a known port of this machine.

    Blocks for at most half a second, usually a few milliseconds; what was found is remembered for ten seconds.

    Args:
        url: its address, with or without `/v1`.
        api_key: for a node that wants one. HANZO_NODE_API_KEY is sent to the address in HANZO_NODE_URL only.

    Returns:
        None when nobody answers there as a node does.

    Raises:
        ConfigError: the address is none.
    """
    url = url or os.environ.get(NODE_URL, "").strip() or None
    if url is not None:
        base_url = node_base_url(url)
        return _remembered((base_url,), node_key(base_url, api_key), named=True)
    return _remembered(tuple(f"http://127.0.0.1:{port}/v1" for port in KNOWN_PORTS), NO_KEY, named=False)


def node_base_url(url: str) -> str:
    """The address of a node's API, of what users write: with `/v1`, without a slash behind it.

    Raises:
        ConfigError: it is no address.
    """
    parts = urlsplit(url.strip()) if isinstance(url, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    try:
        sound = parts is not None and parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError("node_url: expected the address of a node such as http://localhost:8080")
    assert parts is not None
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError("node_url: expected an address without a user, query or fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/v1')}/v1"


def node_key(base_url: str, given: str | None = None) -> str:
    """The key for a node: the one given, the environment's if the address is the environment's too, else none."""
    if given is not None:
        return given
    url, key = os.environ.get(NODE_URL, "").strip(), os.environ.get(NODE_KEY, "").strip()
    return key if url and key and node_base_url(url) == base_url else NO_KEY


def forget_nodes() -> None:
    """Ask again at the next question."""
    with _lock:
        _memory.clear()


_memory: dict[tuple[Any, ...], tuple[float, FoundNode | None]] = {}
_lock = threading.Lock()


def _remembered(urls: tuple[str, ...], key: str, *, named: bool) -> FoundNode | None:
    asked = (urls, key, named)
    with _lock:
        known = _memory.get(asked)
    if known is not None and time.monotonic() - known[0] < REMEMBERED:
        return known[1]
    found = _first([_asking(url, key, named=named) for url in urls])
    with _lock:
        if len(_memory) > len(KNOWN_PORTS) * 16:
            _memory.clear()
        _memory[asked] = time.monotonic(), found
    return found


def _asking(url: str, key: str, *, named: bool) -> Callable[[], FoundNode | None]:
    return lambda: probe(url, api_key=key, named=named)


def _first(questions: Iterable[Callable[[], FoundNode | None]]) -> FoundNode | None:
    """Ask all at a time, and take the first in their order that is answered in time."""
    asked = list(questions)
    answers: list[FoundNode | None] = [None] * len(asked)

    def ask(number: int) -> None:
        answers[number] = asked[number]()

    # Daemons, not a pool: somebody who dribbles an answer must not hold up the end of the process.
    threads = [threading.Thread(target=ask, args=(n,), name="hanzo-probe", daemon=True) for n in range(len(asked))]
    for thread in threads:
        thread.start()
    until = time.monotonic() + PATIENCE
    for number, thread in enumerate(threads):
        thread.join(max(0.0, until - time.monotonic()))
        if not thread.is_alive() and answers[number] is not None:
            return answers[number]
    return next((answer for answer in answers if answer is not None), None)


def probe(base_url: str, *, api_key: str = NO_KEY, named: bool = False) -> FoundNode | None:
    """Ask one address what it is.

    Args:
        base_url: with `/v1`.
        api_key: sent to that address.
        named: whether the user says that it is a node: then a list of models is enough.
    """
    kind = _kind(base_url, api_key)
    if kind is None and not named:
        return None
    status, body = _get(base_url, "/v1/models", api_key)
    models = _models(body) if status == 200 else None
    if models is None and not (kind == "hanzod" and status in {401, 403}):
        return None
    return FoundNode(base_url, kind or "other", models)


def _kind(base_url: str, api_key: str) -> str | None:
    status, body = _get(base_url, "/health", api_key)
    if status == 200:
        if body.strip() == b"OK":
            return "engine"
        said = _json(body)
        if isinstance(said, dict) and cast("dict[str, Any]", said).get("status") == "ok":
            return "node"
    status, body = _get(base_url, "/v2/health_check", api_key)
    said = _json(body) if status == 200 else None
    return "hanzod" if isinstance(said, dict) and {"node_name", "version"} & said.keys() else None


def _get(base_url: str, path: str, api_key: str) -> tuple[int, bytes]:
    """Status and body of a page, (0, b"") when nobody answers. No proxy, no redirect, no more than 4 MiB."""
    parts = urlsplit(base_url)
    assert parts.hostname is not None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=PATIENCE)
    try:
        root = parts.path.removesuffix("/v1")
        headers = {"authorization": f"Bearer {api_key}", "accept": "*/*", "connection": "close"}
        connection.request("GET", f"{root}{path}", headers=headers)
        response = connection.getresponse()
        body = response.read(_MOST_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, b""
    finally:
        connection.close()
    return (response.status, body) if len(body) <= _MOST_BYTES else (0, b"")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _models(body: bytes) -> tuple[LocalModel, ...] | None:
    """What a page of models lists; None when it is no such page."""
    page: Any = _json(body)
    listed: Any = cast("dict[str, Any]", page).get("data") if isinstance(page, dict) else None
    if not isinstance(listed, list):
        return None
    entries: list[dict[str, Any]] = [one for one in listed if isinstance(one, dict)]  # pyright: ignore[reportUnknownVariableType]
    return tuple(local_model(one) for one in entries if isinstance(one.get("id"), str) and one["id"])


def local_model(said: dict[str, Any]) -> LocalModel:
    """A model as a node describes it; the size is read from its name where the node does not tell."""
    meta: dict[str, Any] = said["meta"] if isinstance(said.get("meta"), dict) else {}  # llama.cpp's own
    lengths = (said.get("context_length"), said.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train"))
    weights = _positive(said.get("parameters"), meta.get("n_params"))
    return LocalModel(
        id=said["id"],
        object="model",
        created=_positive(said.get("created")) or 0,
        owned_by=said["owned_by"] if isinstance(said.get("owned_by"), str) else "local",
        context_length=_positive(*lengths),
        parameters=_billions(weights) if weights else _size_in(said["id"]),
    )


def _positive(*values: Any) -> int | None:
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0), None)


def _billions(weights: int) -> float:
    return float(f"{weights / 1e9:.3g}")


def _size_in(name: str) -> float | None:
    """8.0 of "llama-3-8b", 0.135 of "smollm2-135m"."""
    match = _SIZE.search(name)
    return None if match is None else float(match[1]) / (1 if match[2].lower() == "b" else 1000)
