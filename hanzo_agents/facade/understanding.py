"""What a client was asked to be: plain arguments pass as they are, keywords become policies."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.stack import Stack
from hanzo_agents.errors import ConfigError
from hanzo_agents.facade.keywords import KEYWORDS, MoreSettings
from hanzo_agents.policies.default import stack_of
from hanzo_agents.settings import URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from hanzo_agents._kernel.stack import Policy
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.facade.composing import Facade

__all__ = ["Asked", "Understood", "nowhere", "understood"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The arguments of a client that decide where its calls go, and through what."""

    base_url: Any
    api_key: Any = field(repr=False)
    model: str | None
    policies: Iterable[Policy] | Stack | None
    fallbacks: Sequence[str | Target]
    max_retries: int | None
    env_file: str | Path | None
    allow_insecure: bool
    http_client: Any
    proxy: str | None
    provider: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """The same, with the stack they mean, and what is kept beside it (None for a plain client)."""

    asked: Asked
    stack: Stack
    facade: Facade | None = None


def understood(asked: Asked, more: dict[str, Any]) -> Understood:
    """What these arguments mean together.

    Args:
        asked: the plain ones.
        more: the others. The keywords are taken out of it.

    Raises:
        ConfigError: a keyword is wrong, there is none of that name, or it contradicts another one.
    """
    given: Any = {name: more.pop(name) for name in KEYWORDS.intersection(more)}
    _refuse_unknown(more)
    if all(value is None for value in given.values()) and not nowhere(asked):
        stack = stack_of(asked.policies, fallbacks=asked.fallbacks, max_retries=asked.max_retries)
        return Understood(asked=asked, stack=stack)
    # Imported when there is something for it: a plain client needs none of those policies.
    from hanzo_agents.facade.composing import composed

    return composed(asked, given)


def _refuse_unknown(given: Mapping[str, Any]) -> None:
    known = MoreSettings.__optional_keys__
    for name, value in given.items():
        if name not in known and value is not None:
            names = sorted({*known, *(field.name for field in fields(Asked))})
            like = get_close_matches(name, names, 1)
            raise ConfigError(f"{name}: not a setting of this client{f'; is {like[0]} meant?' if like else ''}")


def nowhere(asked: Asked) -> bool:
    """Whether nothing says where calls go: no address, no environment. An exact stack is left as it is."""
    given = asked.base_url is not None or asked.api_key is not None or asked.env_file is not None
    return not given and not isinstance(asked.policies, Stack) and not os.environ.get(URL, "").strip()
