"""Circuits: what every store does."""
