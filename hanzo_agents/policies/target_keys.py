"""What the state of a target is kept under, circuit or pace: its endpoint and model, and what no address shows."""

from __future__ import annotations

import hashlib
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.target import Target

__all__ = ["call_key", "endpoint_of", "target_key"]


def call_key(call: Call, target: Target | None = None) -> str:
    """The key of a call's target, or of another that it may go to. One without a model has the caller's."""
    if target is None:
        target = call.target
    kept: str | None = None if target.model is not None else getattr(call.view, "model", None)
    return target_key(target, call.home, kept or "")


def target_key(target: Target, home: str, kept: str = "") -> str:
    """The key of a target's state.

    Args:
        target: where a call goes.
        home: the address of targets that have none of their own.
        kept: the caller's model, for a target that keeps it.

    No key of the API is in it. Headers may choose a deployment behind one address, as gateways have it: targets
    that differ in them are told apart, under a digest. Model objects are told apart by their class
    and name, or label, and two that are alike by the order in which this process met them.
    """
    if target.foreign:
        return _foreign(target)
    endpoint = endpoint_of(target.base_url or home)
    if target.headers:
        endpoint += f"#{_digest(tuple(sorted(target.headers.items())))}"
    return f"{endpoint} {target.name or kept}"


@lru_cache(maxsize=1024)
def endpoint_of(url: str) -> str:
    """An address as keys know it: without user, password, query, and the slash at its end."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}" if parts.scheme else url.rstrip("/")


@lru_cache(maxsize=1024)
def _digest(headers: tuple[tuple[str, str], ...]) -> str:
    return hashlib.blake2s(repr(headers).encode(), digest_size=8).hexdigest()


_numbers: dict[str, itertools.count[int]] = {}
_foreign_keys: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def _foreign(target: Target) -> str:
    model = target.model
    try:
        known = _foreign_keys.get(model)
    except TypeError:  # it takes no weak reference, or has no hash
        return f"object:{type(model).__qualname__} {target}#{id(model):x}"
    if known is None:
        name = f"object:{type(model).__qualname__} {target}"
        number = next(_numbers.setdefault(name, itertools.count(1)))
        known = _foreign_keys.setdefault(model, name if number == 1 else f"{name}#{number}")
    return known
