"""What an error means for the person who typed the command, and what to type next."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import openai
from agents.exceptions import AgentsException

from hanzo_agents.cli.connection import address
from hanzo_agents.cli.problem import Problem
from hanzo_agents.errors import AllProvidersFailed, ConfigError, HanzoError, InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Generator

    from hanzo_agents.provider import HanzoModelProvider

__all__ = ["explain", "explaining"]

_TOO_MANY = 429
_WRAPPED = re.compile(r"""\{'error': (?P<quote>['"])(?P<said>.*)(?P=quote)\}""", re.DOTALL)
"""A message that the router has put into another as Python writes a dict."""
_SERVER_ERROR = 500


@contextmanager
def explaining(provider: HanzoModelProvider, *, local: bool) -> Generator[None]:
    """Turn errors of the block into a `Problem`; others pass.

    Raises:
        Problem: the error in words.
    """
    try:
        yield
    except (openai.OpenAIError, AgentsException) as error:
        model = provider.client.default_model
        raise Problem(explain(error, url=address(provider), model=model, local=local)) from error


def explain(error: Exception, *, url: str, model: str | None = None, local: bool = False) -> str:
    """One message: the field, what is wrong with it, and what to type.

    Args:
        error: what a call raised.
        url: the router that was asked.
        model: the model that was asked for, if known.
        local: whether the router is the embedded node.
    """
    if isinstance(error, AllProvidersFailed):
        causes = [f"{failure.target}: {_first_line(_explain_one(failure.error, url, failure.target, local))}"
                  for failure in error.failures]  # fmt: skip
        return "--fallback: every model of the chain failed\n  " + "\n  ".join(causes)
    return _explain_one(error, url, model, local)


def _explain_one(error: Exception, url: str, model: str | None, local: bool) -> str:
    if isinstance(error, openai.APITimeoutError):
        return (
            f"{_where(local)}: {url} took too long to answer\n  Try again, or ask another model: add --model NAME"
        )
    if isinstance(error, openai.APIConnectionError):
        return _no_connection(error, url, local)
    if isinstance(error, openai.APIStatusError):
        return _status(error, url, model, local)
    if isinstance(error, InvalidResponse):
        return f"{_where(local)}: what came from {url} is not an answer: {error}\n  {_check_address(local)}"
    if isinstance(error, ConfigError):
        return str(error)
    kind = "" if isinstance(error, HanzoError) else f"{type(error).__name__}: "
    return f"the run failed: {kind}{error}"


def _where(local: bool) -> str:
    return "--local" if local else "HANZO_ROUTER_URL"


def _check_address(local: bool) -> str:
    if local:
        return "Try again; if it stays so, run the node by itself and look: hanzo-agents node"
    return "Is it the router's address, with its /v1? export HANZO_ROUTER_URL=http://localhost:4000/v1"


def _no_connection(error: openai.APIConnectionError, url: str, local: bool) -> str:
    cause = str(error.__cause__ or error)
    if local:
        return f"--local: the embedded node at {url} does not answer: {cause}"
    if "CERTIFICATE_VERIFY_FAILED" in cause:
        return (
            f"HANZO_ROUTER_URL: the certificate of {url} is not trusted: {cause}\n"
            "  A private authority: export SSL_CERT_FILE=/path/to/ca.pem"
        )
    return (
        f"HANZO_ROUTER_URL: cannot connect to the router at {url}: {cause}\n"
        "  Start it:       docker compose up router     (or: llm --config config.yaml --port 4000)\n"
        "  Is it another?  export HANZO_ROUTER_URL=http://localhost:4000/v1\n"
        "  Or without one: add --local, and the embedded node answers"
    )


def _status(error: openai.APIStatusError, url: str, model: str | None, local: bool) -> str:
    said = f"{error.status_code}: {_said(error)}"
    if _wrong_key(error):
        return _key_refused(error, url)
    if "Received Model Group=" in str(error.body) and isinstance(error, openai.NotFoundError):
        return (
            f"model: the router has {model!r}, and the deployment behind it has no such model ({said})\n"
            "  Correct the router's configuration, or ask another model: add --model NAME"
        )
    if _unknown_model(error):
        return (
            f"model: the router has no {repr(model) if model else 'model of that name'} ({said})\n"
            f"  See what it has: hanzo-agents models{' --local' if local else ''}\n"
            "  Then name one:   add --model NAME, or export HANZO_MODEL=NAME"
        )
    if isinstance(error, openai.PermissionDeniedError):
        return (
            f"HANZO_API_KEY: this key may not do that ({said})\n"
            "  Ask the router's owner, or use a key that may: export HANZO_API_KEY=..."
        )
    if isinstance(error, openai.NotFoundError):
        return f"{_where(local)}: there is no router's API at {url} ({said})\n  {_check_address(local)}"
    return _trouble(error.status_code, said)


def _trouble(status: int, said: str) -> str:
    if status == _TOO_MANY:
        return f"the router is at its limit ({said})\n  Wait a moment, or ask another model: add --fallback NAME"
    if status >= _SERVER_ERROR:
        return f"the router failed ({said})\n  Look into its log, or ask another model: add --fallback NAME"
    return f"the router refused the request ({said})"


def _wrong_key(error: openai.APIStatusError) -> bool:
    return isinstance(error, openai.AuthenticationError) or _without_database(error)


def _without_database(error: openai.APIStatusError) -> bool:
    """A router without a database cannot look a key up, and says so with status 400."""
    return "no_db_connection" in (error.type, error.code) or "no connected db" in _said(error).lower()


def _key_refused(error: openai.APIStatusError, url: str) -> str:
    if _without_database(error):
        return (
            f"HANZO_API_KEY: {url} does not accept this key ({error.status_code}: no_db_connection). "
            "The router has no database, so the only key it knows is its master key\n"
            "  Use that one: export HANZO_API_KEY=<the router's master key>"
        )
    return (
        f"HANZO_API_KEY: {url} does not accept this key ({error.status_code})\n"
        "  1. Generate a new one in the router's dashboard\n"
        '  2. export HANZO_API_KEY="new-key"'
    )


def _unknown_model(error: openai.APIStatusError) -> bool:
    """404 from most servers; the router itself says 400."""
    text = _said(error).lower()
    return (
        error.code == "model_not_found"
        or "invalid model name" in text
        or (isinstance(error, openai.NotFoundError) and "model" in text)
    )


def _said(error: openai.APIStatusError) -> str:
    said: Any = error.body
    for field in ("error", "message", "detail"):
        # The router is of several minds: {"error": {"message": ...}}, {"error": "..."}, {"detail": ...}.
        said = cast("dict[str, Any]", said).get(field, cast("Any", said)) if isinstance(said, dict) else said
    text = said if isinstance(said, str) else error.message
    wrapped = _WRAPPED.fullmatch(text.strip())
    return _first_line(wrapped["said"] if wrapped else text)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
