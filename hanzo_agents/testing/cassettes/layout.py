"""The file format: vcrpy's YAML, with texts of several lines as blocks."""

from __future__ import annotations

import importlib
import math
from typing import Any

__all__ = ["deserialize", "serialize"]

# vcrpy takes a serializer by these two names: this module is one.


def serialize(stored: Any) -> str:
    """YAML in which a changed line of a body is a changed line of the file."""
    yaml: Any = importlib.import_module("yaml")
    dumper: Any = type("Dumper", (yaml.SafeDumper,), {})
    dumper.add_representer(str, _text)
    text: str = yaml.dump(stored, Dumper=dumper, sort_keys=False, allow_unicode=True, width=math.inf)
    return text


def deserialize(text: str) -> Any:
    """Read YAML, plain data only.

    Raises:
        ValueError: it is not YAML.
    """
    yaml: Any = importlib.import_module("yaml")
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        # Not the error's own text, which quotes the file; a secret may be in it.
        mark: Any = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"not YAML{where}") from None


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
