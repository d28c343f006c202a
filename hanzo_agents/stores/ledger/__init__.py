"""Money: what every store does."""
