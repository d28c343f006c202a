"""Where the router is, and the key for it: explicit argument > HANZO_* environment > .env file when asked for.

A key and its URL always come from the same source, so that neither a stray variable nor a `.env` in the current
directory can send a key to another host. OPENAI_* is never read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx2
from openai import NotGiven
from pydantic import BaseModel, ConfigDict, SecretStr

from hanzo_agents._kernel.clock import seconds
from hanzo_agents._wire.inherited import Inherited
from hanzo_agents._wire.transport import LoopLocalTransport, is_loopback
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from hanzo_agents._kernel.stack import Stack
    from hanzo_agents._wire.labels import Labels

__all__ = ["Settings"]

MAX_RESPONSE_BYTES = 64 * 1024 * 1024

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
URL, KEY, MODEL = "HANZO_ROUTER_URL", "HANZO_API_KEY", "HANZO_MODEL"


class Settings(BaseModel):
    """One endpoint, its key, and the model to use when none is named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    api_key: SecretStr
    model: str | None = None

    @classmethod
    def resolve(
        cls,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        model: str | None = None,
        env_file: str | Path | None = None,
        allow_insecure: bool = False,
    ) -> Self:
        """Find the settings.

        Args:
            base_url: the router's address, with its `/v1`.
            api_key: its key.
            model: the model to use when a call names none.
            env_file: a .env file to read for what neither argument nor environment gives; never read unasked.
            allow_insecure: permit plain http to hosts other than this machine.

        Raises:
            ConfigError: something is missing, is no URL, or key and URL come from different sources.
        """
        environment = {name: value for name in (URL, KEY, MODEL) if (value := os.environ.get(name, "").strip())}
        file = _read(env_file) if env_file is not None else {}
        url, key = _pair(_given("base_url", base_url), _given("api_key", api_key), environment, file)
        return cls(
            base_url=checked_url("base_url", url, allow_insecure=allow_insecure),
            api_key=SecretStr(checked_key("api_key", key)),
            model=_given("model", model) or environment.get(MODEL) or file.get(MODEL),
        )


def _pair(
    url: str | None, key: str | None, environment: Mapping[str, str], file: Mapping[str, str]
) -> tuple[str, str]:
    if url is not None and key is not None:
        return url, key
    for name, source in (("the environment", environment), ("env_file", file)):
        source_url, source_key = source.get(URL), source.get(KEY)
        if url is not None:
            if source_url is not None and source_key is not None and _same(url, source_url):
                return url, source_key
        elif source_url is not None:
            if key is not None:
                return source_url, key
            if source_key is not None:
                return source_url, source_key
            raise ConfigError(
                f"api_key: {URL} is set in {name} and {KEY} is not set there; a key is taken only from where "
                "its URL comes from"
            )
    if url is not None:
        raise ConfigError(
            f"api_key: base_url is given and api_key is not; {KEY} of the environment is used only with the "
            f"same address in {URL}"
        )
    raise ConfigError(
        f"base_url: expected the router's address; pass base_url= and api_key=, or set {URL} and {KEY}, "
        "or use .local() for the embedded node, which needs neither"
    )


def _same(one: str, other: str) -> bool:
    return one.rstrip("/") == other.rstrip("/")


def _given(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a string, got {type(value).__name__}")
    return value.strip() or None


def _read(env_file: str | Path) -> dict[str, str]:
    from dotenv import dotenv_values

    if not isinstance(env_file, str | Path):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"env_file: expected a path, got {type(env_file).__name__}")
    if not Path(env_file).is_file():
        raise ConfigError(f"env_file: expected an existing file, got {str(env_file)!r}")
    # The file's own references are not expanded: they would mix in the environment.
    try:
        values = dotenv_values(env_file, interpolate=False)
    except UnicodeDecodeError:
        raise ConfigError("env_file: expected UTF-8 text") from None
    return {name: value for name in (URL, KEY, MODEL) if (value := values.get(name))}


def checked_url(name: str, url: str, *, allow_insecure: bool) -> str:
    """An http(s) URL that may carry a key.

    Raises:
        ConfigError: it is none, holds credentials, or is plain http to another machine.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port, httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        parts = urlsplit("")
    if " " in url or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{name}: expected http(s)://host..., got {_shown(url)}")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{name}: expected a URL without a user or password in it; use api_key")
    if parts.query or parts.fragment:
        raise ConfigError(f"{name}: expected a URL without a query or fragment, got one at {parts.hostname}")
    if parts.scheme == "http" and not allow_insecure and not is_loopback(parts.hostname):
        raise ConfigError(
            f"{name}: plain http to {parts.hostname} would send the key in the clear; use https, or "
            "allow_insecure=True if the network is yours"
        )
    return url


def checked_key(name: str, key: str) -> str:
    """A key that fits into a header.

    Raises:
        ConfigError: it has characters that a header cannot carry. The message does not show it.
    """
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"{name}: expected printable ASCII without spaces, got {len(key)} characters that are not"
        )
    return key


def checked_timeout(name: str, value: Any) -> None:
    """A time limit that the HTTP client understands.

    Raises:
        ConfigError: it is no number of seconds > 0, httpx2.Timeout, or None.
    """
    if value is None or isinstance(value, NotGiven | httpx2.Timeout) or type(value).__name__ == "Timeout":
        return
    seconds(name, value, zero=False)


def checked_headers(name: str, headers: Any) -> dict[str, str]:
    """Headers that HTTP can carry.

    Raises:
        ConfigError: a name is no token, or a value no string of visible ASCII. The message shows no value.
    """
    if not isinstance(headers, Mapping):
        raise ConfigError(f"{name}: expected a mapping of strings, got {type(headers).__name__}")
    given: Mapping[Any, Any] = headers  # pyright: ignore[reportUnknownVariableType]
    for key, value in given.items():
        if not isinstance(key, str) or not _TOKEN.fullmatch(key):
            raise ConfigError(f"{name}: expected header names, got {key!r}")
        if not isinstance(value, str):
            raise ConfigError(f"{name}: expected strings, {key} is {type(value).__name__}")
        if not value.isascii() or any(c in value for c in "\r\n\0"):
            raise ConfigError(f"{name}: {key} has characters that a header cannot carry")
    return dict(given)


def _shown(url: str) -> str:
    # What is no URL may be a key in the wrong place.
    return f"{len(url)} characters" if "://" not in url or "@" in url or len(url) > 80 else repr(url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a client is made of, every part checked."""

    base_url: str
    api_key: Any = field(repr=False)
    http_client: Any
    headers: Mapping[str, str] = field(repr=False)
    inherited: Inherited


def open_client(
    *,
    base_url: object,
    api_key: Any,
    model: str | None,
    env_file: str | Path | None,
    allow_insecure: bool,
    stack: Stack,
    labels: Labels,
    headers: Sequence[Mapping[str, str] | None],
    max_response_bytes: int,
    http_client: Any,
    transport: Mapping[str, Any],
    unknown: Mapping[str, Any],
) -> Opened:
    """Check a client's arguments and find what they leave to the environment.

    Raises:
        ConfigError: names the argument that is missing or wrong.
    """
    _refuse_unknown(unknown)
    if http_client is not None and not callable(getattr(http_client, "send", None)):
        raise ConfigError(
            f"http_client: expected an httpx2 or httpx AsyncClient, got {type(http_client).__name__}"
        )
    if not isinstance(allow_insecure, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"allow_insecure: expected True or False, got {allow_insecure!r}")
    if http_client is not None and (own := [n for n, v in transport.items() if v not in (None, True)]):
        raise ConfigError(f"{own[0]}: has no effect on an http_client of your own; set it there")
    settings = Settings.resolve(
        base_url=None if base_url is None else str(base_url),
        # A callable key is asked for at every request; here it only has to be there.
        api_key="callable" if callable(api_key) else api_key,
        model=model,
        env_file=env_file,
        allow_insecure=allow_insecure,
    )
    _check_targets(stack, allow_insecure=allow_insecure)
    inherited = Inherited(
        stack=stack,
        model=settings.model,
        labels=labels,
        limit=_positive("max_response_bytes", max_response_bytes),
        insecure=allow_insecure,
        owns_http=http_client is None,
    )
    return Opened(
        base_url=settings.base_url,
        api_key=api_key if callable(api_key) else settings.api_key.get_secret_value(),
        http_client=http_client or _http_client(transport),
        headers={name: value for part in (labels.headers(), *headers) for name, value in _items(part)},
        inherited=inherited,
    )


def _items(headers: Any) -> Iterable[tuple[str, str]]:
    return checked_headers("headers", {} if headers is None else headers).items()


def _check_targets(stack: Stack, *, allow_insecure: bool) -> None:
    """Find a bad target now, and not in the middle of an outage."""
    for target in stack.targets:
        if target.base_url is not None:
            checked_url("Target.base_url", target.base_url, allow_insecure=allow_insecure)
            checked_key("Target.api_key", target.api_key or "")
            checked_headers("Target.headers", target.headers or {})


def _http_client(transport: Mapping[str, Any]) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=LoopLocalTransport(**transport), follow_redirects=False, trust_env=False)


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name not in {"organization", "project", "webhook_secret"} and value is not None:
            raise ConfigError(f"{name}: not a setting of this client")


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{name}: expected an integer > 0, got {value!r}")
    return value
