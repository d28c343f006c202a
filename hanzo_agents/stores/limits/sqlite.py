"""Limits in SQLite."""

SCHEMA: tuple[str, ...] = ()
