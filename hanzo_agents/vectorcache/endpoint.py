"""Where a Vectorcache is, its key, and how it is spoken to.

The service's own documents disagree about its host, its authentication and the names of its fields: see
docs/vectorcache.md. What is shown for REST is the default here, and each of the rest is a setting.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from hanzo_agents._kernel.fields import check_flag
from hanzo_agents._version import __version__
from hanzo_agents.errors import ConfigError
from hanzo_agents.settings import checked_key, checked_url
from hanzo_agents.vectorcache.question import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from hanzo_agents.vectorcache.question import Question

__all__ = ["HOST", "Auth", "Dialect", "Endpoint", "endpoint_of"]

HOST = "https://api.vectorcache.com"
"""The address in the service's Python guide and in its JavaScript SDK; its API reference says .ai."""

URL, KEY = "VECTORCACHE_BASE_URL", "VECTORCACHE_API_KEY"
PATH = "/v1/cache/query"

Dialect = Literal["rest", "js"]
Auth = Literal["bearer", "x-api-key"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One Vectorcache, and whose it is."""

    base_url: str
    key: SecretStr
    dialect: Dialect
    auth: Auth

    @property
    def url(self) -> str:
        """Where questions are sent."""
        return f"{self.base_url}{PATH}"

    @property
    def server(self) -> str:
        """Host and port."""
        return urlsplit(self.base_url).netloc

    def headers(self) -> dict[str, str]:
        """Of each request. They hold the key: keep them in no variable."""
        key = self.key.get_secret_value()
        named = {"Authorization": f"Bearer {key}"} if self.auth == "bearer" else {"X-API-Key": key}
        common = {"Content-Type": "application/json", "User-Agent": f"hanzo-agents-provider/{__version__}"}
        return {**named, **common, "Accept": "application/json"}

    def body(self, question: Question) -> dict[str, Any]:
        """A question as this endpoint takes it."""
        where = {} if question.context is None else {"context": question.context}
        if self.dialect == "js":
            return {"query": question.prompt, "model": question.model, **where}
        return {
            "prompt": question.prompt,
            "model": question.model,
            "similarity_threshold": question.similarity_threshold,
            "include_debug": question.include_debug,
            **where,
        }

    def check(self, question: Question) -> None:
        """Refuse what this dialect cannot say.

        Raises:
            ConfigError: names the argument.
        """
        if self.dialect == "rest":
            return
        if question.similarity_threshold != DEFAULT_THRESHOLD:
            raise ConfigError('similarity_threshold: dialect="js" does not send one; the service has its own')
        if question.include_debug:
            raise ConfigError('include_debug: dialect="js" has none')


def endpoint_of(*, api_key: Any, base_url: Any, dialect: Any, auth: Any, allow_insecure: Any) -> Endpoint:
    """Find the address and its key: what is given, else VECTORCACHE_BASE_URL and VECTORCACHE_API_KEY.

    The environment's key goes only to the environment's address, which is the service's own when none is set.

    Raises:
        ConfigError: one of them is missing or wrong, or the two come from different sources.
    """
    if dialect not in get_args(Dialect):
        raise ConfigError(f'dialect: expected "rest" or "js", got {dialect!r}')
    if auth is None:
        auth = "bearer" if dialect == "rest" else "x-api-key"
    if auth not in get_args(Auth):
        raise ConfigError(f'auth: expected "bearer" or "x-api-key", got {auth!r}')
    check_flag("allow_insecure", allow_insecure)
    key, url = _given("api_key", api_key), _given("base_url", base_url)
    home = _address(os.environ.get(URL, "").strip() or HOST)
    url = home if url is None else _address(url)
    if key is None:
        if url != home:
            raise ConfigError(
                f"api_key: base_url is given and api_key is not; {KEY} of the environment is used only with the "
                f"address in {URL}, or without one with {HOST}"
            )
        key = os.environ.get(KEY, "").strip()
        if not key:
            raise ConfigError(f"api_key: expected the key of {HOST}; pass api_key=, or set {KEY}")
    checked_url("base_url", url, allow_insecure=allow_insecure)
    return Endpoint(url, SecretStr(checked_key("api_key", key)), dialect, auth)


def _given(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a string, got {type(value).__name__}")
    return value.strip() or None


def _address(url: str) -> str:
    """An address without what is added to it again."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
