"""Cached answers in SQLite."""

SCHEMA: tuple[str, ...] = ()
