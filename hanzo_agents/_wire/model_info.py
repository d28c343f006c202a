"""The prices that one client knows: what its endpoints say of their models, and the public list behind that."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from openai._models import FinalRequestOptions

from hanzo_agents._wire.reading import json_or_none, read_body
from hanzo_agents._wire.sync.calls import call_off_loop
from hanzo_agents._wire.transport import is_here
from hanzo_agents.prices.pages import read_page
from hanzo_agents.prices.price import Price

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents._kernel.price import Pricing
    from hanzo_agents._kernel.target import Target
    from hanzo_agents._wire.attempt import Endpoint
    from hanzo_agents.prices.learned import Endpoint as Learned
    from hanzo_agents.prices.learned import Endpoints
    from hanzo_agents.prices.pages import Page

__all__ = ["EndpointPrices"]

FREE = Price(input=0, output=0)
MOST_BYTES = 32 << 20
"""Of a page of models: a router that serves thousands writes about 3 kB for each."""
LARGE = 256 << 10
"""Bytes from which a page is read beside the event loop: reading 1 MB of it takes 40 ms."""


class EndpointPrices:
    """Prices by target: each endpoint is asked for its own models, with its own key, and for nothing else.

    Args:
        learned: what was learned so far, shared with copies of the client.
        home: the client's own endpoint.
        away: gives the endpoint of a target that has one of its own.
    """

    __slots__ = ("_away", "_home", "_home_learned", "_learned")

    def __init__(self, learned: Endpoints, home: Endpoint, away: Callable[[Target], Endpoint]) -> None:
        self._learned = learned
        self._home = home
        self._away = away
        self._home_learned: Learned | None = None

    def known(self, target: Target) -> Pricing | None:
        """What is known now, without asking anybody."""
        try:
            return FREE if self._here(target) else self._of(target).known(target.name)
        except ImportError:
            if sys.is_finalizing():  # and nothing can be imported any more: a stream was held to the end
                return None
            raise

    async def learn(self, target: Target) -> Pricing | None:
        """The same, after asking the target's endpoint for its page of models, if that is due."""
        if self._here(target):
            return FREE
        learned = self._of(target)
        if not learned.fresh:
            await learned.learn(partial(self._page, target))
        return learned.known(target.name)

    def _here(self, target: Target) -> bool:
        """Whether a node on this machine answers, which bills nobody; of one elsewhere nobody knows that."""
        if target.base_url is None:
            return self._home.provider == "local" and is_here(self._home.client.base_url.host)
        return target.provider == "local" and is_here(urlsplit(target.base_url).hostname or "")

    async def _page(self, target: Target) -> Page | None:
        return await _page_of(self._home if target.base_url is None else self._away(target))

    def _of(self, target: Target) -> Learned:
        if target.base_url is not None:
            headers = tuple((target.headers or {}).items())
            identity = (target.base_url.rstrip("/"), target.api_key, None, headers)
            return self._learned.of(identity, target.base_url)
        learned = self._home_learned
        if learned is None:
            learned = self._home_learned = self._learned.of(self._identity(), str(self._home.client.base_url))
        return learned

    def _identity(self) -> tuple[Any, ...]:
        client: Any = self._home.client
        headers = tuple(client._custom_headers.items())  # noqa: SLF001
        return (str(client.base_url).rstrip("/"), client.api_key, client._api_key_provider, headers)  # noqa: SLF001

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


async def _page_of(endpoint: Endpoint) -> Page | None:
    """The first of the pages on which a router tells its prices; None when it has none for this key.

    Raises:
        openai.APIError, httpx2.HTTPError, InvalidResponse, ...: it did not answer as a router does.
    """
    client = endpoint.client
    root = client.base_url.path.removesuffix("/").removesuffix("/v1")
    groups = client.base_url.copy_with(path=f"{root}/model_group/info")
    for url in ("/model/info", str(groups), "/models"):
        page = await _get(endpoint, url)
        if page is not None:
            return page
    return None


async def _get(endpoint: Endpoint, url: str) -> Page | None:
    """What a page lists, None when there is no such page or the key may not read it."""
    client: Any = endpoint.client
    options = FinalRequestOptions.construct(method="get", url=url, security={"bearer_auth": True})
    request = client._build_request(await client._prepare_options(options))  # noqa: SLF001
    response = await client._client.send(request, stream=True, follow_redirects=False)  # noqa: SLF001
    try:
        status: int = response.status_code
        if status >= 500 or status in {408, 425, 429}:
            raise ConnectionError(f"status {status}")
        if status != 200:
            return None
        content = await read_body(response, min(MOST_BYTES, endpoint.limit))
    finally:
        await response.aclose()
    return _read(content) if len(content) < LARGE else await call_off_loop(_read, content)


def _read(content: bytes) -> Page | None:
    try:
        return read_page(json_or_none(content))
    except ValueError:  # a login page, or whatever stands at that address
        return None
