"""`inference_mode` and its companions: where calls go (see `hanzo_agents.modes`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hanzo_agents.facade.keywords import PLACES
from hanzo_agents.facade.staying import check_stays_here
from hanzo_agents.facade.understanding import nowhere
from hanzo_agents.modes import plan

if TYPE_CHECKING:
    from hanzo_agents.facade.keywords import Keywords
    from hanzo_agents.facade.understanding import Asked
    from hanzo_agents.modes import Plan

__all__ = ["placed"]


def placed(asked: Asked, given: Keywords) -> tuple[Asked, Plan | None]:
    """The arguments, their address decided; None for a plain client of one address.

    Raises:
        ConfigError: settings contradict each other, or nobody is left to ask.
    """
    wanted: Any = {name: value for name, value in given.items() if name in PLACES and value is not None}
    if not wanted and not nowhere(asked):
        return asked, None
    mode = wanted.pop("inference_mode", None)
    decided = plan(
        mode=mode, base_url=asked.base_url, api_key=asked.api_key, model=asked.model, env_file=asked.env_file,
        allow_insecure=asked.allow_insecure, fallbacks=asked.fallbacks, http_client=asked.http_client,
        proxy=asked.proxy, **wanted,
    )  # fmt: skip
    if decided.stays_here:
        check_stays_here(given, decided.local)
    at = replace(
        asked, base_url=decided.base_url, api_key=decided.api_key, model=decided.model, provider=decided.provider,
        fallbacks=decided.fallbacks,
    )  # fmt: skip
    return at, decided
