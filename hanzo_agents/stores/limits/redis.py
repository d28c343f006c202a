"""Limits in redis."""
