"""Personal data in a text: what kind, and where; never what it says.

Nothing here logs, keeps or returns the text that was found. Numbers are told from order numbers, dates, versions
and hashes by their check digits, or by the word that stands before them where a country's numbers have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hanzo_agents.routing import checksums
from hanzo_agents.routing.keys import key_spans
from hanzo_agents.routing.national import national_spans
from hanzo_agents.routing.phones import phone_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Finding", "Kind", "contains_pii"]

Kind = Literal["api_key", "card", "email", "iban", "national_id", "phone"]

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """Personal data of one kind at `text[start:end]`. It does not hold the text."""

    kind: Kind
    start: int
    end: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.start, self.end


def contains_pii(text: str) -> list[Finding]:
    """E-mail addresses, phone numbers, payment cards, IBANs, national ids and keys in a text, in their order.

    Phone numbers are told by `phonenumbers`, of the extra `routing`. Without it whatever is written like a phone
    number counts as one: too much is kept at home then, not too little.
    """
    found: list[Finding] = []
    taken: list[Span] = []
    if not text.isascii():
        text = text.translate(_SPELLINGS)
    for kind, spans in _DETECTORS:
        # What a stricter kind has claimed is not looked at as a laxer one: digits of a card are no phone number.
        for start, end in spans(text):
            if all(end <= first or start >= last for first, last in taken):
                taken.append((start, end))
                found.append(Finding(kind, start, end))
    return sorted(found, key=lambda finding: finding.start)


_SPELLINGS: dict[int, int | str] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},  # full width
    **dict.fromkeys((0x00A0, 0x2007, 0x2009, 0x202F, 0x3000), " "),
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2212), "-"),
}
"""Characters that look like others, one for one: places in the text stay what they are."""

_EMAIL = re.compile(
    r"(?<![\w.+%'-])[^\W_][\w.+%'\u2019-]{0,63}(?<![.])@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w@])",
    re.IGNORECASE,
)
_ASCII_LOCAL = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._+%'-]{0,63}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
_FILES = frozenset({"gif", "jpeg", "jpg", "js", "json", "png", "py", "svg", "ts", "webp"})
"""Ends of file names such as logo@2x.png, none of which is a domain of the root zone."""

_CARD = re.compile(r"(?<![\w.-])(?:\d(?:[ -]?\d){12,18})(?![\w-]|\.\d)", re.ASCII)
_CARD_SHAPE = re.compile(r"\d{12,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{4,5}", re.ASCII)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{1,4}){3,8}(?![A-Za-z0-9])", re.ASCII)
_CARD_WORD = re.compile(
    r"(?<!\w)(?:(?:credit|debit)?\s?card\w*|carte|kreditkarte|karte\w*|tarjeta|carta|cart[aã]o|visa|cc|pan|карт\w*)(?!\w)|卡|カード",
    re.IGNORECASE,
)
BEFORE = 32
"""Characters before a number in which such a word is looked for."""

# ISO/IEC 7812 and the networks' published ranges.
_NETWORKS = (
    ("Visa", re.compile(r"4(?:\d{12}|\d{15}|\d{18})")),
    ("Mastercard", re.compile(r"(?:5[1-5]\d{4}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d\d)\d{10}")),
    ("American Express", re.compile(r"3[47]\d{13}")),
    ("Discover", re.compile(r"6(?:011|5\d\d|4[4-9]\d)\d{12}")),
    ("JCB", re.compile(r"35(?:2[89]|[3-8]\d)\d{12}")),
    ("Diners", re.compile(r"3(?:0[0-5]|[68]\d|095)\d{11}")),
    ("UnionPay", re.compile(r"62\d{14,17}")),
    ("Maestro", re.compile(r"(?:5018|5020|5038|6304|6759|676[1-3])\d{8,15}")),
)


def _emails(text: str) -> Iterable[Span]:
    if "@" not in text:
        return
    seen: list[Span] = []
    # A text without spaces between words runs into the address: then only its ASCII part is one.
    for pattern in (_ASCII_LOCAL,) if _runs_on(text) else (_EMAIL,):
        for match in pattern.finditer(text):
            local, _, domain = match[0].rpartition("@")
            follows = text[match.end() : match.end() + 1]
            if (local == "git" and follows == ":") or domain.rpartition(".")[2].lower() in _FILES:
                continue
            seen.append(match.span())
    yield from seen


def _runs_on(text: str) -> bool:
    """Whether the text is in a script that has no spaces between words."""
    return re.search(r"[\u3040-\u30ff\u3400-\u9fff]", text) is not None


def _cards(text: str) -> Iterable[Span]:
    for match in _CARD.finditer(text := text.replace("\n", " ")):  # groups may stand in parts of their own
        shape = _CARD_SHAPE.fullmatch(match[0])
        digits = re.sub(r"\D", "", match[0])
        if not (shape and checksums.luhn(digits)):
            continue
        # A range that no network has published may be a card all the same, where a word says so.
        named = len(digits) <= 16 and _CARD_WORD.search(text, max(0, match.start() - BEFORE), match.start())
        if named or any(network.fullmatch(digits) for _, network in _NETWORKS):
            yield match.span()


def _ibans(text: str) -> Iterable[Span]:
    for match in _IBAN.finditer(text.replace("\n", " ")):
        # What follows may be words that look like one more group: take groups off the end until it checks.
        candidate = match[0]
        while len(candidate) >= 15:
            number = re.sub(r"[ -]", "", candidate).upper()
            if checksums.iban(number):
                yield match.start(), match.start() + len(candidate)
                break
            shorter = re.match(r"(.*)[ -]", candidate)
            if shorter is None:
                break
            candidate = shorter[1]


_DETECTORS: tuple[tuple[Kind, Callable[[str], Iterable[Span]]], ...] = (
    ("api_key", key_spans),
    ("email", _emails),
    ("iban", _ibans),
    ("card", _cards),
    ("national_id", national_spans),
    ("phone", phone_spans),
)
