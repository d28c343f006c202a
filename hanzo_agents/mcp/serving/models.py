"""The model layer as tools: ask a model, compare several, list them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

from agents import Agent, ModelSettings
from mcp import types
from pydantic import BaseModel, Field

from hanzo_agents.mcp.serving.problems import CallFailed
from hanzo_agents.mcp.serving.runs import run_to_its_end
from hanzo_agents.mcp.serving.tools import Answer, Arguments, schema_of
from hanzo_agents.policies.budget import run_budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanzo_agents.mcp.serving.catalogue import Catalogue
    from hanzo_agents.mcp.serving.progress import Progress
    from hanzo_agents.mcp.serving.runs import Terms
    from hanzo_agents.mcp.serving.tools import ServedTool

__all__ = ["model_tools"]

MOST_COMPARED = 8
"""Models asked at once in a comparison."""

_READS = types.ToolAnnotations(read_only_hint=True)


class _Prompt(Arguments):
    prompt: str = Field(min_length=1, description="What to ask.")
    system: str | None = Field(None, description="Instructions for the model.")
    max_tokens: int | None = Field(None, ge=1, description="Tokens of the longest answer.")


class _Ask(_Prompt):
    model: str | None = Field(None, description="Which model; the tool `models` lists them.")


class _Compare(_Prompt):
    models: list[Annotated[str, Field(min_length=1)]] = Field(
        min_length=2, max_length=MOST_COMPARED, description="Which models; the tool `models` lists them."
    )


class _List(Arguments):
    pass


class _Answered(BaseModel):
    """What one model said, or why it did not. Costs are US dollars, null where nobody knows."""

    model: str
    answer: str | None = None
    error: str | None = None
    input_tokens: int
    output_tokens: int
    cost: str | None


class _Compared(BaseModel):
    answers: list[_Answered]


class _Listed(BaseModel):
    models: list[str]


class _Asking:
    """What the tools that ask have in common."""

    def __init__(self, catalogue: Catalogue, terms: Terms) -> None:
        self.catalogue = catalogue
        self._terms = terms

    async def ask(self, model: str, prompt: _Prompt, progress: Progress) -> _Answered:
        """One model's answer, with what it took."""
        agent: Agent[Any] = Agent(
            name=model, instructions=prompt.system, model=model,
            model_settings=ModelSettings(max_tokens=prompt.max_tokens),
        )  # fmt: skip
        with run_budget() as run:
            result = await run_to_its_end(agent, prompt.prompt, self._terms, progress)
        usage = result.context_wrapper.usage
        answered = next((journal.answered for journal in run.journals if journal.answered), None)
        return _Answered(
            model=(answered and answered.model) or model,
            answer=str(result.final_output),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost=None if run.cost.amount is None else f"{run.cost.amount:f}",
        )


class _AskTool(_Asking):
    definition = types.Tool(
        name="ask",
        title="Ask a model",
        description="Asks one language model, and gives back its answer.",
        input_schema=schema_of(_Ask),
        output_schema=schema_of(_Answered),
        annotations=_READS,
    )

    async def __call__(self, given: dict[str, Any], progress: Progress, /) -> Answer:
        asked = _Ask.model_validate(given)
        answered = await self.ask(self.catalogue.chosen(asked.model), asked, progress)
        return Answer(answered.answer or "", answered.model_dump())


class _CompareTool(_Asking):
    definition = types.Tool(
        name="compare",
        title="Compare models",
        description="Asks several language models the same at once, and gives back every answer.",
        input_schema=schema_of(_Compare),
        output_schema=schema_of(_Compared),
        annotations=_READS,
    )

    def __init__(self, catalogue: Catalogue, terms: Terms, explain: Callable[[Exception], str]) -> None:
        super().__init__(catalogue, terms)
        self._explain = explain

    async def __call__(self, given: dict[str, Any], progress: Progress, /) -> Answer:
        asked = _Compare.model_validate(given)
        models = [self.catalogue.chosen(model) for model in dict.fromkeys(asked.models)]
        async with asyncio.TaskGroup() as group:
            legs = [group.create_task(self._leg(model, asked, progress)) for model in models]
        answers = [leg.result() for leg in legs]
        if all(answer.answer is None for answer in answers):
            raise CallFailed("; ".join(f"{answer.model}: {answer.error}" for answer in answers), "all_failed")
        text = "\n\n".join(f"## {each.model}\n\n{each.answer or each.error}" for each in answers)
        return Answer(text, _Compared(answers=answers).model_dump())

    async def _leg(self, model: str, asked: _Compare, progress: Progress) -> _Answered:
        try:
            answered = await self.ask(model, asked, progress)
        except Exception as error:  # noqa: BLE001 - the others may have an answer
            return _Answered(model=model, error=self._explain(error), input_tokens=0, output_tokens=0, cost=None)
        await progress.tell(f"{model} has answered")
        return answered


class _ModelsTool:
    definition = types.Tool(
        name="models",
        title="List models",
        description="Lists the language models that can be asked.",
        input_schema=schema_of(_List),
        output_schema=schema_of(_Listed),
        annotations=_READS,
    )

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def __call__(self, given: dict[str, Any], progress: Progress, /) -> Answer:
        _List.model_validate(given)
        names = await self._catalogue.names()
        return Answer("\n".join(names), {"models": names})


def model_tools(catalogue: Catalogue, terms: Terms, explain: Callable[[Exception], str]) -> list[ServedTool]:
    """`ask`, `compare` and `models`."""
    return [_AskTool(catalogue, terms), _CompareTool(catalogue, terms, explain), _ModelsTool(catalogue)]
