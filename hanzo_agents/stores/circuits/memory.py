"""Circuits in memory."""
