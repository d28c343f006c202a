"""What is known of models: how good they are, and how much they take.

**Quality** is one figure that most makers have published for their models in much the same way: MMLU, as a
share. It is coarse, it saturates near 0.9, makers differ in shots and prompts, and each measures in its own
favour; it orders models of different sizes, which is what a router needs. Every entry says where its figure
stands. Where that could not be looked up, where a model is taken to be as good as another of its family or
size, and where the tiers begin, is this package's own estimate, and says so. Who has measured their own work
knows better: `Route(models={"my-model": ModelFacts(quality=0.8)})`.

**Context windows** are those of the `genai-prices` list, which comes with the package.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from hanzo_agents.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CATALOGUE", "TIERS", "ModelFacts", "facts_of", "tier_of"]

TIERS = {"acceptable": 0.65, "good": 0.78, "excellent": 0.86}
"""Where tiers begin, by this package's own estimate: just below GPT-3.5 (0.700), Claude 3 Sonnet (0.790) and GPT-4
(0.864)."""

_EXPECTED_QUALITY = f"a share from 0 to 1 or one of {', '.join(TIERS)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of one model; None is not known.

    Attributes:
        quality: how good its answers are, from 0 to 1.
        context_window: tokens it takes, input and output together.
        source: where the quality comes from.
    """

    quality: float | None = None
    context_window: int | None = None
    source: str = "given by the user"

    def __post_init__(self) -> None:
        """Refuse what cannot be; ConfigError names the field."""
        quality, window = self.quality, self.context_window
        if quality is not None and (isinstance(quality, bool) or not isinstance(quality, int | float)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"ModelFacts.quality: expected a share from 0 to 1, got {type(quality).__name__}")
        if quality is not None and not 0 <= quality <= 1:
            raise ConfigError(f"ModelFacts.quality: expected a share from 0 to 1, got {quality!r}")
        if window is not None and (type(window) is not int or window <= 0):
            raise ConfigError(f"ModelFacts.context_window: expected tokens > 0, got {window!r}")


_OURS = "this package's own estimate"
_GPT4 = "GPT-4 Technical Report, table 2 (arXiv:2303.08774)"
_EVALS = "OpenAI, simple-evals, README (github.com/openai/simple-evals)"
_EVALS_REPORTED = f"as reported in {_EVALS}"
_CLAUDE3 = "Anthropic, The Claude 3 Model Family, as others quote it"
_LLAMA3 = "Meta, Llama 3 model card, instruct models (github.com/meta-llama/llama3)"
_LLAMA31 = "Meta, Llama 3.1 model card, instruct models (github.com/meta-llama/llama-models)"
_GEMMA2 = "Google, Gemma 2 model card, pretrained models"
_GEMINI15 = "Google, Gemini 1.5 report (arXiv:2403.05530), as others quote it"
_MIXTRAL = "Mixtral of Experts, table 2 (arXiv:2401.04088)"
_DEEPSEEK = "DeepSeek-V3, README, chat models (github.com/deepseek-ai/DeepSeek-V3)"
_SMOLLM2 = "Hugging Face, SmolLM2 model cards, MMLU (cloze), base models"
_GPTOSS = "gpt-oss model card, at high effort (arXiv:2508.10925), as others quote it"

CATALOGUE: Mapping[str, ModelFacts] = {
    name: ModelFacts(quality=quality, source=source)
    for name, quality, source in (
        ("gpt-3.5-turbo", 0.700, _GPT4),
        ("gpt-4", 0.864, _GPT4),
        ("gpt-4-turbo", 0.867, _EVALS),
        ("gpt-4o", 0.887, _EVALS),
        ("gpt-4o-mini", 0.820, _EVALS),
        ("gpt-4.1", 0.902, _EVALS),
        ("gpt-4.1-mini", 0.875, _EVALS),
        ("gpt-4.1-nano", 0.801, _EVALS),
        ("o1", 0.918, _EVALS),
        ("o1-mini", 0.852, _EVALS),
        ("o3", 0.929, _EVALS),
        ("o3-mini", 0.859, _EVALS),
        ("o4-mini", 0.900, _EVALS),
        ("gpt-oss-120b", 0.900, _GPTOSS),
        ("gpt-oss-20b", 0.853, _OURS),
        ("claude-3-opus", 0.868, _EVALS_REPORTED),
        ("claude-3-sonnet", 0.790, _CLAUDE3),
        ("claude-3-haiku", 0.752, _CLAUDE3),
        ("claude-3-5-sonnet", 0.883, _EVALS_REPORTED),
        ("llama-3-8b", 0.684, _LLAMA3),
        ("llama-3-70b", 0.820, _LLAMA3),
        ("llama-3.1-8b", 0.694, _LLAMA31),
        ("llama-3.1-70b", 0.836, _LLAMA31),
        ("llama-3.1-405b", 0.873, _LLAMA31),
        ("gemma-2-9b", 0.713, _GEMMA2),
        ("gemma-2-27b", 0.752, _GEMMA2),
        ("gemini-1.5-pro", 0.859, _GEMINI15),
        ("gemini-1.5-flash", 0.789, _GEMINI15),
        ("mistral-7b", 0.625, _MIXTRAL),
        ("mixtral-8x7b", 0.706, _MIXTRAL),
        ("qwen2.5-7b", 0.742, _OURS),
        ("qwen2.5-72b", 0.853, _DEEPSEEK),
        ("deepseek-v3", 0.885, _DEEPSEEK),
        ("deepseek-chat", 0.885, _DEEPSEEK),
        ("smollm2-135m", 0.315, _SMOLLM2),
        ("smollm2-360m", 0.358, _SMOLLM2),
    )
}

# A later member of a family is taken to be no worse than the last of its line with a published figure.
_LINES = (
    (re.compile(r"claude-.*opus"), "claude-3-opus"),
    (re.compile(r"claude-.*sonnet"), "claude-3-5-sonnet"),
    (re.compile(r"claude-.*haiku"), "claude-3-haiku"),
    (re.compile(r"gpt-(?:4\.1|[5-9])[\w.-]*nano"), "gpt-4.1-nano"),
    (re.compile(r"gpt-(?:4\.1|[5-9])[\w.-]*mini"), "gpt-4.1-mini"),
    (re.compile(r"gpt-[5-9]"), "gpt-4.1"),
    (re.compile(r"o[1-9](?!\w*-mini)"), "o1"),
    (re.compile(r"gemini-.*flash"), "gemini-1.5-flash"),
    (re.compile(r"gemini-.*pro"), "gemini-1.5-pro"),
    (re.compile(r"deepseek-(?:v[3-9]|chat|r)"), "deepseek-v3"),
)

# Open models of one size score alike: each takes the figure of the model of its size class in the table above.
_SIZES = ((0.25, "smollm2-135m"), (1, "smollm2-360m"), (7.5, "mistral-7b"), (20, "llama-3.1-8b"),
          (50, "gemma-2-27b"), (150, "llama-3.1-70b"), (float("inf"), "llama-3.1-405b"))  # fmt: skip
_SIZE = re.compile(r"(?<![\w.])(\d{1,4}(?:\.\d+)?)([bm])(?![a-z])")
_SPELLINGS = ((re.compile(r"llama-?(\d)"), r"llama-\1"), (re.compile(r"(?<=\d)_(?=\d)|:"), "-"))


def facts_of(name: str, own: Mapping[str, ModelFacts]) -> ModelFacts:
    """What is known of a model: from the user, by its name, by its family, by its size, in this order.

    Args:
        name: as targets spell it, with or without a provider before a slash.
        own: what the user says, by name; what it leaves open is filled in.
    """
    listed = _listed(name)
    given = own.get(name) or own.get(name.rpartition("/")[2])
    if given is None:
        return listed
    return ModelFacts(
        quality=listed.quality if given.quality is None else given.quality,
        context_window=given.context_window or listed.context_window,
        source=listed.source if given.quality is None else given.source,
    )


def tier_of(field: str, value: object) -> float | None:
    """A quality that a user asks for: a tier's name, or a share.

    Raises:
        ConfigError: it is neither.
    """
    if value is None:
        return None
    if isinstance(value, str):
        if value in TIERS:
            return TIERS[value]
        raise ConfigError(f"{field}: expected {_EXPECTED_QUALITY}, got {value!r}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{field}: expected {_EXPECTED_QUALITY}, got {type(value).__name__}")
    if not 0 <= value <= 1:
        raise ConfigError(f"{field}: expected {_EXPECTED_QUALITY}, got {value!r}")
    return float(value)


@lru_cache(maxsize=4096)
def _listed(name: str) -> ModelFacts:
    found = _by_name(name)
    window = _window(name)
    if found is None:
        return ModelFacts(context_window=window, source="nobody has published it")
    return ModelFacts(quality=found.quality, context_window=window, source=found.source)


def _by_name(name: str) -> ModelFacts | None:
    ref = name.lower().rpartition("/")[2]
    for pattern, spelling in _SPELLINGS:
        ref = pattern.sub(spelling, ref)
    # Dates, "-latest", "-instruct" and quantisation follow a name: the longest that it begins with is its own.
    names = [known for known in CATALOGUE if ref == known or ref.startswith((f"{known}-", f"{known}@"))]
    if names and not _another(ref, max(names, key=len)):
        return CATALOGUE[max(names, key=len)]
    for pattern, last in _LINES:
        if pattern.match(ref):
            return _taken_from(last, "its family")
    if size := _SIZE.search(ref):
        billions = float(size[1]) / (1000 if size[2] == "m" else 1)
        return _taken_from(next(model for most, model in _SIZES if billions <= most), "its size")
    return None


def _another(ref: str, known: str) -> bool:
    """Whether a name that begins with a known one is another model: "gpt-4o-mini" is no "gpt-4o"."""
    return re.match(r"-(?:mini|nano|micro|lite|tiny|small)(?![a-z])", ref[len(known) :]) is not None


def _taken_from(known: str, why: str) -> ModelFacts:
    facts = CATALOGUE[known]
    return ModelFacts(quality=facts.quality, source=f"{_OURS}, by {why}, as {known}: {facts.source}")


def _window(name: str) -> int | None:
    """The context window in the list of `genai-prices`."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    provider, slash, rest = name.strip().lower().partition("/")
    for ref, seller in ((rest, provider), (name, None)) if slash else ((name, None),):
        try:
            return snapshot.find_provider_model(ref, None, seller, None)[1].context_window
        except LookupError:
            continue
    return None
