"""Where LLMWise is, and the key for it: both from the same source, so that a key never goes to another host."""

from __future__ import annotations

import os
from typing import Any

from hanzo_agents.errors import ConfigError
from hanzo_agents.settings import checked_key, checked_url

__all__ = ["DEFAULT_URL", "address_of", "api_root"]

DEFAULT_URL = "https://llmwise.ai/api/v1"
KEY, URL = "LLMWISE_API_KEY", "LLMWISE_BASE_URL"
_ROOT = "/api/v1"


def address_of(api_key: Any, base_url: Any, *, allow_insecure: bool) -> tuple[str, str]:
    """The base URL and the key: as given, else of the environment.

    The environment's key is for the environment's address, or the service's own where it names none. It is never
    sent to another `base_url`.

    Raises:
        ConfigError: there is no key, or one of them cannot be used. The message does not show the key.
    """
    key, url = _given("api_key", api_key), _given("base_url", base_url)
    at_home = api_root(os.environ.get(URL, "").strip() or DEFAULT_URL)
    root = at_home if url is None else api_root(url)
    if key is None and root == at_home:
        key = os.environ.get(KEY, "").strip() or None
    elif key is None:
        raise ConfigError(
            f"api_key: base_url is given and api_key is not; {KEY} of the environment is used only for the "
            f"address in {URL}, or for {DEFAULT_URL}"
        )
    if key is None:
        raise ConfigError(f"api_key: expected a key of LLMWise (mm_sk_...); pass api_key=, or set {KEY}")
    return checked_url("base_url", root, allow_insecure=allow_insecure), checked_key("api_key", key)


def api_root(url: str) -> str:
    """The address of the API for what a user gives: the site, or the API itself."""
    url = url.rstrip("/")
    return url if url.endswith(_ROOT) else url + _ROOT


def _given(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a string, got {type(value).__name__}")
    return value.strip() or None
