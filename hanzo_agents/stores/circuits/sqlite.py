"""Circuits in SQLite."""

SCHEMA: tuple[str, ...] = ()
