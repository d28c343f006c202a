"""The folder where downloaded models are kept, and what is in it."""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from pathlib import Path

from hanzo_agents.errors import ConfigError

__all__ = ["forget", "installed", "models_dir"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_seen: dict[Path, tuple[int, dict[str, Path]]] = {}


def models_dir() -> Path:
    """HANZO_MODELS_DIR, or a folder of ours where the platform wants caches: XDG_CACHE_HOME and its like.

    Raises:
        ConfigError: the user has no home.
    """
    return _dir_of(*map(os.environ.get, ("HANZO_MODELS_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")))


@lru_cache(maxsize=8)  # asked at every call for a model that no node lists
def _dir_of(given: str | None, xdg_cache: str | None, app_data: str | None, _home: str | None) -> Path:
    if given:
        return Path(given).expanduser().absolute()
    try:
        home = Path.home()
    except RuntimeError:
        raise ConfigError("HANZO_MODELS_DIR: this user has no home; set it to a folder for models") from None
    if sys.platform == "darwin":
        parent = home / "Library" / "Caches"
    elif sys.platform == "win32":
        parent = Path(app_data or home / "AppData" / "Local")
    else:
        # A relative XDG path is to be ignored, says its specification.
        xdg = Path(xdg_cache or "")
        parent = xdg if xdg.is_absolute() else home / ".cache"
    return parent / "hanzo-agents" / "models"


def installed(folder: Path | None = None) -> dict[str, Path]:
    """The downloaded models by name. A file under way has another name, so each of these is whole.

    Cheap enough for every call: the folder is read again only when something in it was added or removed.
    """
    folder = folder or models_dir()
    try:
        changed = folder.stat().st_mtime_ns
        known = _seen.get(folder)
        if known is not None and known[0] == changed:
            return known[1]
        files = {path.stem: path for path in sorted(folder.glob("*.gguf")) if _NAME.fullmatch(path.stem)}
    except OSError:
        return {}
    _seen[folder] = changed, files
    return files


def forget(folder: Path) -> None:
    """Read the folder again at the next question: a clock may be too coarse to show that it changed."""
    _seen.pop(folder, None)
