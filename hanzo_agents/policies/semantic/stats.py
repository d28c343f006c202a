"""What a semantic cache has done, and whether what it needs is there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from hanzo_agents.policies.figures import Figures

if TYPE_CHECKING:
    from hanzo_agents._kernel.clock import Clock
    from hanzo_agents.policies.semantic.trial import State, Trial

__all__ = ["PAUSE", "Reach", "SemanticStats"]

PAUSE = 5.0
"""Seconds without looking after a look that failed, so that not every call waits for what does not answer."""

_logger = logging.getLogger("hanzo_agents")


@dataclass(frozen=True, slots=True)
class SemanticStats:
    """What a semantic cache has done since it was made, in this process.

    Attributes:
        state: "serving"; "shadow": it only compares; "off": it has shut itself off (`reopen` begins anew).
        hits: calls that it answered.
        misses: calls for which there was no answer.
        bypassed: calls that are none of its business.
        gated: similar questions that the gate told apart.
        kept: answers put into the store.
        failed: looks that failed, so that the call went on without.
        compared: answers it had, held against those of the model: the last 500 at most.
        disagreed: those of them that said something else.
        saved: US dollars that the hits would have cost, as far as that is known.
        saved_tokens: tokens that they would have taken, input and output together.
    """

    state: State = "serving"
    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    gated: int = 0
    kept: int = 0
    failed: int = 0
    compared: int = 0
    disagreed: int = 0
    saved: Decimal = Decimal(0)
    saved_tokens: int = 0


class Reach:
    """What one cache has done, and whether it can be asked: once it is away, it says so once. For any thread."""

    def __init__(self, scope: str, trial: Trial) -> None:
        self.trial = trial
        self.figures = Figures()
        self._scope = scope
        self._away = False
        self._until = float("-inf")

    @property
    def stats(self) -> SemanticStats:
        """What was done so far."""
        disagreed, compared = self.trial.disagreement
        return SemanticStats(
            state=self.trial.state, compared=compared, disagreed=disagreed, **self.figures.so_far()
        )

    def looks(self, clock: Clock) -> bool:
        """Whether it is worth looking."""
        return clock.now() >= self._until

    def away(self, error: BaseException, clock: Clock) -> None:
        """A look failed: calls are sent as if there were no cache. Said once, until one succeeds."""
        self.figures.count("failed")
        self._until = clock.now() + PAUSE
        if not self._away:
            self._away = True
            # Not what it says: an upstream may quote the question.
            _logger.warning(
                "the semantic cache is away, calls are sent without it (%s): %s", self._scope, type(error).__name__
            )

    def back(self) -> None:
        """A look succeeded."""
        if self._away:
            self._away = False
            _logger.info("the semantic cache is back: %s", self._scope)

    def turned(self, state: State) -> None:
        """The comparisons have changed what the cache does."""
        disagreed, compared = self.trial.disagreement
        level = logging.WARNING if state == "off" else logging.INFO
        what = "has shut itself off" if state == "off" else "answers from now on"
        _logger.log(
            level, "the semantic cache %s: %d of %d answers disagreed with the model's (%s)",
            what, disagreed, compared, self._scope,
        )  # fmt: skip
