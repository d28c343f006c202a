"""Money in SQLite."""

SCHEMA: tuple[str, ...] = ()
