"""Money in memory."""
