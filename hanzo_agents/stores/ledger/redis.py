"""Money in redis."""
