"""What upstreams and routers say of their limits, in all its spellings."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanzo_agents.policies.rate_limit.headroom import headroom

WALL = 1_905_249_600.0  # 2030-05-17T12:00:00Z


def told(**headers):
    return headroom({name.replace("_", "-"): value for name, value in headers.items()}, wall=WALL)


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("2d", 172_800),
        ("30", 30),
        ("0.5", 0.5),
        ("0", 0),
        (str(WALL + 30), 30),
        (str(int(WALL + 30)), 30),
        (str(int((WALL + 30) * 1000)), 30),
        ("2030-05-17T12:00:30Z", 30),
        ("2030-05-17T14:00:30+02:00", 30),
        ("2030-05-17T12:00:30", 30),
        ("2030-05-17T11:00:00Z", 0),
        (str(int(WALL - 30)), 0),
    ],
)
def test_resets_in_every_spelling(reset, seconds):
    assert told(x_ratelimit_remaining_requests="3", x_ratelimit_reset_requests=reset) == {
        "requests": (3, pytest.approx(seconds))
    }


@pytest.mark.parametrize("junk", ["", "soon", "-1", "nan", "inf", "1e400", "1x", "s", "1s2", "\u0661s", "9999-99-99", "9" * 40])  # fmt: skip
def test_a_reset_that_is_no_time_is_the_end_of_the_minute(junk):
    found = headroom({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": junk}, wall=WALL + 20)
    assert found == {"requests": (0, 40)}


@pytest.mark.parametrize("junk", ["", "many", "-1", "1.5", "nan", "1_0", "\u0663", "9" * 19])
def test_a_remainder_that_is_no_count_is_no_advice(junk):
    assert told(x_ratelimit_remaining_requests=junk, x_ratelimit_reset_requests="1s") == {}


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1s"}, {"tokens": (5, 1)}),
        ({"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": "9"}, {"requests": (5, 9)}),
        ({"RateLimit-Remaining": "5", "RateLimit-Reset": "9"}, {"requests": (5, 9)}),
        (
            {"anthropic-ratelimit-requests-remaining": "5", "anthropic-ratelimit-requests-reset": "9",
             "anthropic-ratelimit-tokens-remaining": "7", "anthropic-ratelimit-tokens-reset": "8"},
            {"requests": (5, 9), "tokens": (7, 8)},
        ),
        ({"llm_provider-x-ratelimit-remaining-requests": "5", "llm_provider-x-ratelimit-reset-requests": "9"},
         {"requests": (5, 9)}),
        ({"x-ratelimit-api_key-remaining-requests": "5"}, {"requests": (5, 60)}),
        ({"x-litellm-key-remaining-tokens-gpt-4": "5"}, {"tokens": (5, 60)}),
        ({"x-ratelimit-limit-requests": "500"}, {}),
        ({"x-remaining-patience": "0"}, {}),
        ({}, {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [dict, httpx2.Headers])
def test_headers_in_every_spelling(headers, found, kind):
    assert headroom(kind(headers), wall=WALL) == found


def test_of_several_the_smallest_counts():
    found = headroom(
        {"x-ratelimit-remaining-requests": "9", "llm_provider-x-ratelimit-remaining-requests": "2"}, wall=WALL
    )
    assert found == {"requests": (2, 60)}


@pytest.mark.parametrize("strange", [None, 5, "x-ratelimit-remaining-requests: 0", [("a", "b")]])
def test_what_is_no_headers_tells_nothing(strange):
    assert headroom(strange, wall=WALL) == {}


@given(
    st.dictionaries(
        st.sampled_from(["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "ratelimit-reset"]),
        st.text(),
    )
)
def test_nothing_an_upstream_says_raises(headers):
    for room in headroom(headers, wall=WALL).values():
        assert room.remaining >= 0
        assert 0 <= room.resets_in < float("inf")
