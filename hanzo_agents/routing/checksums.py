"""Check digits: what tells a card, an account or a person's number from any other row of digits.

Each function takes the characters of a number without separators and says whether its check digits are right.
"""

from __future__ import annotations

__all__ = [
    "aadhaar", "bsn", "cn_id", "codice_fiscale", "cpf", "dni", "hetu", "iban", "luhn", "nhs", "nir", "niss",
    "pesel",    "steuer_id",
]  # fmt: skip

_IBAN_LENGTHS = dict(  # noqa: C408 - a literal would need 170 quotes
    # The IBAN registry of SWIFT, release 99.
    AD=24, AE=23, AL=28, AT=20, AZ=28, BA=20, BE=16, BG=22, BH=22, BI=27, BR=29, BY=28, CH=21, CR=22, CY=28, CZ=24,
    DE=22, DJ=27, DK=18, DO=28, EE=20, EG=29, ES=24, FI=18, FK=18, FO=18, FR=27, GB=22, GE=22, GI=23, GL=18, GR=27,
    GT=28, HN=28, HR=21, HU=28, IE=22, IL=23, IQ=23, IS=26, IT=27, JO=30, KW=30, KZ=20, LB=28, LC=32, LI=21, LT=20,
    LU=20, LV=21, LY=25, MC=27, MD=24, ME=22, MK=19, MN=20, MR=27, MT=31, MU=30, NI=28, NL=18, NO=15, OM=23, PK=24,
    PL=28, PS=29, PT=25, QA=29, RO=24, RS=22, RU=33, SA=24, SC=31, SD=18, SE=24, SI=19, SK=24, SM=27, SO=23, ST=25,
    SV=28, TL=23, TN=24, TR=26, UA=29, VA=22, VG=24, XK=20, YE=30,
)  # fmt: skip
_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_HETU_SIGNS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CF_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14,
         16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
_VERHOEFF = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043",
    "8765932104", "9876543210",
)  # fmt: skip
_SHUFFLE = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: payment cards, Swedish personal numbers."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def iban(number: str) -> bool:
    """ISO 13616: the length of its country, and 1 modulo 97."""
    if _IBAN_LENGTHS.get(number[:2]) != len(number):
        return False
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def dni(number: str) -> bool:
    """Spain, DNI and NIE: eight digits (X, Y or Z first for NIE), the letter is their remainder modulo 23."""
    digits = number[:-1].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(digits) % 23] == number[-1]


def nir(number: str) -> bool:
    """France, social security: thirteen digits (2A and 2B for Corsica), two check digits modulo 97."""
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(body) % 97 == int(number[13:])


def codice_fiscale(number: str) -> bool:
    """Italy: fifteen signs and a letter, odd places by a table of their own."""
    total = sum(
        _CF_ODD[sign] if place % 2 == 0 else int(sign, 36) - (10 if sign.isalpha() else 0)
        for place, sign in enumerate(number[:15])
    )
    return chr(ord("A") + total % 26) == number[15]


def steuer_id(number: str) -> bool:
    """Germany, tax number: ISO 7064 modulo 11, 10; one of the first ten digits comes twice or three times."""
    counts = [number[:10].count(digit) for digit in set(number[:10])]
    if number[0] == "0" or max(counts) not in {2, 3} or sum(count > 1 for count in counts) != 1:
        return False
    product = 10
    for digit in number[:10]:
        product = (((int(digit) + product) % 10 or 10) * 2) % 11
    return (11 - product) % 10 == int(number[10])


def bsn(number: str) -> bool:
    """Netherlands: the test of eleven, the last digit negative."""
    total = sum(int(digit) * weight for digit, weight in zip(number, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return total % 11 == 0 and int(number) > 0


def nhs(number: str) -> bool:
    """United Kingdom, health service: modulo 11."""
    total = sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False))
    return (11 - total % 11) % 11 == int(number[9])


def cpf(number: str) -> bool:
    """Brazil: two check digits modulo 11; eleven equal digits are none."""
    if len(set(number)) == 1:
        return False
    for length in (9, 10):
        total = sum(int(digit) * (length + 1 - place) for place, digit in enumerate(number[:length]))
        if total * 10 % 11 % 10 != int(number[length]):
            return False
    return True


def aadhaar(number: str) -> bool:
    """India: Verhoeff's scheme; the first digit is neither 0 nor 1."""
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = int(_VERHOEFF[check][int(_SHUFFLE[place % 8][int(digit)])])
    return check == 0 and number[0] not in "01"


def pesel(number: str) -> bool:
    """Poland: weights 1, 3, 7, 9; begins with a date whose month also tells the century."""
    total = sum(
        int(digit) * weight for digit, weight in zip(number, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True)
    )
    return total % 10 == 0 and 1 <= int(number[2:4]) % 20 <= 12 and 1 <= int(number[4:6]) <= 31


def cn_id(number: str) -> bool:
    """China: ISO 7064 modulo 11, 2."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(number[:17]))
    return "10X98765432"[total % 11] == number[17].upper()


def hetu(number: str) -> bool:
    """Finland: nine digits (the sign of the century apart) modulo 31."""
    return _HETU_SIGNS[int(number[:6] + number[7:10]) % 31] == number[10].upper()


def niss(number: str) -> bool:
    """Belgium: nine digits modulo 97, with a 2 before them for who was born from 2000."""
    check = int(number[9:])
    return any(97 - int(century + number[:9]) % 97 == check for century in ("", "2"))
