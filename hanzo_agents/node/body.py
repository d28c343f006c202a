"""Reading request bodies: what both APIs have in common, and errors that name the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .apierror import ApiError, not_supported
from .conversation import Tool, ToolChoice
from .generation import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Body", "as_object", "read_body", "read_choice", "read_text", "read_tools"]

_B = TypeVar("_B", bound="Body")


class Body(BaseModel):
    """The fields that Chat Completions and Responses share.

    Fields that this server does not know are left alone, as OpenAI-compatible servers do; a known field that it
    cannot honour is an error.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str
    stream: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    parallel_tool_calls: bool | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    modalities: list[str] | None = None

    def sampling(self) -> Sampling:
        """The shared sampling fields; a request that sets no temperature is decoded greedily."""
        return Sampling(
            temperature=self.temperature if self.temperature is not None else 0.0,
            top_p=self.top_p if self.top_p is not None else 1.0,
        )


def read_body(kind: type[_B], body: Any) -> _B:
    """Validate a decoded JSON body.

    Raises:
        ApiError: 400, naming the first field that is wrong.
    """
    if not isinstance(body, dict):
        raise ApiError("The body must be a JSON object.")
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        param = field_name(first["loc"])
        if first["type"] == "missing":
            raise ApiError(
                f"Missing required parameter: {param!r}.", param=param, code="missing_required_parameter"
            ) from None
        raise ApiError(
            f"Invalid value for {param!r}: {first['msg']}.", param=param, code="invalid_value"
        ) from None


def field_name(loc: Iterable[int | str]) -> str:
    """`("messages", 0, "content", "str")` as OpenAI writes it: `messages[0].content`."""
    name = ""
    for part in loc:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part.isidentifier() and part not in {"str", "bool", "int", "float"}:
            name += f".{part}" if name else part
    return name


def as_object(value: Any) -> dict[str, Any] | None:
    """The value when it is a JSON object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def read_text(content: Any, param: str, kinds: Sequence[str]) -> str:
    """Return the text of a message's content: a string, or a list of parts of the given text kinds.

    Raises:
        ApiError: A part is of another kind: images, audio and files are not understood by this model.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ApiError(f"Invalid value for {param!r}: expected a string or a list of parts.", param=param)
    texts: list[str] = []
    for index, given in enumerate(cast("Sequence[Any]", content)):
        where, part = f"{param}[{index}]", as_object(given) or {}
        kind = part.get("type")
        if kind not in kinds:
            raise not_supported(
                where,
                f"content of type {kind!r} is not supported: this model reads text only "
                f"({', '.join(repr(each) for each in kinds)})",
            )
        text = part.get("text", part.get("refusal"))
        if not isinstance(text, str):
            raise ApiError(f"Invalid value for {where!r}: expected a text.", param=where)
        texts.append(text)
    return "\n".join(texts)


def read_tools(definitions: list[dict[str, Any]] | None, *, nested: bool) -> tuple[Tool, ...]:
    """Read function tools; `nested` is Chat Completions' form, with a `function` object inside.

    Raises:
        ApiError: A tool is not a function, is not well formed, or has the name of another.
    """
    tools: dict[str, Tool] = {}
    for index, definition in enumerate(definitions or []):
        field = f"tools[{index}]"
        if definition.get("type") != "function":
            raise not_supported(
                field, f"tools of type {definition.get('type')!r} are not supported, only functions"
            )
        function = as_object(definition.get("function") if nested else definition) or {}
        field = f"{field}.function" if nested else field
        name: Any = function.get("name")
        if not isinstance(name, str):
            raise ApiError(f"Missing required parameter: '{field}.name'.", param=f"{field}.name")
        parameters = as_object(function.get("parameters") or {"type": "object", "properties": {}})
        if parameters is None:
            raise ApiError(
                f"Invalid value for '{field}.parameters': expected a JSON schema.", param=f"{field}.parameters"
            )
        if name in tools or not name:
            raise ApiError(f"Invalid value for '{field}.name': {name!r} is not unique.", param=f"{field}.name")
        tools[name] = Tool(
            name=name,
            description=str(function.get("description") or ""),
            parameters=parameters,
            field=f"{field}.parameters",
        )
    return tuple(tools.values())


def read_choice(choice: str | dict[str, Any] | None, tools: tuple[Tool, ...]) -> ToolChoice:
    """Read `tool_choice` of either API.

    Raises:
        ApiError: It names no tool of the request, or it is of no known form.
    """
    names = tuple(tool.name for tool in tools)
    if choice is None:
        choice = "auto" if tools else "none"
    if isinstance(choice, dict):
        return _choice_object(choice, names)
    if choice not in {"none", "auto", "required"}:
        raise ApiError(
            f"Invalid value for 'tool_choice': {choice!r}; expected 'none', 'auto', 'required' or a function.",
            param="tool_choice",
        )
    if choice == "required" and not tools:
        raise ApiError("'tool_choice' is 'required' and there are no 'tools'.", param="tool_choice")
    mode = cast("Literal['none', 'auto', 'required']", choice if tools else "none")
    return ToolChoice(mode=mode, allowed=names)


def _choice_object(choice: dict[str, Any], names: tuple[str, ...]) -> ToolChoice:
    mode: Any = "required"
    wanted: list[Any] = [choice]
    if choice.get("type") == "allowed_tools":
        inner = as_object(choice.get("allowed_tools")) or choice
        mode, wanted = inner.get("mode"), inner.get("tools") or []
    elif choice.get("type") != "function":
        raise not_supported("tool_choice", f"the type {choice.get('type')!r} is not supported, only functions")
    if mode not in {"auto", "required"}:
        raise ApiError("Invalid value for 'tool_choice.mode': expected 'auto' or 'required'.", param="tool_choice")
    allowed: list[str] = []
    for each in wanted:
        named = as_object(each) or {}
        name: Any = named.get("name") or (as_object(named.get("function")) or {}).get("name")
        if name not in names:
            there = ", ".join(names) or "none"
            raise ApiError(
                f"'tool_choice' names {name!r}, which is not in 'tools' ({there}).", param="tool_choice"
            )
        allowed.append(name)
    if not allowed:
        raise ApiError("'tool_choice' allows no tool.", param="tool_choice")
    return ToolChoice(mode=mode, allowed=tuple(allowed))
