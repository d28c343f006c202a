"""Watching calls: metrics, logs, traces."""
