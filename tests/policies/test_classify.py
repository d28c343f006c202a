"""Which failures are worth another try, here or elsewhere: the tables of reference/reliability.md, rows 4 to 7."""

import ssl

import httpx2
import openai
import pytest
from calls import http_error, lost_connection

from hanzo_agents import (
    AllProvidersFailed,
    ConfigError,
    DeadlineExceeded,
    Failure,
    InvalidResponse,
    ResponseTooLarge,
    StreamTruncated,
)
from hanzo_agents.errors import CircuitOpen, RateLimited, Unsupported
from hanzo_agents.policies.classify import (
    context_overflow,
    not_sent,
    retry_after,
    status_of,
    substitutable,
    transient,
)

REQUEST = httpx2.Request("POST", "https://router.test")
TLS = httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired")


class Foreign(Exception):
    def __init__(self, **attributes):
        super().__init__("foreign")
        self.__dict__.update(attributes)


# error, retried on the same target, handed to another target
VERDICTS = {
    "408": (http_error(408), True, True),
    "409": (http_error(409), True, True),
    "425": (http_error(425), True, True),
    "429": (http_error(429), True, True),
    "500": (http_error(500), True, True),
    "502": (http_error(502), True, True),
    "503": (http_error(503), True, True),
    "504": (http_error(504), True, True),
    "529": (http_error(529), True, True),
    "503, do not retry": (http_error(503, x_should_retry="false"), False, True),
    "429, do not retry": (http_error(429, x_should_retry="false"), False, True),
    "400, do retry": (http_error(400, x_should_retry="true"), True, True),
    "quota spent": (http_error(429, code="insufficient_quota"), False, True),
    "400": (http_error(400), False, False),
    "401": (http_error(401), False, False),
    "403": (http_error(403), False, False),
    "413": (http_error(413), False, False),
    "422": (http_error(422), False, False),
    "content filter": (http_error(400, code="content_filter"), False, False),
    "content policy": (http_error(400, code="content_policy_violation"), False, False),
    "content filter as a 500": (http_error(500, code="content_filter"), True, False),
    "404": (http_error(404), False, True),
    "no such model": (http_error(404, code="model_not_found"), False, True),
    "no such model, by a router": (http_error(400, message="Invalid model name passed in model=x"), False, True),
    "context overflow by code": (http_error(400, code="context_length_exceeded"), False, True),
    "context overflow by words": (http_error(400, message="maximum context length is 8192 tokens"), False, True),
    "lost connection": (lost_connection(), True, True),
    "refused connection": (lost_connection(httpx2.ConnectError("refused")), True, True),
    "bad certificate": (lost_connection(TLS), False, False),
    "timeout": (openai.APITimeoutError(request=REQUEST), True, True),
    "error without status": (openai.APIError("x", request=REQUEST, body=None), True, True),
    "not an answer": (InvalidResponse("x"), True, True),
    "not an answer: 429 inside": (InvalidResponse("x", status_code=429), True, True),
    "not an answer: 400 inside": (InvalidResponse("x", status_code=400), False, False),
    "not an answer: 401 inside": (InvalidResponse("x", status_code=401), False, False),
    "not an answer: filter inside": (InvalidResponse("x", status_code=400, code="content_filter"), False, False),
    "not an answer: overflow inside": (
        InvalidResponse("x", status_code=400, code="context_length_exceeded"), False, True,
    ),
    "truncated stream": (StreamTruncated("x"), True, True),
    "truncated tool call": (InvalidResponse("x", code="tool_arguments_truncated"), False, False),
    "too large": (ResponseTooLarge("x", code="response_too_large"), False, True),
    "open breaker": (CircuitOpen("x"), False, True),
    "full limiter": (RateLimited("x"), False, True),
    "unsupported": (Unsupported("x"), False, True),
    "deadline": (DeadlineExceeded("x"), False, False),
    "wrong setting": (ConfigError("x"), False, False),
    "foreign 503": (Foreign(status_code=503), True, True),
    "foreign 400": (Foreign(status_code=400), False, False),
    "foreign timeout": (TimeoutError(), True, True),
    "foreign connection": (ConnectionResetError(), True, True),
    "a bug": (KeyError("x"), False, False),
    "a bool is no status": (Foreign(status_code=True), False, False),
}  # fmt: skip


@pytest.mark.parametrize(("error", "again", "elsewhere"), VERDICTS.values(), ids=VERDICTS)
def test_what_another_try_can_mend(error, again, elsewhere):
    assert transient(error) is again
    assert substitutable(error) is elsewhere


@pytest.mark.parametrize(
    ("cause", "unsent"),
    [
        (httpx2.ConnectError("refused"), True),
        (httpx2.ConnectTimeout("slow"), True),
        (httpx2.PoolTimeout("full"), True),
        (httpx2.ProxyError("no"), True),
        (httpx2.ReadTimeout("slow"), False),
        (httpx2.ReadError("reset"), False),
        (httpx2.RemoteProtocolError("cut"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_a_connection_that_was_never_made_proves_that_nothing_was_sent(cause, unsent):
    assert not_sent(lost_connection(cause)) is unsent
    assert not not_sent(http_error(503))


def test_overflow_is_known_by_code_or_words_of_a_client_error_only():
    assert context_overflow(http_error(400, code="context_length_exceeded"))
    assert context_overflow(http_error(413, message="prompt exceeds the context window"))
    assert not context_overflow(http_error(500, message="context length"))
    assert not context_overflow(http_error(400))


def test_an_error_that_knows_its_own_wait_is_believed():
    assert retry_after(CircuitOpen("x", retry_after=3), now=0) == 3
    assert retry_after(CircuitOpen("x", retry_after=float("inf")), now=0) is None
    assert retry_after(ValueError(), now=0) is None


def test_status_is_a_number():
    assert status_of(http_error(503)) == 503
    assert status_of(Foreign(status_code="503")) is None
    assert status_of(ssl.SSLError()) is None


def test_a_chain_that_failed_passes_on_what_its_last_error_said():
    error = AllProvidersFailed([Failure("a", http_error(500)), Failure("b", http_error(429, code="slow"))])
    assert (error.status_code, error.code) == (429, "slow")
