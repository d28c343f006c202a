"""What a GGUF file says about itself, read from its header without loading the weights.

The engine reports none of this before a model is loaded, and a file it cannot use makes it fail without a
reason; reading the header first gives `/v1/models` its facts and the user an error that says what is wrong.
Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ModelCard", "read_card"]

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_CONTROL_TOKEN = 3
_LONGEST = 1 << 26
"""No string or array of a sane header is longer; a corrupt length must not become an allocation."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The facts about a model that the node needs and publishes.

    Attributes:
        architecture: The engine's name for the network, e.g. `llama`.
        context_length: Tokens of context that the model was trained for.
        parameters: Number of weights.
        control_tokens: Text of every control token, with its id; such text in a prompt is markup, not text.
    """

    architecture: str
    context_length: int
    parameters: int
    control_tokens: dict[str, int]


def read_card(path: Path) -> ModelCard:
    """Read the header of a GGUF file.

    Raises:
        ConfigError: `path` is not a readable GGUF file of version 2 or 3.
    """
    try:
        with path.open("rb") as file:
            return _card(_Header(file))
    except (OSError, struct.error, KeyError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise ConfigError(
            f"model: {path.name} is not a usable GGUF file ({type(error).__name__}: {error})"
        ) from error


def _card(header: _Header) -> ModelCard:
    if header.take(4) != _MAGIC:
        raise ConfigError("model: not a GGUF file (it does not start with `GGUF`); give the path of a .gguf file")
    version, tensors, pairs = (header.scalar(code) for code in "IQQ")
    if version not in {2, 3}:
        raise ConfigError(f"model: GGUF version {version} is not supported; versions 2 and 3 are")
    metadata = dict(header.pair() for _ in range(pairs))
    architecture = str(metadata["general.architecture"])
    texts = cast("list[str]", metadata.get("tokenizer.ggml.tokens", []))
    kinds = cast("list[int]", metadata.get("tokenizer.ggml.token_type", []))
    return ModelCard(
        architecture=architecture,
        context_length=int(metadata[f"{architecture}.context_length"]),
        parameters=sum(header.tensor_size() for _ in range(tensors)),
        control_tokens={
            text: index
            for index, (text, kind) in enumerate(zip(texts, kinds, strict=False))
            if kind == _CONTROL_TOKEN and text
        },
    )


class _Header:
    """Sequential reader of the little-endian values that a GGUF header is made of."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, size: int) -> bytes:
        if size > _LONGEST:
            raise OverflowError("a length in the header is not plausible")
        return self._file.read(size)

    def scalar(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def string(self) -> str:
        return self.take(self.scalar("Q")).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.scalar(_SCALARS[kind])
        item, count = self.scalar("I"), self.scalar("Q")
        if count > _LONGEST:
            raise OverflowError("a length in the header is not plausible")
        if item in _SCALARS:
            layout = f"<{count}{_SCALARS[item]}"
            return list(struct.unpack(layout, self.take(struct.calcsize(layout))))
        return [self.value(item) for _ in range(count)]

    def pair(self) -> tuple[str, Any]:
        return self.string(), self.value(self.scalar("I"))

    def tensor_size(self) -> int:
        self.string()
        size: int = prod(self.scalar("Q") for _ in range(self.scalar("I")))
        self.scalar("I")  # its quantization
        self.scalar("Q")  # its offset
        return size
