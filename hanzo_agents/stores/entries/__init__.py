"""Cached answers: what every store does."""
