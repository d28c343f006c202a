"""Limits in memory."""
