"""What a cache keeps of an answer: the answer, the facts about it, and a seal.

Three lines of JSON: the version of this layout and the seal, the facts, the answer as its dialect spells it. The
seal is made with the endpoint's key over everything else, the entry's own key included: what is damaged, cut
short, of another version, moved from elsewhere or written by somebody without the key does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.journal import Cost, Usage

if TYPE_CHECKING:
    from hanzo_agents._kernel.journal import Basis

__all__ = ["VERSION", "Facts", "keyed", "opened", "sealed"]

VERSION = 2
"""Of the layout and of what counts for a key: entries of another version are no entries."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an answer beside the answer.

    Attributes:
        model: that answered, as far as the upstream said.
        provider: who answered, as far as that is known.
        made: when, in seconds since the epoch.
        usage: tokens that it took.
        cost: what it cost.
    """

    model: str | None
    provider: str | None
    made: float
    usage: Usage | None
    cost: Cost


def keyed(secret: bytes, content: bytes) -> hashlib.blake2b:
    """A digest that only who knows the secret can make. In a third of the time of OpenSSL's HMAC."""
    return hashlib.blake2b(content, key=secret, digest_size=32)


def sealed(key: bytes, secret: bytes, facts: Facts, body: bytes) -> bytes:
    """An entry for the store."""
    usage, cost = facts.usage, facts.cost
    tokens = "null" if usage is None else f'[{usage.input_tokens},{usage.output_tokens},"{usage.basis}"]'
    price = "null" if cost.amount is None else f'"{cost.amount}"'
    # By hand: an encoder takes several times as long for these few fields.
    told = (
        f'{{"model":{_text(facts.model)},"provider":{_text(facts.provider)},"made":{facts.made!r},'
        f'"tokens":{tokens},"cost":[{price},"{cost.basis}"]}}'
    )
    rest = b"%b\n%b" % (told.encode(), body)
    return b"%b\n%b" % (_first(key, secret, rest), rest)


def opened(key: bytes, secret: bytes, content: bytes) -> tuple[Facts, bytes] | None:
    """The facts and the answer; None when this is no entry for `key`."""
    first, _, rest = content.partition(b"\n")
    if not hmac.compare_digest(first, _first(key, secret, rest)):
        return None
    told, _, body = rest.partition(b"\n")
    try:
        return _facts(json.loads(told)), body
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return None


def _text(text: str | None) -> str:
    return "null" if text is None else encode_basestring_ascii(text)


def _first(key: bytes, secret: bytes, rest: bytes) -> bytes:
    seal = keyed(secret, key + rest).hexdigest()
    return b'{"hanzo_entry":%d,"seal":"%b"}' % (VERSION, seal.encode())


def _facts(told: dict[str, Any]) -> Facts:
    tokens: tuple[int, int, Basis] | None = told["tokens"]
    amount, basis = told["cost"]
    return Facts(
        told["model"],
        told["provider"],
        told["made"],
        None if tokens is None else Usage(*tokens),
        Cost(None if amount is None else Decimal(amount), basis),
    )
