"""Every error this package raises, and what it tells the caller.

    HanzoError (also openai.OpenAIError)
    +-- ConfigError (also ValueError)      a setting is wrong; nothing was sent
    +-- Refused                            one of our policies refused; nothing more was sent
    |   +-- DeadlineExceeded (also TimeoutError)   no time is left; attempts may have been sent
    |   +-- CircuitOpen
    |   +-- RateLimited
    |   +-- BudgetExceeded
    |   +-- Unaccountable                  a budget cannot tell whether it may pay
    |   +-- Unsupported                    the target cannot do what the call needs
    +-- InvalidResponse                    what came back is not an answer
    |   +-- StreamTruncated                a stream that ended before it was finished
    |   +-- ResponseTooLarge               more bytes than the client's limit
    +-- AllProvidersFailed (also ExceptionGroup)
    +-- EnsembleFailed (also ExceptionGroup)       too few of several models answered
    +-- DownloadFailed                     a model could not be fetched
    +-- llmwise.LLMWiseError               LLMWise refused, failed, or gave no answer
    +-- ToolError                          a tool of an MCP server gave no result
    +-- TurnsExceeded                      `run_tools` was not done after its turns

Errors of the upstream stay what they are (`openai.RateLimitError`, ...): callers already know those.
Ours carry `status_code`, `code`, `request_id` and `retry_after` where they have one, under the names by
which the Agents SDK's stock retry policies classify an error. All of them pickle.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from openai import APIConnectionError, OpenAIError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

__all__ = [
    "AllProvidersFailed",
    "BudgetExceeded",
    "CircuitOpen",
    "ConfigError",
    "DeadlineExceeded",
    "DownloadFailed",
    "EnsembleFailed",
    "Failure",
    "HanzoError",
    "InvalidResponse",
    "RateLimited",
    "Refused",
    "ResponseTooLarge",
    "StreamTruncated",
    "ToolError",
    "TurnsExceeded",
    "Unaccountable",
    "Unsupported",
]


class HanzoError(OpenAIError):
    """The root of this package's errors.

    Attributes:
        status_code: HTTP status, or the status an error object inside a 200 claimed; None when there is none.
        code: the machine-readable reason, as the upstream or the policy named it.
        request_id: the upstream's id of the request, for its logs.
        retry_after: seconds until another try can succeed, when somebody said so.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword arguments do not survive BaseException's own pickling; the attributes do.
        return (_rebuild, (type(self), str(self), self.__dict__.copy()))


def _rebuild(kind: type[HanzoError], message: str, state: dict[str, Any]) -> HanzoError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class ConfigError(HanzoError, ValueError):
    """A setting is wrong: the message names the field, what came (if long, its ends), and what was expected."""

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message if len(message) <= 900 else f"{message[:600]} [...] {message[-200:]}", **more)


class Refused(HanzoError):
    """A policy of ours refused to send the call.

    `Fallback` moves on to the next target at once, unless time is up; `Retry` never retries a refusal.
    """


class DeadlineExceeded(Refused, TimeoutError):
    """The call's deadline passed, or the next step could not have ended before it."""


class CircuitOpen(Refused):
    """The target's breaker is open; `retry_after` says when it will admit a probe."""


class RateLimited(Refused):
    """Our own limiter would have made the call wait beyond its deadline, or its queue is full."""


class BudgetExceeded(Refused):
    """A budget cannot pay for the call.

    Attributes:
        budget_type: which budget: "per_call", "per_run", "daily" or "monthly".
        limit, spent, reserved: US dollars.
        resets_at: when the window ends (seconds since the epoch), None for a budget without a window.
    """

    def __init__(
        self,
        message: str,
        *,
        budget_type: str,
        limit: Decimal,
        spent: Decimal,
        reserved: Decimal,
        resets_at: float | None = None,
    ) -> None:
        super().__init__(message, code="budget_exceeded")
        self.budget_type = budget_type
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.resets_at = resets_at


class Unaccountable(Refused):
    """A budget cannot tell whether it may pay: nobody knows a price, or the ledger is away; see `code`."""


class Unsupported(Refused):
    """The target is declared unable to do what the call needs (tools, images, a schema, the context)."""


class InvalidResponse(HanzoError):
    """What came back with a success status is not an answer.

    An error object inside a 200, an HTML page, truncated JSON, an empty `choices`, ... The bare SDK reports
    most of these as a success with empty text.

    Attributes:
        body: at most 200 characters of what came, secrets removed.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(
            message, status_code=status_code, code=code, request_id=request_id, retry_after=retry_after
        )
        self.body = body


class StreamTruncated(InvalidResponse):
    """A stream ended before it was finished: no finish_reason, no terminal event, or cut inside an event."""


class ResponseTooLarge(InvalidResponse):
    """The reply has more bytes than `max_response_bytes`; it was abandoned at the limit."""


@dataclass(frozen=True)
class Failure:
    """One target of a chain that failed, and how.

    Attributes:
        target: its name.
        error: what it answered.
        window: its context window in tokens, when known.
    """

    target: str
    error: Exception
    window: int | None = None

    def __str__(self) -> str:
        said, cause = str(self.error), self.error.__cause__
        if isinstance(self.error, APIConnectionError) and str(cause or ""):
            said = f"{said.removesuffix('.')} ({cause})"  # the SDK's text says no more than that
        return f"{self.target}: {type(self.error).__name__}: {said}"


class _Failures(HanzoError, ExceptionGroup[Exception]):
    """Several targets failed.

    Attributes:
        failures: the targets in the order they were tried, each with its error.
    """

    _what: ClassVar[str]
    failures: tuple[Failure, ...]

    def __new__(cls, failures: Sequence[Failure]) -> Self:
        """An exception group takes its parts at birth."""
        return ExceptionGroup.__new__(cls, cls._summary(failures), [failure.error for failure in failures])

    def __init__(self, failures: Sequence[Failure]) -> None:
        last = failures[-1].error
        waits = [getattr(failure.error, "retry_after", None) for failure in failures]
        super().__init__(
            self._summary(failures),
            status_code=_int_or_none(getattr(last, "status_code", None)),
            code=_text_or_none(getattr(last, "code", None)),
            request_id=_text_or_none(getattr(last, "request_id", None)),
            retry_after=min((wait for wait in waits if wait is not None), default=None),
        )
        self.failures = tuple(failures)

    def derive(self, excs: Sequence[Exception], /) -> ExceptionGroup[Exception]:  # type: ignore[override]
        """Keep `except*` and `split` working: a part of the group is an ordinary ExceptionGroup."""
        return ExceptionGroup(self.message, excs)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        failures = tuple(Failure(f.target, picklable(f.error), f.window) for f in self.failures)
        state = {name: value for name, value in self.__dict__.items() if name != "failures"}
        return (_rebuild_group, (type(self), self.message, failures, state))

    @classmethod
    def _summary(cls, failures: Sequence[Failure]) -> str:
        return f"{cls._what}: {'; '.join(str(failure) for failure in failures)}"


class AllProvidersFailed(_Failures):
    """Every target of a fallback chain failed: `failures` has them in the order they were tried."""

    _what = "all providers failed"


class EnsembleFailed(_Failures):
    """Fewer models of an ensemble answered than its quorum: `failures` has those that did not."""

    _what = "too few of the models answered"


class DownloadFailed(HanzoError):
    """A model could not be fetched; `code` says why.

    "unreachable", "refused" (`status_code` has the answer), "interrupted" and "disk_full": asking again goes on
    where this stopped. "checksum" and "not_a_model": what came was thrown away. "not_found": there is no file.
    """


class ToolError(HanzoError):
    """A tool of an MCP server gave no result; `code` says why.

    "unreachable" (nothing was sent), "lost" (the server was, after the call may have reached it), "timeout",
    "invalid_arguments", "not_approved", "changed" (its definition, since it was first seen), "unknown_tool",
    "refused" (by a limit or an open circuit), and "failed": the server answered with an error.
    """


class TurnsExceeded(HanzoError):
    """A model still asked for tools when the turns of `run_tools` were over.

    Attributes:
        messages: the conversation so far, to go on from.
    """

    def __init__(self, message: str, *, messages: Sequence[Any] = ()) -> None:
        super().__init__(message, code="max_turns")
        self.messages = list(messages)


def _rebuild_group(
    kind: type[_Failures], message: str, failures: tuple[Failure, ...], state: dict[str, Any]
) -> _Failures:
    error = ExceptionGroup.__new__(kind, message, [failure.error for failure in failures])
    error.__dict__.update(state, failures=failures)
    return error


def picklable(error: Exception) -> Exception:
    """The error, or one that says the same: `openai`'s own do not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, just made
    except Exception:  # noqa: BLE001 - whatever keeps it from travelling
        return HanzoError(
            f"{type(error).__name__}: {error}",
            status_code=_int_or_none(getattr(error, "status_code", None)),
            code=_text_or_none(getattr(error, "code", None)),
            request_id=_text_or_none(getattr(error, "request_id", None)),
        )
    return error


def _int_or_none(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
