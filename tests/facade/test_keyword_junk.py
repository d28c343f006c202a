"""Whatever comes as a keyword, a client is made or a ConfigError says what is wrong."""

from decimal import Decimal

import pytest
from upstream import KEY, URL, Upstream

from hanzo_agents import ConfigError, Hanzo
from hanzo_agents.facade.keywords import KEYWORDS


class Odd:
    """Neither hashable nor comparable."""

    __hash__ = None

    def __eq__(self, other):
        raise AssertionError("was compared")


JUNK = [
    0, -1, 1.5, float("nan"), float("inf"), 10**400, Decimal("NaN"), 1j, True, False, "", " ", "x", "\x00", "\ud800", b"x",
    [], [None], [1], ["x"], [["x"]], [Odd()], (), range(2), {}, {"x": 1}, {1: 2}, {"thresholds": None}, {"a"}, Odd(), object, len,
    iter("x"),
]  # fmt: skip
NEEDS = {
    "cache_backend": {"enable_cache": True},
    "cache_ttl": {"enable_cache": True},
    "max_latency_ms": {"auto_route": True},
    "metrics_port": {"enable_metrics": True},
    "budget_alerts": {"daily_budget": 1},
    "preferred_models": {"auto_route": True},
    "models": {"auto_route": True},
    "min_quality_threshold": {"auto_route": True},
}


@pytest.mark.parametrize("keyword", sorted(KEYWORDS - {"enable_metrics", "metrics_port"}))
def test_no_junk_gets_further_than_the_constructor(keyword, monkeypatch, tmp_path):
    monkeypatch.setenv("HANZO_STATE_DIR", str(tmp_path))
    for value in JUNK:
        for more in ({}, NEEDS.get(keyword, {"prefer_streaming": True})):
            try:
                Hanzo(URL, KEY, http_client=Upstream().http, **{**more, keyword: value})
            except ConfigError as error:
                assert keyword in str(error) or more, (value, error)  # noqa: PT017 - both outcomes are right
