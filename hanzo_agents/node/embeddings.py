"""POST /v1/embeddings."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field

from .apierror import ApiError, not_supported
from .body import Body

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["EmbeddingsBody", "embed"]

_MOST_INPUTS = 2048


class EmbeddingsBody(Body):
    """The body of a request, as far as this server reads it."""

    input: str | list[str] | list[int] | list[list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None

    def inputs(self) -> list[str] | list[list[int]]:
        """The inputs as a list, of texts or of token ids.

        Raises:
            ApiError: There is none, one is empty, or there are too many.
        """
        if self.dimensions is not None:
            raise not_supported("dimensions", "this model has embeddings of one length only")
        given: Any = self.input
        if isinstance(given, str) or (given and isinstance(given[0], int)):
            given = [given]
        if not given or not all(given) or len(given) > _MOST_INPUTS:
            raise ApiError(
                f"Invalid value for 'input': expected 1 to {_MOST_INPUTS} inputs, none of them empty.",
                param="input",
            )
        return cast("list[str] | list[list[int]]", given)


async def embed(body: EmbeddingsBody, model: str, engine: Engine) -> dict[str, Any]:
    """Answer with one vector for each input, in the order of the inputs."""
    found = await engine.embed(body.inputs())
    data: list[dict[str, Any]] = []
    for index, item in enumerate(cast("list[dict[str, Any]]", found["data"])):
        vector: Any = item["embedding"]
        if body.encoding_format == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
        data.append({"object": "embedding", "index": index, "embedding": vector})
    tokens = int(found["usage"]["prompt_tokens"])
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens, "cost": 0},
    }
