"""The command line, `hanzo-agents`: thin commands that print what the library returns."""

from __future__ import annotations

from hanzo_agents.cli.app import app, main

__all__ = ["app", "main"]
