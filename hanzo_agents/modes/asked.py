"""What a user asks of a mode: checked, before anybody is looked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from hanzo_agents._kernel.fields import check_flag, targets_of
from hanzo_agents._kernel.target import Target
from hanzo_agents.errors import ConfigError
from hanzo_agents.modes.provider import DIRECT
from hanzo_agents.settings import URL, Settings, checked_key

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MODES", "Asked", "Router"]

MODES = ("local", "hybrid", "cloud_only")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Router:
    """The router, its settings resolved."""

    base_url: str
    key: str = field(repr=False)
    model: str | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The settings as they were given (see `modes.plan`)."""

    mode: str | None
    base_url: Any
    api_key: Any = field(repr=False)
    model: str | None
    env_file: str | Path | None
    allow_insecure: bool
    node_url: str | None
    node_api_key: str | None = field(repr=False)
    openai_api_key: str | None = field(repr=False)
    anthropic_api_key: str | None = field(repr=False)
    providers: Mapping[str, Target] | Sequence[str] | None
    fallback_order: Sequence[str] | None
    fallback_on_error: bool | None
    prefer_local: bool | None
    fallbacks: Sequence[str | Target]
    http_client: Any
    proxy: str | None

    @property
    def plain(self) -> bool:
        """Whether this is a client of one address, to which nothing is added."""
        ours = (
            self.mode, self.node_url, self.node_api_key, self.openai_api_key, self.anthropic_api_key,
            self.providers, self.fallback_order, self.fallback_on_error, self.prefer_local,
        )  # fmt: skip
        return self.base_url is not None and all(one is None for one in ours)

    def checked(self) -> Asked:
        """The same, its mode decided.

        Raises:
            ConfigError: a setting is none, or two contradict each other.
        """
        if self.mode is not None and not (isinstance(self.mode, str) and self.mode in MODES):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"inference_mode: expected one of {', '.join(MODES)}, got {self.mode!r}")
        self._check_kinds()
        self._check_lists()
        self._check_names()
        if self.mode == "local":
            self._check_local()
        if self.mode == "cloud_only":
            self._check_cloud_only()
        if self.fallback_on_error is False and self.fallbacks:
            raise ConfigError("fallback_on_error: False, and fallbacks are given; one of the two has to go")
        return replace(self, mode=self.mode or "hybrid")

    def names(self, name: str) -> bool:
        """Whether `fallback_order` names a provider."""
        return name in self.order_names()

    def wants(self, name: str) -> bool:
        """Whether a provider may be asked: `fallback_order` names it, or there is none."""
        return self.fallback_order is None or self.names(name)

    def order_names(self) -> list[str]:
        """The providers in `fallback_order`, each once."""
        return list(dict.fromkeys(one.partition("/")[0] for one in self.fallback_order or ()))

    def order_models(self) -> dict[str, str]:
        """What `fallback_order` says is asked for where: {"openai": "gpt-4.1"}."""
        split = (one.partition("/") for one in self.fallback_order or ())
        return {name: model for name, _, model in split if model}

    def custom(self) -> dict[str, Target]:
        """The user's own targets by name."""
        return dict(self.providers) if isinstance(self.providers, Mapping) else {}

    def named_providers(self) -> list[str]:
        """The providers that `providers` names without a target."""
        return list(cast("Sequence[str]", self.providers)) if _listed(self.providers) else []

    def direct_keys(self) -> dict[str, str]:
        """The keys of providers that are asked directly; the environment's only for those that are named."""
        named = {*self.order_names(), *self.named_providers()}
        keys: dict[str, str] = {}
        for name, direct in DIRECT.items():
            given = self.openai_api_key if name == "openai" else self.anthropic_api_key
            key = given or (os.environ.get(direct.key, "").strip() if name in named else "")
            if key and name not in self.custom():
                keys[name] = checked_key(f"{name}_api_key" if given else direct.key, key)
        return keys

    def router(self) -> Router | None:
        """The router, None when there is none or `fallback_order` leaves out all that it would carry.

        Raises:
            ConfigError: its settings are incomplete or wrong.
        """
        given = self.base_url is not None or self.api_key is not None or self.env_file is not None
        if not given and not os.environ.get(URL, "").strip():
            return None
        settings = Settings.resolve(
            base_url=None if self.base_url is None else str(self.base_url),
            api_key="callable" if callable(self.api_key) else self.api_key,
            model=self.model, env_file=self.env_file, allow_insecure=self.allow_insecure,
        )  # fmt: skip
        return Router(settings.base_url, settings.api_key.get_secret_value(), settings.model)

    def _check_kinds(self) -> None:
        for name in ("node_url", "node_api_key", "openai_api_key", "anthropic_api_key", "model"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise ConfigError(f"{name}: expected a string, got {type(value).__name__}")
        for name in ("node_api_key", "openai_api_key", "anthropic_api_key"):
            if (key := getattr(self, name)) is not None:
                checked_key(name, key)
        for name in ("fallback_on_error", "prefer_local"):
            if (value := getattr(self, name)) is not None:
                check_flag(name, value)
        if self.fallback_order is not None and not _listed(self.fallback_order):
            raise ConfigError(
                f"fallback_order: expected a list of names, got {type(self.fallback_order).__name__}"
            )
        if self.fallback_order is not None and not self.fallback_order:
            raise ConfigError("fallback_order: expected at least one name")
        targets_of("fallbacks", self.fallbacks, least=0)

    def _check_lists(self) -> None:
        for setting in ("fallback_order", "providers"):
            given: Any = getattr(self, setting)
            if _listed(given) and (odd := [one for one in given if not isinstance(one, str)]):
                raise ConfigError(f"{setting}: expected a list of names, got {type(odd[0]).__name__} among them")
        if bare := [one for one in self.fallback_order or () if one.endswith("/")]:
            raise ConfigError(f"fallback_order: expected a model behind the slash, got {bare[0]!r}")

    def _check_names(self) -> None:
        if self.providers is not None and not isinstance(self.providers, Mapping) and not _listed(self.providers):
            raise ConfigError(f"providers: expected targets by name, got {type(self.providers).__name__}")
        for name, target in self.custom().items():
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in {"local", "router"}:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigError(
                    f'providers: expected a name without "/", and not "local" or "router", got {name!r}'
                )
            if not isinstance(target, Target) or target.foreign:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigError(
                    f"providers: {name}: expected a Target with an address, got {type(target).__name__}"
                )
        listed = self.named_providers()
        if unknown := [one for one in listed if one not in DIRECT]:
            raise ConfigError(
                f"providers: as names expected some of {', '.join(sorted(DIRECT))}, got {unknown[0]!r}"
            )
        known = {"local", "router", *DIRECT, *self.custom()}
        if unknown := [one for one in self.order_names() if one not in known]:
            raise ConfigError(f"fallback_order: expected some of {', '.join(sorted(known))}, got {unknown[0]!r}")
        if self.fallback_order is not None:
            self._check_left_out([*listed, *self.custom()])

    def _check_left_out(self, providers: list[str]) -> None:
        """Somebody who is configured and never asked is a mistake, not a setting."""
        given = {
            "openai_api_key": (self.openai_api_key, "openai"),
            "anthropic_api_key": (self.anthropic_api_key, "anthropic"),
            "node_url": (self.node_url, "local"),
            **{f"providers: {name}": (name, name) for name in providers},
        }
        for setting, (value, name) in given.items():
            if value is not None and not self.names(name):
                raise ConfigError(f"{setting}: fallback_order does not name {name!r}, which would never be asked")
        if self.prefer_local is not None and (self.order_names()[0] == "local") is not self.prefer_local:
            raise ConfigError(f"prefer_local: {self.prefer_local}, and fallback_order says otherwise")

    def _check_local(self) -> None:
        elsewhere = (
            "base_url", "api_key", "env_file", "openai_api_key", "anthropic_api_key", "providers", "http_client",
            "proxy",
        )  # fmt: skip
        for name in elsewhere:
            if getattr(self, name) is not None:
                hint = "; node_url is the node's address" if name == "base_url" else ""
                raise ConfigError(f'{name}: mode "local" never leaves this machine; leave it out{hint}')
        if others := [one for one in self.order_names() if one != "local"]:
            raise ConfigError(
                f'fallback_order: mode "local" never leaves this machine, and so never asks {others[0]}'
            )
        if self.prefer_local is False:
            raise ConfigError('prefer_local: False contradicts mode "local"')

    def _check_cloud_only(self) -> None:
        for name in ("node_url", "node_api_key"):
            if getattr(self, name) is not None:
                raise ConfigError(f'{name}: mode "cloud_only" asks no node; leave it out, or use "hybrid"')
        if self.prefer_local or self.names("local"):
            name = "prefer_local" if self.prefer_local else "fallback_order"
            raise ConfigError(f'{name}: mode "cloud_only" leaves this machine out; use "hybrid"')
        if self.model is not None and self.model.startswith("local/"):
            raise ConfigError(f'model: {self.model} is on this machine, which mode "cloud_only" leaves out')


def _listed(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
