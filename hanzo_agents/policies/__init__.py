"""Policies, one a file. Each knows its place in the default stack."""
