"""Personal data: found by what it is, and never repeated. How often is in benchmarks/routing."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents.routing import Finding, contains_pii, phones, pii
from hanzo_agents.routing.checksums import (
    aadhaar,
    bsn,
    cn_id,
    codice_fiscale,
    cpf,
    dni,
    hetu,
    iban,
    luhn,
    nhs,
    nir,
    niss,
    pesel,
    steuer_id,
)  # fmt: skip


def kinds(text):
    return [finding.kind for finding in contains_pii(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to jane.doe@example.com.", "email"),
        ("pay DE89 3704 0044 0532 0130 00 today", "iban"),
        ("my card 4111 1111 1111 1111", "card"),
        ("Amex 3782 822463 10005", "card"),
        ("call +1 415 555 2671", "phone"),
        ("call me at 650-253-0000", "phone"),
        ("SSN 536-90-4399", "national_id"),
        ("DNI 12345678Z", "national_id"),
        ("NHS number 943 476 5919", "national_id"),
        ("AWS AKIAIOSFODNN7ABCDEFG", "api_key"),
        ("postgres://app:hunter22@db/app", "api_key"),
        ("mail jane.doe\uff20example.com", "email"),
        ("card 4111\u00a01111\u00a01111\u00a01111", "card"),
        ("my card 4111 1111\n1111 1111", "card"),
        ("DE89\u20113704\u20110044\u20110532\u20110130\u201100", "iban"),
    ],
)
def test_what_is_personal(text, kind):
    (found,) = contains_pii(text)
    assert found.kind == kind
    assert text[found.start : found.end].strip() == text[found.start : found.end]
    assert found.span == (found.start, found.end)


@pytest.mark.parametrize(
    "text",
    ["order 4111 1111 1111 1112", "2024-11-05 14:30", "version 10.20.30", "commit 3f786850e387550fdab836ed7e6dc881de23001b",
     "git@github.com:acme/app.git", "logo@2x.png", "react@18.2.0", "DE00 0000 0000 0000 0000 00", "192.168.0.1", "DNI 12345678A",
     "api_key = os.environ['KEY']", "OPENAI_API_KEY=sk-...", "SSN 000-12-3456", "password: ********", "", "1" * 40],
)  # fmt: skip
def test_what_only_looks_so(text):
    assert contains_pii(text) == []


def test_a_finding_holds_no_text():
    (found,) = contains_pii("I am jane@example.com")
    assert found == Finding("email", 5, 21)
    assert "jane" not in repr(found)


def test_findings_do_not_overlap_and_come_in_order():
    text = "card 4111111111111111, iban DE89370400440532013000, jane@example.com, +1 415 555 2671"
    found = contains_pii(text)
    assert [f.kind for f in found] == ["card", "iban", "email", "phone"]
    assert all(one.end <= other.start for one, other in pairwise(found))


def test_none_is_false():
    assert not pii("nothing here")
    assert pii is contains_pii


@pytest.mark.parametrize(
    ("check", "right"),
    [
        # Examples that the issuing bodies publish, or that their descriptions give.
        (luhn, "79927398713"), (iban, "GB82WEST12345698765432"), (iban, "FR1420041010050500013M02606"), (dni, "12345678Z"),
        (dni, "X1234567L"), (nir, "255081416802538"), (codice_fiscale, "RSSMRA85T10A562S"), (steuer_id, "86095742719"),
        (bsn, "111222333"), (nhs, "9434765919"), (cpf, "52998224725"), (aadhaar, "234123412346"), (pesel, "44051401359"),
        (cn_id, "11010519491231002X"), (hetu, "131052-308T"), (niss, "85073003328"), (niss, "17073003384"),
    ],
)  # fmt: skip
def test_check_digits(check, right):
    assert check(right)
    wrong = {
        right[:-1] + sign
        for sign in ("ABCDEFGHIJKLMNOPQRSTUVWXYZ" if right[-1].isalpha() and right[-1] != "X" else "0123456789")
    }
    assert [number for number in sorted(wrong) if number != right and check(number)] == []


class TestWithoutTheLibrary:
    @pytest.fixture(autouse=True)
    def _absent(self, monkeypatch):
        monkeypatch.setattr(phones, "_library", lambda: None)

    def test_what_is_written_like_a_phone_number_counts(self):
        assert kinds("call 650-253-0000") == ["phone"]
        assert kinds("+49 30 901820") == ["phone"]
        assert kinds("+999 123 4567") == ["phone"]

    def test_dates_and_versions_still_do_not(self):
        assert kinds("2024-11-05, 10.0.0.1, v1.2.3, 20241105") == []


@given(st.text(max_size=200))
def test_any_text_may_be_asked(text):
    for found in contains_pii(text):
        assert 0 <= found.start < found.end <= len(text)


@given(st.text(alphabet="0123456789-+. ()@:/abAB", max_size=400))
def test_any_row_of_digits_may_be_asked(text):
    contains_pii(text)


@pytest.mark.parametrize(
    "bait",
    ["1 " * 30_000, "a@" * 30_000, "a." * 30_000, "+1" * 30_000, "sk-" * 20_000, "A1 " * 20_000, "x_" * 30_000],
)
def test_no_text_makes_it_slow(bait):
    started = time.process_time()
    contains_pii(bait)
    assert time.process_time() - started < 5, "not a figure to meet: it would take minutes if it were quadratic"
