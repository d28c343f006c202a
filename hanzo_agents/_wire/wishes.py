"""What one call asks of its routing: taken out of its arguments before anything is sent."""

from __future__ import annotations

from contextlib import nullcontext
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.canonical import CANONICAL, joined
from hanzo_agents._kernel.stack import Place
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    from hanzo_agents._kernel.codec import Question
    from hanzo_agents._kernel.stack import Policy

__all__ = ["add_wishes", "heeding", "routed", "routes", "wished", "wishes_in", "wishes_now"]

_NAMES = {"options": "options", "quality_threshold": "quality"}


def wishes_in(kwargs: dict[str, Any], policies: Iterable[Policy]) -> dict[str, Any]:
    """Take the wishes out of a call's arguments, by the names `routed` has for them; empty when there are none.

    Raises:
        ConfigError: one is wrong, or nothing in the stack would heed it.
    """
    given = [name for name in _NAMES if name in kwargs]
    wishes = {_NAMES[name]: kwargs.pop(name) for name in given}
    meant = [name for name in given if wishes[_NAMES[name]] is not None]
    if meant and not routes(policies):
        raise ConfigError(f"{meant[0]}: has no effect without routing; make the client with auto_route=True")
    if "quality" in wishes:
        from hanzo_agents.routing.catalogue import tier_of

        tier_of("quality_threshold", wishes["quality"])
    return wishes


def wished(resource: Any, wishes: Mapping[str, Any]) -> Any:
    """The same resource, whose `create` is sent with these wishes: the SDK's `stream` calls it later."""
    if not wishes:
        return resource
    copy = type(resource)(resource._client)  # noqa: SLF001
    create = copy.create

    async def later(**kwargs: Any) -> Any:
        with routed(**wishes):
            return await create(**kwargs)

    def now(**kwargs: Any) -> Any:
        with routed(**wishes):
            return create(**kwargs)

    copy.create = later if iscoroutinefunction(create) else now
    return copy


def heeding(kwargs: dict[str, Any], policies: Iterable[Policy]) -> AbstractContextManager[None]:
    """Have the call of the block routed as its arguments ask, out of which that is taken.

    Raises:
        ConfigError: as `wishes_in`.
    """
    wishes = wishes_in(kwargs, policies)
    return routed(**wishes) if wishes else nullcontext()


def routes(policies: Iterable[Policy]) -> bool:
    """Whether one of them chooses models."""
    return any(
        getattr(policy, "place", None) is Place.ROUTE or routes(getattr(policy, "stack", ()))
        for policy in policies
    )


def routed(**wishes: Any) -> AbstractContextManager[None]:
    """Have the calls of the block routed with these wishes.

    Raises:
        ConfigError: one is wrong.
    """
    from hanzo_agents.routing.asked import routed as block

    return block(**wishes)


def wishes_now() -> Any:
    """What the call asks of its routing: another model may answer then, and another answer is kept."""
    from hanzo_agents.routing.asked import asked_now

    asked = asked_now()
    cost = None if asked.max_cost is None else str(asked.max_cost)
    return dict(asked.options), asked.quality, asked.max_latency, cost


def add_wishes(question: Question, wishes: Any) -> None:
    """Make them part of the question."""
    try:
        question.asked = joined((question.asked, CANONICAL.encode(wishes).encode()))
    except (TypeError, ValueError, RecursionError):
        question.obstacle = "the options of its routing are not plain JSON"
