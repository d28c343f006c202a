"""Where the router is, and the key for it: explicit argument > HANZO_* environment > .env file when asked for.

A key and its URL always come from the same source, so that neither a stray variable nor a `.env` in the current
directory can send a key to another host. OPENAI_* is never read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypedDict
from urllib.parse import urlsplit

import httpx2
from openai import Omit
from pydantic import BaseModel, ConfigDict, SecretStr

from hanzo_agents._wire.transport import is_loopback
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from hanzo_agents._kernel.stack import Policy, Stack

__all__ = ["ServiceSettings", "Settings", "service_address"]

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
        try:
            return cls._found(base_url, api_key, model, env_file, allow_insecure=allow_insecure)
        except ConfigError as error:
            # The frames below hold the key, and so does this one.
            base_url = api_key = None
            raise error.with_traceback(None) from None

    @classmethod
    def _found(
        cls, base_url: Any, api_key: Any, model: Any, env_file: str | Path | None, *, allow_insecure: bool
    ) -> Self:
        environment = {name: value for name in (URL, KEY, MODEL) if (value := os.environ.get(name, "").strip())}
        file = _read(env_file) if env_file is not None else {}
        (url_name, url), (key_name, key) = _pair(
            _given("base_url", base_url), _given("api_key", api_key), environment, file
        )
        return cls(
            base_url=checked_url(url_name, url, allow_insecure=allow_insecure),
            api_key=SecretStr(checked_key(key_name, key)),
            model=_given("model", model) or environment.get(MODEL) or file.get(MODEL),
        )


def _pair(
    url: str | None, key: str | None, environment: Mapping[str, str], file: Mapping[str, str]
) -> tuple[tuple[str, str], tuple[str, str]]:
    """The address and its key, each with the name under which it was given."""
    if url is not None and key is not None:
        return ("base_url", url), ("api_key", key)
    for where, source in (("", environment), (" in env_file", file)):
        source_url, source_key = source.get(URL), source.get(KEY)
        if url is not None:
            if source_url is not None and source_key is not None and _same(url, source_url):
                return ("base_url", url), (KEY + where, source_key)
        elif source_url is not None:
            if key is not None:
                return (URL + where, source_url), ("api_key", key)
            if source_key is not None:
                return (URL + where, source_url), (KEY + where, source_key)
            raise ConfigError(
                f"api_key: {URL} is set{where or ' in the environment'} and {KEY} is not set there; a key is "
                "taken only from where its URL comes from"
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


class ServiceSettings(TypedDict, total=False):
    """What clients of services beside the router take by name."""

    policies: Iterable[Policy] | Stack | None
    allow_insecure: bool
    proxy: str | None
    verify: ssl.SSLContext | bool
    cert: str | Path | None
    max_response_bytes: int


def service_address(
    api_key: Any,
    base_url: Any,
    variables: tuple[str, str],
    default: str,
    *,
    root: Callable[[str], str],
    allow_insecure: bool,
) -> tuple[str, SecretStr]:
    """Where a service beside the router is, and the key for it: as given, else of the environment.

    The environment's key is for the environment's address, or the service's own where it names none. It is never
    sent to another `base_url`.

    Args:
        api_key: the key as given.
        base_url: the address as given.
        variables: the names of the environment's key and address.
        default: the service's own address.
        root: makes of an address, as users write it, the one that requests are sent to.
        allow_insecure: permit plain http to other machines.

    Raises:
        ConfigError: there is no key, or one of them cannot be used. The message does not show the key.
    """
    key_name, url_name = variables
    key, url = _given("api_key", api_key), _given("base_url", base_url)
    home = root(os.environ.get(url_name, "").strip() or default)
    address = home if url is None else root(url)
    if key is None and address != home:
        raise ConfigError(
            f"api_key: base_url is given and api_key is not; {key_name} of the environment is used only for the "
            f"address in {url_name}, or for {default}"
        )
    key = key or os.environ.get(key_name, "").strip()
    if not key:
        raise ConfigError(f"api_key: expected the key of {default}; pass api_key=, or set {key_name}")
    checked = checked_url("base_url", address, allow_insecure=allow_insecure)
    return checked, SecretStr(checked_key("api_key", key))


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


def checked_query(name: str, query: Any) -> None:
    """Query parameters that a URL can carry.

    Raises:
        ConfigError: it is no mapping of names to strings, numbers, or lists of them.
    """
    if not isinstance(query, Mapping):
        raise ConfigError(f"{name}: expected a mapping of strings, got {type(query).__name__}")
    given: Mapping[Any, Any] = query  # pyright: ignore[reportUnknownVariableType]
    for key, value in given.items():
        if not isinstance(key, str):
            raise ConfigError(f"{name}: expected names of parameters, got {key!r}")
        several: list[Any] = list(value) if isinstance(value, list | tuple) else [value]  # pyright: ignore[reportUnknownArgumentType]
        if odd := [one for one in several if not isinstance(one, str | int | float | Mapping | Omit | None)]:
            raise ConfigError(f"{name}: expected strings and numbers, {key} is {type(odd[0]).__name__}")


def checked_text(name: str, value: Any) -> None:
    """A text that may be left out, and that a header can carry.

    Raises:
        ConfigError: it is none. The message does not show it.
    """
    if value is None:
        return
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a string, got {type(value).__name__}")
    if not value or not value.isascii() or not value.isprintable():
        raise ConfigError(f"{name}: expected printable ASCII, got {len(value)} characters that are not")


def _shown(url: str) -> str:
    # What is no URL may be a key in the wrong place.
    if "://" not in url:
        return f"{len(url)} characters without a scheme"
    return f"{len(url)} characters" if "@" in url or len(url) > 80 else repr(url)
