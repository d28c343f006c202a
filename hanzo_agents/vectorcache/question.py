"""One question to Vectorcache: its arguments checked, spelled for the wire, and shown to policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hanzo_agents._kernel.counts import json_size
from hanzo_agents._kernel.fields import check_flag
from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["DEFAULT_THRESHOLD", "Question", "QuestionView", "question_of", "questions_of"]

DEFAULT_THRESHOLD = 0.85
"""The service's own default."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which model, and how similar a question counts as the same."""

    prompt: str
    model: str
    similarity_threshold: float = DEFAULT_THRESHOLD
    context: str | None = None
    include_debug: bool = False


def question_of(
    prompt: object,
    model: object,
    similarity_threshold: object = DEFAULT_THRESHOLD,
    context: object = None,
    include_debug: object = False,
    *,
    field: str = "prompt",
) -> Question:
    """A question of the arguments of `query`; errors call the prompt `field`.

    An empty context is none, as the service's own examples have it.

    Raises:
        ConfigError: names the argument that cannot be sent. The message does not show it.
    """
    threshold = similarity_threshold
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ConfigError(f"similarity_threshold: expected a number from 0 to 1, got {threshold!r}")
    check_flag("include_debug", include_debug)
    return Question(
        _text(field, prompt),
        _text("model", model),
        float(threshold),
        None if context is None or context == "" else _text("context", context),
        include_debug is True,
    )


def questions_of(prompts: Any, *shared: object) -> list[Question]:
    """The questions of a batch, which have all but the prompt in common.

    Raises:
        ConfigError: names the prompt, or the argument, that cannot be sent.
    """
    if isinstance(prompts, str | bytes) or not isinstance(prompts, Iterable):
        raise ConfigError(f"prompts: expected a list of strings, got {type(prompts).__name__}")
    listed: Iterable[Any] = prompts  # pyright: ignore[reportUnknownVariableType]
    return [question_of(prompt, *shared, field=f"prompts[{number}]") for number, prompt in enumerate(listed)]


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{name}: expected a string, got {type(value).__name__}")
    if not value.strip():
        raise ConfigError(
            f"{name}: expected some text, got {len(value)} blanks" if value else f"{name}: it is empty"
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        error = ConfigError(f"{name}: expected text, got half of a surrogate pair, which UTF-8 does not have")
    else:
        return value
    raise error  # out here: the encoder's error holds the text


@dataclass(frozen=True, slots=True)
class QuestionView:
    """A question as policies see it. The service takes no limit on the answer."""

    question: Question
    operation: str = "chat"
    needs: frozenset[str] = frozenset()
    max_output: int | None = None
    choices: int = 1
    given_tokens: int = 0
    foretold: int = 0
    stateful: bool = False
    dropped: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The prompt."""
        return self.question.prompt

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        """The prompt, as a conversation of one message."""
        return ({"role": "user", "content": self.question.prompt},)

    @property
    def size(self) -> int:
        """Bytes of the prompt as JSON."""
        return json_size(self.question.prompt)

    def with_model(self, model: str | None) -> QuestionView:
        """The same question to another model."""
        return self if model is None else replace(self, question=replace(self.question, model=model))

    def with_max_output(self, tokens: int) -> QuestionView:
        """The same question: nothing of the kind can be sent."""
        return self
