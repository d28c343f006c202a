"""Circuits in redis."""
