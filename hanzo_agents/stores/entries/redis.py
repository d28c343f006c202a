"""Cached answers in redis."""
