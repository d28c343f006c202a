"""Where a Vectorcache is, its key, and how it is spoken to.

The service's own documents disagree about its host, its authentication and the names of its fields: see
docs/vectorcache.md. What is shown for REST is the default here, and each of the rest is a setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from hanzo_agents._kernel.fields import check_flag
from hanzo_agents._wire.once import USER_AGENT
from hanzo_agents.errors import ConfigError
from hanzo_agents.settings import service_address
from hanzo_agents.vectorcache.question import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from pydantic import SecretStr

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
        common = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
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
    url, key = service_address(api_key, base_url, (KEY, URL), HOST, root=_root, allow_insecure=allow_insecure)
    return Endpoint(url, key, dialect, auth)


def _root(url: str) -> str:
    """An address without what is added to it again."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
