"""The terms of a generation: what goes into the engine and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Completion", "Piece", "Prompt", "Sampling"]

Prompt = Sequence[int | str]
"""Token ids, and texts that the engine tokenizes; markup is given as ids (see `template`)."""

_LOOP_TOKENS = 48
"""A run of this many tokens said before is a loop; what is shorter may be quoted freely."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is chosen and when to stop.

    Attributes:
        temperature: 0 takes the most likely token, the only setting at which a very small model is dependable.
        max_tokens: Tokens to generate at most; `None` is what the context leaves.
        stop: Texts that end the generation; they are not part of it.
        top_logprobs: Number of alternatives to report for each token; `None` reports no logprobs.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: dict[str, float] = field(default_factory=dict[str, float])
    top_logprobs: int | None = None

    def body(self) -> dict[str, Any]:
        """These settings in the engine's words."""
        body: dict[str, Any] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": 0,
            "min_p": 0.0,
            "n_predict": -1 if self.max_tokens is None else self.max_tokens,
            "presence_penalty": self.presence_penalty,
            "frequency_penalty": self.frequency_penalty,
            "dry_multiplier": 0.8,
            "dry_allowed_length": _LOOP_TOKENS,
            "dry_penalty_last_n": 1024,
        }
        if self.seed is not None:
            body["seed"] = self.seed % (1 << 32)
        if self.stop:
            body["stop"] = list(self.stop)
        if self.logit_bias:
            body["logit_bias"] = self.logit_bias
        if self.top_logprobs is not None:
            body["logprobs"] = body["n_probs"] = max(1, self.top_logprobs)
        return body


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A step of a generation; the last one has `finish_reason` and the counts."""

    text: str
    logprobs: tuple[dict[str, Any], ...] = ()
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A whole generation: its text, its log-probability (natural) and its last piece."""

    text: str
    logprob: float
    last: Piece
