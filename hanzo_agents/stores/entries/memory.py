"""Cached answers in memory."""
