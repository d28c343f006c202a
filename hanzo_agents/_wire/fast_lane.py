"""The fast lane: a request that is plain JSON already needs no walk through the SDK's types.

The SDK walks every request's TypedDicts before sending, 123 us a message; on plain JSON that changes nothing.
One pass of the C encoder is both the test for that and the bytes to send. Whatever fails it takes the SDK's
ordinary road.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from openai import NotGiven, Omit, not_given

from hanzo_agents._wire.compose import Extras, checked_timeout
from hanzo_agents._wire.dialects.chat import CHAT
from hanzo_agents._wire.dialects.responses import RESPONSES
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hanzo_agents._wire.dialects.dialect import Dialect, RequestView
    from hanzo_agents._wire.engine import Engine

__all__ = ["CHAT_LANE", "RESPONSES_LANE", "FastLane", "fill_model"]

_ATTACHED = frozenset({"extra_headers", "extra_query", "extra_body", "timeout"})
_RAW = "x-stainless-"
_ABSENT = (Omit, NotGiven)


class FastLane:
    """Turns the keywords of one SDK method into a view and its bytes.

    Args:
        resource: gives the SDK's synchronous resource class whose `create` defines the keywords and their order
            on the wire.
        required: keywords without which the SDK raises; the ordinary road lets it.
    """

    def __init__(
        self, dialect: Dialect, resource: Callable[[], type[Any]], *, required: frozenset[str] = frozenset()
    ) -> None:
        self._dialect = dialect
        self._resource = resource
        self._order: dict[str, int] = {}
        self._known: set[str] = set()
        self._required = required

    def enter(self, engine: Engine, kwargs: Mapping[str, Any]) -> tuple[RequestView, Extras] | None:
        """The view and extras of a call, None when it must take the ordinary road."""
        if not self._order:
            self._order = {name: place for place, name in enumerate(_wire_order(self._resource()))}
            self._known = self._order.keys() | _ATTACHED
        if not self._required.issubset(kwargs):
            return None
        if kwargs.get("extra_query") or kwargs.get("extra_body") or not self._known.issuperset(kwargs):
            return None
        headers = _plain_headers(kwargs.get("extra_headers"))
        if headers is None:
            return None
        timeout = kwargs.get("timeout", not_given)
        checked_timeout("timeout", timeout)
        given = {name: value for name, value in kwargs.items() if not isinstance(value, _ABSENT)}
        body = {name: given[name] for name in sorted(given.keys() - _ATTACHED, key=self._order.__getitem__)}
        try:
            content = engine.encode(self._dialect, body)
        except (TypeError, ValueError, RecursionError):
            return None
        extras = Extras(None, headers, timeout)
        return self._dialect.view(body, content), extras


def _plain_headers(headers: Any) -> tuple[tuple[str, str], ...] | None:
    if not headers:
        return ()
    for name, value in headers.items():
        if not isinstance(value, str) or name.lower().startswith(_RAW):
            return None
        if not value.isascii():
            raise ConfigError(f"extra_headers: {name} has characters that a header cannot carry")
    return tuple(headers.items())


def _wire_order(resource: type[Any]) -> tuple[str, ...]:
    """The body keys in the SDK's order, found by running its own `create` once against nothing."""
    captured: dict[str, Any] = {}

    class Nowhere:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def post(*_: Any, body: Any = None, **__: Any) -> None:
                captured.update(body)

            return post

    create = resource.create
    names = [
        name
        for name, parameter in inspect.signature(create).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in _ATTACHED
    ]
    create(resource(Nowhere()), **dict.fromkeys(names))
    return tuple(captured)


def fill_model(model: str | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Put the client's model where a call names none.

    Raises:
        ConfigError: there is none.
    """
    if not isinstance(kwargs.get("model"), str):
        if model is None:
            raise ConfigError("model: expected a model's name; pass model=, or set HANZO_MODEL")
        kwargs["model"] = model
    return kwargs


def _completions() -> type[Any]:
    from openai.resources.chat.completions import Completions

    return Completions


def _responses() -> type[Any]:
    from openai.resources.responses import Responses

    return Responses


CHAT_LANE = FastLane(CHAT, _completions, required=frozenset({"messages"}))
RESPONSES_LANE = FastLane(RESPONSES, _responses)
