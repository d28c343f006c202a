"""The client's own keywords: each one checked, and turned into the policies and observers that do what it says.

Nothing here decides anything about a call: `Hanzo(daily_budget=10)` is `Hanzo(policies=[Budget(daily=10)])`, and
so for the others. A keyword that contradicts another one, or has nothing to act on, is a `ConfigError` when the
client is made.
"""
