"""Making a client: every argument checked before anything is sent, and what is left out found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import httpx2
from openai import NotGiven

from hanzo_agents._kernel.fields import check_count, check_flag
from hanzo_agents._wire.compose import checked_timeout
from hanzo_agents._wire.inherited import Inherited
from hanzo_agents._wire.labels import Labels
from hanzo_agents._wire.transport import LoopLocalTransport
from hanzo_agents.errors import ConfigError
from hanzo_agents.settings import (
    Settings,
    checked_headers,
    checked_key,
    checked_query,
    checked_text,
    checked_url,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hanzo_agents._kernel.stack import Stack
    from hanzo_agents.facade.understanding import Understood

__all__ = ["MAX_RESPONSE_BYTES", "Opened", "check_options", "kept_by_copy", "local_settings", "open_client"]

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_TEXTS = ("organization", "project", "webhook_secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a client is made of, every part checked."""

    base_url: str
    api_key: Any = field(repr=False)
    http_client: Any
    headers: Mapping[str, str] = field(repr=False)
    inherited: Inherited


def open_client(
    understood: Understood,
    *,
    labels: Labels,
    headers: Sequence[Mapping[str, str] | None],
    max_response_bytes: int,
    transport: Mapping[str, Any],
    query: object,
    sdk: Mapping[str, Any],
) -> Opened:
    """Check a client's arguments and find what they leave to the environment.

    Raises:
        ConfigError: names the argument that is missing or wrong.
    """
    asked = understood.asked
    base_url, api_key, http_client = asked.base_url, asked.api_key, asked.http_client
    allow_insecure, stack = asked.allow_insecure, understood.stack
    check_options({**sdk, "default_query": query, "http_client": http_client})
    check_flag("allow_insecure", allow_insecure)
    if http_client is not None and (own := [n for n, v in transport.items() if v not in (None, True)]):
        raise ConfigError(f"{own[0]}: has no effect on an http_client of your own; set it there")
    settings = Settings.resolve(
        base_url=None if base_url is None else str(base_url),
        # A callable key is asked for at every request; here it only has to be there.
        api_key="callable" if callable(api_key) else api_key,
        model=asked.model,
        env_file=asked.env_file,
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
        provider=asked.provider,
        beside=understood.facade,
    )
    return Opened(
        base_url=settings.base_url,
        api_key=api_key if callable(api_key) else settings.api_key.get_secret_value(),
        http_client=http_client or _http_client({**transport, "stays_here": _stays_here(understood.facade)}),
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


def _stays_here(facade: object) -> bool:
    return bool(getattr(facade, "stays_here", False))


def check_options(options: Mapping[str, Any]) -> None:
    """Check what the SDK's own client takes, as far as it is given.

    Raises:
        ConfigError: names the option that is wrong.
    """
    given = {name: value for name, value in options.items() if value is not None}
    checked_timeout("timeout", given.get("timeout"))
    for name in _TEXTS:
        checked_text(name, given.get(name))
    for name in ("default_headers", "set_default_headers"):
        if name in given:
            checked_headers(name, given[name])
    for name in ("default_query", "set_default_query"):
        if name in given:
            checked_query(name, given[name])
    if "http_client" in given:
        _check_http_client(given["http_client"])
    if "api_key" in given and not callable(given["api_key"]):
        key = given["api_key"]
        if not isinstance(key, str):
            raise ConfigError(f"api_key: expected a string, got {type(key).__name__}")
        checked_key("api_key", key)


def kept_by_copy(
    kept: Inherited, max_retries: int | NotGiven, options: dict[str, Any], *, shared_http: Callable[[], Any]
) -> Inherited:
    """What a copy with these options takes over; the options are checked, and mended where they leave home.

    Args:
        kept: what the client itself has.
        max_retries: 0 is exactly one request, more replaces the Retry there is.
        options: the SDK's own, changed in place.
        shared_http: the HTTP client for another address.

    Raises:
        ConfigError: names the option that is wrong.
    """
    check_options({name: value for name, value in options.items() if not isinstance(value, NotGiven)})
    if not isinstance(base_url := options.get("base_url"), NotGiven | None):
        checked_url("base_url", str(base_url), allow_insecure=kept.insecure)
        if _stays_here(kept.beside):
            raise ConfigError('base_url: inference_mode="local" sends nothing to another address')
        if options.get("api_key") is None:
            raise ConfigError("base_url: another address needs its own api_key")
        # Headers and labels are for the address they were given for.
        options.setdefault("set_default_headers", options.pop("default_headers", None) or {})
        options.setdefault("set_default_query", options.pop("default_query", None) or {})
        kept = replace(kept, labels=Labels(), away=True, provider=None)
        if options.get("http_client") is None and not kept.owns_http:
            options["http_client"] = shared_http()
    if options.get("http_client") is not None:
        if _stays_here(kept.beside):
            raise ConfigError('http_client: inference_mode="local" never leaves this machine; leave it out')
        kept = replace(kept, owns_http=False)
    if not isinstance(max_retries, NotGiven):
        check_count("max_retries", max_retries, least=0)
        kept = kept.with_retries(max_retries)
    return kept


def local_settings(model: str | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a client of the embedded node, which is started if it does not run yet.

    Raises:
        ConfigError: the extra `local` or the weights are not installed, or an argument makes no sense there.
    """
    for name in ("base_url", "api_key", "env_file"):
        if name in settings:
            raise ConfigError(f"{name}: the embedded node needs none; leave it out of .local()")
    from hanzo_agents.node import LocalNode

    node = LocalNode.shared()
    return {
        "base_url": node.base_url,
        "api_key": "local",
        "model": model or node.models[0],
        "_provider": "local",
        **settings,
    }


def _check_http_client(client: Any) -> None:
    kind = cast("type[object]", type(client))
    # An older httpx is known by name: it need not be installed.
    is_sync = any(base.__module__.startswith("httpx") and base.__name__ == "Client" for base in kind.__mro__)
    if is_sync or isinstance(client, type) or not callable(getattr(client, "send", None)):
        raise ConfigError(
            f"http_client: expected an httpx2 or httpx AsyncClient, got {kind.__name__}"
            + ("; calls run on an event loop, also those of the synchronous client" if is_sync else "")
        )


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"{name}: expected an integer > 0, got {value!r}")
    return value
