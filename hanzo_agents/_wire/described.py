"""What both clients say of themselves."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import openai

from hanzo_agents import errors
from hanzo_agents._version import __version__
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

    from hanzo_agents._kernel.price import Prices
    from hanzo_agents._kernel.stack import Stack
    from hanzo_agents._wire.engine import Engine
    from hanzo_agents._wire.inherited import Inherited

__all__ = ["Described"]


class Described:
    """The part of a client that makes no calls."""

    _inherited: Inherited
    _engine: Engine
    whole_by_stream: bool = False
    """Whether whole chat answers are asked for as streams."""

    @property
    def errors(self) -> ModuleType:
        """`hanzo_agents.errors`, for `except client.errors.AllProvidersFailed`."""
        return errors

    @property
    def default_model(self) -> str | None:
        """The model that calls without one ask for."""
        return self._inherited.model

    @property
    def stack(self) -> Stack:
        """The policies, outermost first."""
        return self._inherited.stack

    @property
    def engine(self) -> Engine:
        """What runs the calls."""
        return self._engine

    @property
    def prices(self) -> Prices:
        """What models cost, as far as the router or the public list says (see docs/prices.md)."""
        return self._engine.prices

    @property
    def user_agent(self) -> str:
        """How the client names itself to servers."""
        return f"hanzo-agents/{__version__} openai/{openai.__version__}"

    @property
    def realtime(self) -> Any:
        """Refused: a WebSocket would bypass the policies."""
        raise ConfigError("realtime: WebSocket sessions bypass the policies and are not supported; use openai")

    if not TYPE_CHECKING:  # to a checker it is the SDK's

        @cached_property
        def beta(self) -> Any:
            """The SDK's, with the client's own chat, and without sessions."""
            from hanzo_agents._wire.beta import HanzoBeta, SyncBeta

            return SyncBeta(self) if isinstance(self, openai.OpenAI) else HanzoBeta(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds connections and does not pickle; make one in each process")

    def __repr__(self) -> str:
        if "_inherited" not in self.__dict__ and "_inner" not in self.__dict__:
            return f"{type(self).__name__}(not made)"
        address = str(getattr(self, "base_url", None))
        return f"{type(self).__name__}(base_url={address!r}, model={self.default_model!r}, {self.stack!r})"
