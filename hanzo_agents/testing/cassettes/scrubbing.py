"""Keeping secrets out of recordings: which headers are kept, and what a secret looks like."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["REDACTED", "REQUEST_HEADERS", "RESPONSE_HEADERS", "Scrubber", "secret_header", "secret_texts"]

REDACTED = "REDACTED"

REQUEST_HEADERS = frozenset({
    "accept",
    "content-type",
    "x-litellm-end-user-id",
    "x-litellm-spend-logs-metadata",
    "x-litellm-tags",
    "x-litellm-timeout",
})  # fmt: skip
"""The request headers a cassette keeps. All others are dropped."""

RESPONSE_HEADERS = frozenset({
    "content-type",
    "llm_provider-retry-after",
    "llm_provider-retry-after-ms",
    "openai-processing-ms",
    "retry-after",
    "retry-after-ms",
    "x-litellm-attempted-fallbacks",
    "x-litellm-attempted-retries",
    "x-litellm-cache-key",
    "x-litellm-call-id",
    "x-litellm-model-group",
    "x-litellm-model-id",
    "x-litellm-model-name",
    "x-litellm-response-cost",
    "x-litellm-version",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "x-request-id",
    "x-should-retry",
})  # fmt: skip
"""The response headers a cassette keeps: what this package and the OpenAI SDK read. The rest is dropped."""

_KEY_HEADERS = (
    "authorization",
    "proxy-authorization",
    "api-key",
    "x-api-key",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "x-auth-token",
    "x-functions-key",
)
_SHORTEST = 8

_SECRET_HEADER = re.compile(
    r"authorization|cookie|(?:api|subscription|functions)[-_]?key|token$|secret|password|credential", re.IGNORECASE
)
_SECRET_QUERY = re.compile(
    r"([?&](?:[\w.-]*(?:api[-_]?key|token|secret|password|signature|credential)|key|auth|sig)=)([^&#\s\"'\\]+)",
    re.IGNORECASE,
)
_SECRET_FIELD = re.compile(
    r"(\\*\"(?:[\w.-]*(?:api[-_]?key|secret|password|passwd|private[-_]?key)|authorization|(?:set-)?cookie|"
    r"(?:access|refresh|id|auth|bearer)[-_]?token)\\*\"\s*:\s*\\*\")([^\"\\]+)",
    re.IGNORECASE,
)
_URL_LOGIN = re.compile(r"(://)([^/\s:@\"]+:[^/\s@\"]+)(?=@)")
_BEARER = re.compile(
    r"(\bbearer\s+)((?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}|[\w.~+/=-]{20,}|sk-[\w.~+/=-]+)", re.IGNORECASE
)
_TOKEN = re.compile(
    r"()("
    r"(?<![A-Za-z0-9])(?:mm_)?[spr]k[-_](?:(?=[\w-]*\d)[\w-]{4,}|[\w-]{16,}|\.{2,}\w{2,})"
    r"|\bvc_[0-9a-f]{24,}"
    r"|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bhf_[A-Za-z0-9]{20,}"
    r"|\bxox[abeprs]-[\w-]{10,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"  # JSON web token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*"
    r")"
)
_PATTERNS = (_SECRET_QUERY, _SECRET_FIELD, _URL_LOGIN, _BEARER, _TOKEN)


def secret_header(name: str) -> bool:
    """Whether a header of this name holds a secret, whatever its value looks like."""
    return _SECRET_HEADER.search(name) is not None


def secret_texts(text: str) -> list[str]:
    """All that looks like a secret in a text."""
    found = (match[2] for pattern in _PATTERNS for match in pattern.finditer(text))
    return list(dict.fromkeys(secret for secret in found if secret != REDACTED))


class Scrubber:
    """Takes secrets out of texts: what looks like one, what it was given, the keys it has seen in headers."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[str, None] = {}
        for secret in secrets:
            self.add(secret)

    @property
    def known(self) -> tuple[str, ...]:
        """The exact texts it takes out, longest first."""
        return tuple(sorted(self._known, key=len, reverse=True))

    def add(self, secret: str) -> None:
        """Take this text out from now on, and its escaped, quoted, Base64 and SHA-256 forms."""
        if not secret:
            raise ValueError("an empty text is no secret")
        raw = secret.encode("utf-8", "surrogatepass")
        forms = (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
            base64.b64encode(raw).decode("ascii"),
            hashlib.sha256(raw).hexdigest(),  # the router prints that of a wrong key
        )
        self._known.update(dict.fromkeys(forms))

    def learn(self, headers: Mapping[str, str]) -> None:
        """Remember the keys of a request, so that a reply which echoes them is scrubbed too.

        Short ones and plain words ("none", "anything") are placeholders: removing them would mangle texts.
        """
        for name, value in headers.items():
            if name.lower() in _KEY_HEADERS:
                key = value.rpartition(" ")[2]
                if len(key) >= _SHORTEST and not key.isalpha() and key != REDACTED:
                    self.add(key)

    def scrub(self, text: str) -> str:
        """The text with every secret replaced by `REDACTED`."""
        for secret in self.known:
            text = text.replace(secret, REDACTED)
        for pattern in _PATTERNS:
            text = pattern.sub(_mask, text)
        return text

    def scrub_target(self, target: str) -> str:
        """The same for a path and query, where secrets may be percent-encoded."""
        return (
            quote(self.scrub(unquote(target)), safe="/?&=:@!$'()*+,;[]~") if "%" in target else self.scrub(target)
        )


def _mask(match: re.Match[str]) -> str:
    return match[1] + REDACTED
