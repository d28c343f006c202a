"""Errors in the shape in which an OpenAI-compatible server sends them."""

from __future__ import annotations

from typing import Any

__all__ = ["ApiError", "not_supported"]


class ApiError(Exception):
    """A request that gets an error instead of an answer.

    Attributes:
        status: HTTP status.
        message: What is wrong and, where it can be known, what would be right.
        param: The field of the request that is at fault.
        code: The machine-readable reason.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """The JSON body: `{"error": {"message", "type", "param", "code"}}`."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def not_supported(param: str, what: str) -> ApiError:
    """A request for something that this server cannot do and must not silently leave out."""
    return ApiError(f"{param}: {what}", param=param, code="unsupported_parameter")
