"""The arguments of an `agents.Model` call, as policies see them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.counts import bounded, ceiling, count_of, json_size
from hanzo_agents._kernel.shapes import as_dict, dicts, media_in, texts_in
from hanzo_agents._wire.dialects.advice import (
    described,
    is_result,
    joined,
    plain_items,
    settings_for,
    with_message,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from agents import Model, ModelResponse
    from agents.agent_output import AgentOutputSchemaBase
    from agents.handoffs import Handoff
    from agents.model_settings import ModelSettings
    from agents.models.interface import ModelTracing
    from agents.tool import Tool

    from hanzo_agents._kernel.voice import Part

__all__ = ["ModelView"]

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Of the answer, by the names of both APIs: what is attached to a request goes into its body as it is."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One call of a model: what `Model.get_response` and `stream_response` are given."""

    system_instructions: str | None
    input: str | list[Any]
    model_settings: ModelSettings
    tools: list[Tool]
    output_schema: AgentOutputSchemaBase | None
    handoffs: list[Handoff[Any, Any]]
    tracing: ModelTracing
    previous_response_id: str | None = None
    conversation_id: str | None = None
    prompt: Any = None
    operation: str = "model"
    dropped: tuple[str, ...] = ()

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        if isinstance(self.input, str):
            return ({"role": "user", "content": self.input},)
        return dicts(self.input)

    @property
    def text(self) -> str:
        parts = [self.system_instructions or ""]
        for item in self.messages:
            parts.extend(texts_in(item))
            parts.extend(str(item[key]) for key in ("arguments", "output") if item.get(key))
        parts.extend(self._declared())
        return "\n".join(parts)

    def _declared(self) -> Iterator[str]:
        """Tools, handoffs and the schema of the output, as a model is told of them."""
        for tool in self.tools:
            yield f"{tool.name} {getattr(tool, 'description', '')}"
            if schema := getattr(tool, "params_json_schema", None):
                yield json.dumps(schema, default=str)
        for handoff in self.handoffs:
            yield f"{handoff.tool_name} {handoff.tool_description}"
            yield json.dumps(handoff.input_json_schema, default=str)
        if self.output_schema is not None and not self.output_schema.is_plain_text():
            yield json.dumps(self.output_schema.json_schema(), default=str)

    @property
    def needs(self) -> frozenset[str]:
        needs = media_in(self.messages)
        if self.tools or self.handoffs:
            needs.add("tools")
        if self.output_schema is not None and not self.output_schema.is_plain_text():
            needs.add("json_schema")
        return frozenset(needs)

    @property
    def max_output(self) -> int | None:
        attached = [extra.get(name) for extra in self._attached() for name in _LIMITS]
        return ceiling((self.model_settings.max_tokens, *attached))

    @property
    def choices(self) -> int:
        return max((count_of(extra.get("n")) or 1 for extra in self._attached()), default=1)

    @property
    def given_tokens(self) -> int:
        return 0

    @property
    def size(self) -> int:
        sent = (self.system_instructions, self.input, [*self._declared()], self.prompt, *self._attached())
        return json_size(sent)

    @property
    def foretold(self) -> int:
        predictions = [extra["prediction"] for extra in self._attached() if extra.get("prediction")]
        return sum(map(json_size, predictions))

    @property
    def stateful(self) -> bool:
        return bool(self.previous_response_id or self.conversation_id or self.prompt)

    @property
    def offered(self) -> list[str]:
        tools = [described(tool.name, getattr(tool, "description", "")) for tool in self.tools]
        return tools + [described(handoff.tool_name, handoff.tool_description) for handoff in self.handoffs]

    @property
    def in_tool_loop(self) -> bool:
        messages = self.messages
        return bool(messages) and is_result(messages[-1])

    def advised(self, *, instructions: str = "", message: str = "", part: Part = "answers") -> ModelView:
        system = joined(self.system_instructions, instructions) or None
        given = list(self.messages) if part == "answers" else plain_items(self.messages)
        view = replace(self, system_instructions=system, input=with_message(given, message, part="input_text"))
        if part == "answers":
            return view if message else replace(view, input=self.input)
        settings = _settings_for(self.model_settings, part)
        return replace(view, tools=[], handoffs=[], output_schema=None, model_settings=settings)

    def with_model(self, model: str | None) -> ModelView:
        if isinstance(self.input, str):
            return self
        # Reasoning of another model (encrypted, or by its ids) means nothing to this one.
        kept = [item for item in self.input if as_dict(item).get("type") != "reasoning"]
        return replace(self, input=kept)

    def with_max_output(self, tokens: int) -> ModelView:
        settings = self.model_settings
        args, body = (_bounded(extra, tokens) for extra in (settings.extra_args, settings.extra_body))
        most = bounded(settings.max_tokens, tokens, "max_tokens")
        return replace(self, model_settings=replace(settings, max_tokens=most, extra_args=args, extra_body=body))

    def tool_call_ids(self) -> set[str]:
        """Ids of tool calls that the conversation already holds."""
        return {i.get("call_id") or "" for i in self.messages if i.get("type") == "function_call"}

    async def get_response(self, model: Model) -> ModelResponse:
        """Ask `model` for a whole response."""
        return await model.get_response(*self._positional(), **self._keywords())

    def stream_response(self, model: Model) -> AsyncIterator[Any]:
        """Ask `model` for a stream."""
        return model.stream_response(*self._positional(), **self._keywords())

    def _attached(self) -> list[Mapping[str, Any]]:
        """What the caller puts into the body beside the SDK's own arguments."""
        extras = (self.model_settings.extra_args, self.model_settings.extra_body)
        return [as_dict(extra) for extra in extras if extra]

    def _positional(self) -> tuple[Any, ...]:
        return (
            self.system_instructions, self.input, self.model_settings, self.tools,
            self.output_schema, self.handoffs, self.tracing,
        )  # fmt: skip

    def _keywords(self) -> dict[str, Any]:
        return {
            "previous_response_id": self.previous_response_id,
            "conversation_id": self.conversation_id,
            "prompt": self.prompt,
        }


def _settings_for(settings: ModelSettings, part: Part) -> ModelSettings:
    given = {field.name: getattr(settings, field.name) for field in fields(settings)}
    kept = settings_for(given, part)
    attached = {name: settings_for(as_dict(kept[name]), part) or None for name in ("extra_args", "extra_body")}
    return replace(settings, **{**dict.fromkeys(given), **kept, **attached, "response_include": None})


def _bounded(extra: Any, tokens: int) -> Any:
    """The same attachment with no larger an answer."""
    given = {name: limit for name in _LIMITS if (limit := as_dict(extra).get(name)) is not None}
    return {**extra, **{name: bounded(limit, tokens, name) for name, limit in given.items()}} if given else extra
