"""`inference_mode="local"`: keywords that would have something leave this machine contradict it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.caching import REDIS, REDIS_URL
from hanzo_agents.modes.walk import loopback

if TYPE_CHECKING:
    from hanzo_agents.modes.local import Local

__all__ = ["check_stays_here"]


def check_stays_here(given: Any, local: Local | None = None) -> None:
    """Refuse what names a model, a webhook or a Redis that is not on this machine.

    Args:
        given: the keywords, each checked by itself already.
        local: the models of this machine; None when only a cache is changed.

    Raises:
        ConfigError: names the keyword.
    """
    for name in ("models", "preferred_models", "warm_models"):
        for model in given.get(name) or ():
            if local is not None and not local.may_have(model):
                raise ConfigError(f"{name}: {local.missing(model)}")
    alerts: Any = given.get("budget_alerts") or {}
    if alerts.get("webhook") is not None:
        raise ConfigError('budget_alerts: mode "local" never leaves this machine, and a webhook is elsewhere')
    if given.get("cache_backend") == "redis":
        named = given.get("redis_url")
        url = named or os.environ.get(REDIS_URL) or REDIS
        if urlsplit(url).scheme != "unix" and not loopback(url):
            name = "redis_url" if named else REDIS_URL
            raise ConfigError(f'{name}: mode "local" never leaves this machine, and that Redis is another')
