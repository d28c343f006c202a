"""The requests that an ensemble would send, for `explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hanzo_agents.policies.ensemble import prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanzo_agents._kernel.call import Call
    from hanzo_agents._kernel.target import Target
    from hanzo_agents.policies.ensemble.panel import Panel

__all__ = ["planned_legs"]

USUAL_ANSWER = 256
"""Tokens of an answer that nothing bounds: what those who read it are taken to read."""


def planned_legs(
    panel: Panel,
    models: Sequence[Target],
    answerer: Target | None,
    *,
    contest: bool,
    layers: int = 1,
    reviews: bool = False,
    sequential: bool = False,
) -> list[Call]:
    """All of them, should nobody fail and nobody agree.

    Args:
        panel: of the policy.
        models: who would be asked in each round.
        answerer: who would answer, or judge; None: the call's own target.
        contest: the models' answers are judged, instead of being made into one.
        layers: rounds of answers.
        reviews: whether there is a round of reviews.
        sequential: one model is asked after the other, each reading one answer.
    """
    voice = panel.call.voice
    told = "" if contest or voice is None else prompts.with_tools(voice.offered(panel.call))
    legs = [panel.leg(target, instructions=told, part="answers" if contest else "advises") for target in models]
    read = _answers(panel.call, 1 if sequential else len(models))
    if sequential:
        legs[1:] = [panel.leg(target, instructions=prompts.LINK, message=read) for target in models[1:]]
    for _ in range(1, layers):
        legs += [panel.leg(target, instructions=prompts.LAYER, message=read) for target in models]
    if reviews:
        legs += [panel.leg(target, "review", instructions=prompts.REVIEW, message=read) for target in models]
        read += read
    if contest:
        legs.append(panel.leg(answerer, "verdict", instructions=prompts.JUDGE, message=read, part="judges"))
    else:
        legs.append(panel.leg(answerer, "final", instructions=prompts.MOA, message=read, part="answers"))
    return [leg.call for leg in legs]


def _answers(call: Call, count: int) -> str:
    """Something as long as so many answers."""
    tokens = min(call.view.max_output or USUAL_ANSWER, USUAL_ANSWER)
    return "word" * tokens * count
