"""Where this machine keeps what programs of its user remember."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from hanzo_agents.errors import ConfigError
from hanzo_agents.stores.sqlite import SQLiteStore

__all__ = ["default_store", "state_dir"]

_stores: dict[Path, SQLiteStore] = {}
_lock = threading.Lock()


def state_dir() -> Path:
    """HANZO_STATE_DIR, or a folder of ours where the platform wants state: XDG_STATE_HOME and its like.

    Raises:
        ConfigError: the user has no home.
    """
    if given := os.environ.get("HANZO_STATE_DIR"):
        return Path(given).expanduser().absolute()
    try:
        home = Path.home()
    except RuntimeError:
        raise ConfigError("HANZO_STATE_DIR: this user has no home; set it to a folder for state") from None
    if sys.platform == "darwin":
        parent = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        # A relative XDG path is to be ignored, says its specification.
        xdg = Path(os.environ.get("XDG_STATE_HOME") or "")
        parent = xdg if xdg.is_absolute() else home / ".local" / "state"
    return parent / "hanzo-agents"


def default_store() -> SQLiteStore:
    """The store in the state folder: one for all who ask in this process."""
    path = state_dir() / "state.db"
    with _lock:
        store = _stores.get(path)
        if store is None:
            store = _stores[path] = SQLiteStore(path)
        return store
