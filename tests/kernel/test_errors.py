"""The error tree: one root, openai's; every error says what it knows, and travels between processes."""

import copy
import pickle
from decimal import Decimal

import openai
import pytest
from calls import http_error

from hanzo_agents import Budget, errors
from hanzo_agents.errors import (
    AllProvidersFailed,
    BudgetExceeded,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    Failure,
    HanzoError,
    InvalidResponse,
    Refused,
    StreamTruncated,
)

MADE = {
    "ConfigError": ConfigError("base_url: wrong"),
    "DeadlineExceeded": DeadlineExceeded("late", code="deadline"),
    "DownloadFailed": errors.DownloadFailed("cut", code="interrupted", status_code=503),
    "CircuitOpen": CircuitOpen("open", retry_after=3.5),
    "RateLimited": errors.RateLimited("full", retry_after=1),
    "Unsupported": errors.Unsupported("no tools"),
    "BudgetExceeded": BudgetExceeded(
        "over", budget_type="daily", limit=Decimal(5), spent=Decimal(4), reserved=Decimal(1), resets_at=9.0
    ),
    "InvalidResponse": InvalidResponse("html", status_code=429, code="x", request_id="r", body="<html>"),
    "StreamTruncated": StreamTruncated("cut", code="stream_truncated", request_id="r"),
    "ResponseTooLarge": errors.ResponseTooLarge("big"),
    "AllProvidersFailed": AllProvidersFailed(
        [Failure("a", CircuitOpen("open", retry_after=3)), Failure("b", StreamTruncated("cut", code="c"))]
    ),
}


@pytest.mark.parametrize("error", MADE.values(), ids=MADE)
def test_every_error_is_openais_and_pickles_whole(error):
    assert isinstance(error, HanzoError)
    assert isinstance(error, openai.OpenAIError)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        for name, value in vars(error).items():
            if name != "failures":
                assert getattr(again, name) == value, name


def test_what_came_is_not_quoted_at_length():
    with pytest.raises(ConfigError) as refused:
        Budget(daily="x" * 1_000_000)
    assert len(str(refused.value)) < 1000
    assert str(refused.value).startswith("Budget.daily: expected")
    assert str(ConfigError("a" * 1000 + ", got it")).endswith(", got it")
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)


@pytest.mark.parametrize("error", MADE.values(), ids=MADE)
def test_notes_travel_too(error):
    noted = copy.copy(error)
    noted.add_note("earlier in the fallback chain: a")
    assert pickle.loads(pickle.dumps(noted)).__notes__ == ["earlier in the fallback chain: a"]


def test_they_are_what_python_calls_such_things():
    assert issubclass(ConfigError, ValueError)
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert issubclass(DeadlineExceeded, Refused)
    assert issubclass(StreamTruncated, InvalidResponse)
    assert issubclass(AllProvidersFailed, ExceptionGroup)


def test_every_error_is_exported_and_described():
    for name in errors.__all__:
        assert getattr(errors, name).__doc__
        assert name == "Failure" or name in (errors.__doc__ or ""), f"{name} is missing in the tree"


def test_the_runners_stock_policies_can_classify_them():
    from agents import retry_policies
    from agents.models._retry_runtime import get_error_code, get_status_code, iter_error_chain

    assert retry_policies.http_status([429])
    chain = list(iter_error_chain(MADE["InvalidResponse"]))
    assert chain
    assert get_status_code(MADE["InvalidResponse"]) == 429
    assert get_error_code(MADE["InvalidResponse"]) == "x"


def test_a_failed_chain_splits_like_any_group():
    group = MADE["AllProvidersFailed"]
    open_ones, rest = group.split(CircuitOpen)
    assert [type(e) for e in open_ones.exceptions] == [CircuitOpen]
    assert [type(e) for e in rest.exceptions] == [StreamTruncated]
    seen = []
    try:
        raise group
    except* StreamTruncated as caught:
        seen.append(caught)
    except* CircuitOpen as caught:
        seen.append(caught)
    assert [len(part.exceptions) for part in seen] == [1, 1]


@pytest.mark.parametrize(
    ("waits", "earliest"), [((3, None), 3), ((2, 300), 2), ((300, 0), 0), ((None, None), None)]
)
def test_a_failed_chain_may_be_tried_again_when_the_first_target_may(waits, earliest):
    failures = [Failure(str(wait), errors.RateLimited("full", retry_after=wait)) for wait in waits]
    assert AllProvidersFailed(failures).retry_after == earliest


def test_a_failed_chain_with_an_upstreams_error_pickles():
    """openai's own status errors do not pickle by themselves."""
    group = AllProvidersFailed([Failure("a", http_error(503))])
    again = pickle.loads(pickle.dumps(group))
    assert str(again) == str(group)
    assert again.status_code == 503
