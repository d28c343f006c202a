"""Embeddings: its request view and what counts as an answer."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openai.types.create_embedding_response import Usage as EmbeddingUsage

from hanzo_agents._kernel.counts import json_size
from hanzo_agents._kernel.shapes import as_list
from hanzo_agents._wire.dialects.body import BodyView
from hanzo_agents._wire.replies import HanzoCreateEmbeddingResponse
from hanzo_agents.errors import InvalidResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hanzo_agents._kernel.journal import Usage
    from hanzo_agents._wire.dialects.dialect import EventCheck, RequestView

__all__ = ["EMBEDDINGS", "EmbeddingsView"]


@dataclass(frozen=True, slots=True)
class EmbeddingsView(BodyView):
    """An embeddings request as policies see it."""

    operation: str = "embeddings"

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        return ()

    @property
    def text(self) -> str:
        given = self.body.get("input")
        if isinstance(given, str):
            return given
        return "\n".join(part for part in given or () if isinstance(part, str))

    @property
    def needs(self) -> frozenset[str]:
        return frozenset()

    @property
    def max_output(self) -> int | None:
        return 0

    @property
    def given_tokens(self) -> int:
        given = as_list(self.body.get("input"))
        return sum(len(as_list(part)) or isinstance(part, int) for part in given)

    @property
    def size(self) -> int:
        # Numbers in the input are tokens, and counted as such.
        return json_size(self.text) if self.given_tokens else json_size(self.body.get("input"))

    def with_model(self, model: str | None) -> EmbeddingsView:
        return self if model is None else EmbeddingsView({**self.body, "model": model})

    def with_max_output(self, tokens: int) -> EmbeddingsView:
        return self


class _Embeddings:
    """POST /embeddings."""

    path = "/embeddings"
    value_type = HanzoCreateEmbeddingResponse
    takes_metadata = False

    def view(self, body: Mapping[str, Any], content: bytes | None = None) -> EmbeddingsView:
        return EmbeddingsView(body, content)

    def outgoing(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return body

    def check(self, value: Any, view: RequestView) -> None:
        data = getattr(value, "data", None)
        if not isinstance(data, list) or not data:
            raise InvalidResponse("the reply has no embeddings", code="no_embeddings")
        for item in as_list(value.data):
            vector = getattr(item, "embedding", None)
            if (
                not vector
                or not isinstance(vector, list | str)
                or (isinstance(vector, str) and not _base64(vector))
            ):
                raise InvalidResponse("an embedding of the reply is no vector", code="no_embeddings")

    def events(self, view: RequestView, estimate: Callable[[str], Usage]) -> EventCheck:
        raise InvalidResponse("embeddings do not stream", code="no_stream")

    def event_type(self, data: Mapping[str, Any] | str) -> type[Any] | None:
        return None

    def usage(self, value: Any) -> Any:
        return getattr(value, "usage", None)

    def add_usage(self, value: Any, usage: Usage) -> None:
        value.usage = EmbeddingUsage.construct(
            prompt_tokens=usage.input_tokens, total_tokens=usage.input_tokens, estimated=True
        )

    def output_text(self, value: Any) -> str:
        return ""


def _base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


EMBEDDINGS = _Embeddings()
