"""Limits: what every store does."""
