"""National ids of some countries: by their check digits, or by the word before them where those say too little."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hanzo_agents.routing import checksums

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["national_spans"]

BEFORE = 48
"""Characters before a number in which the word that names it is looked for."""


@dataclass(frozen=True, slots=True)
class _Id:
    """One country's number.

    Attributes:
        shape: how it is written.
        holds: whether its digits can be one.
        named: the words of which one must stand before it; None where its shape and check digits suffice.
    """

    shape: re.Pattern[str]
    holds: Callable[[str], bool]
    named: re.Pattern[str] | None = None


def _always(number: str) -> bool:
    return True


def _ssn(number: str) -> bool:
    """United States: no check digit, but numbers that are never issued (SSA, RM 10201.035)."""
    return number[:3] not in {"000", "666"} and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"


def _personnummer(number: str) -> bool:
    """Sweden: a date, and Luhn over the last ten digits."""
    digits = re.sub(r"\D", "", number)[-10:]
    month, day = int(digits[2:4]), int(digits[4:6])
    # The day of a coordination number is 60 higher.
    return 1 <= month <= 12 and 1 <= day % 60 <= 31 and checksums.luhn(digits)


def _dated_cn(number: str) -> bool:
    return 1 <= int(number[10:12]) <= 12 and 1 <= int(number[12:14]) <= 31 and checksums.cn_id(number)


def _nhs(number: str) -> bool:
    return checksums.nhs(number)


def _words(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)|(?:身份证|身分证)", re.IGNORECASE)


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-])(?:{pattern})(?![\w-]|\.\d)", re.ASCII | re.IGNORECASE)


_CN = re.compile(r"(?<![A-Za-z0-9])[1-9]\d{5}(?:19|20)\d{9}[\dXx](?![A-Za-z0-9])", re.ASCII)

_IDS = (
    _Id(_shape(r"\d{3}-\d{2}-\d{4}"), _ssn),
    _Id(_shape(r"\d{3}[ -]?\d{2}[ -]?\d{4}"), _ssn, _words(r"ssn|social security")),
    _Id(_shape(r"\d{8}-?[A-Z]"), checksums.dni),
    _Id(_shape(r"[XYZ]-?\d{7}-?[A-Z]"), checksums.dni),
    _Id(_shape(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d"), checksums.nir),
    _Id(_shape(r"[A-Z]{6} ?\d\d[A-EHLMPRST]\d\d ?[A-Z]\d{3} ?[A-Z]"), checksums.codice_fiscale),
    _Id(
        _shape(r"\d\d ?\d{3} ?\d{3} ?\d{3}"), checksums.steuer_id,
        _words(r"steuer\w*|steuer-?id\w*|idnr|tin|tax id\w*"),
    ),
    _Id(_shape(r"\d{9}|\d{4}\.\d{2}\.\d{3}"), checksums.bsn, _words(r"bsn|burgerservicenummer|sofi\w*")),
    _Id(_shape(r"\d{3}[ -]?\d{3}[ -]?\d{4}"), _nhs, _words(r"nhs\w*")),
    # HMRC, NIM39110: letters that are never used.
    _Id(_shape(r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]"), _always),
    _Id(_shape(r"\d{3}\.\d{3}\.\d{3}-\d\d"), checksums.cpf),
    _Id(_shape(r"\d{11}"), checksums.cpf, _words(r"cpf")),
    _Id(_shape(r"\d{4}[ -]\d{4}[ -]\d{4}|\d{12}"), checksums.aadhaar, _words(r"aadhaar|aadhar|uidai|uid|आधार")),
    _Id(_shape(r"\d{11}"), checksums.pesel, _words(r"pesel\w*")),
    _Id(_shape(r"(?:19|20)?\d{6}[-+]\d{4}"), _personnummer),
    _Id(_shape(r"(?:19|20)?\d{10}"), _personnummer, _words(r"personnummer|personnr|pnr|samordningsnummer")),
    _Id(_CN, _dated_cn),
    _Id(_shape(r"[0-3]\d[01]\d{3}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"), checksums.hetu),
    _Id(_shape(r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d"), checksums.niss),
    _Id(
        _shape(r"\d{11}"), checksums.niss, _words(r"rijksregister\w*|registre national|niss|insz|numéro national")
    ),
)  # fmt: skip


# Six digits with little between them, or how a codice fiscale begins: every id holds one of the two.
_DENSE = re.compile(r"(?:\d[ .+-]?){5}\d|[A-Z]{6} ?\d\d[A-Z]\d\d", re.ASCII | re.IGNORECASE)
AROUND = 32
"""Characters around such a place that are searched: more than any id has."""


def _windows(text: str) -> Iterable[tuple[int, int]]:
    """The parts of a text that may hold an id; most texts have none."""
    start = end = 0
    for match in _DENSE.finditer(text):
        if match.start() - AROUND > end:
            if end:
                yield start, end
            start = max(0, match.start() - AROUND)
        end = match.end() + AROUND
    if end:
        yield start, min(end, len(text))


def national_spans(text: str) -> Iterable[tuple[int, int]]:
    """Where national ids stand."""
    windows = [*_windows(text)]
    for one in _IDS:
        for match in (match for window in windows for match in one.shape.finditer(text, *window)):
            number = match[0] if one.holds is checksums.hetu else re.sub(r"[ .+-]", "", match[0]).upper()
            if not one.holds(number):
                continue
            if one.named is not None and not one.named.search(text, max(0, match.start() - BEFORE), match.start()):
                continue
            yield match.span()
