"""Agents as a user's module has them, with a tool that prints; it is served by `hanzo-agents mcp serve`."""

import os
import sys

from agents import Agent, function_tool

print("noise at import")  # noqa: T201
os.system("echo noise of a program")


@function_tool
def stock(item: str) -> str:
    """How many are left."""
    print("noise of a tool")  # noqa: T201
    return f"7 {item}"


@function_tool
def leave() -> str:
    """End the program."""
    sys.exit(3)


support = Agent(name="Support", tools=[stock], handoff_description="Answers questions about the shop.")
quiet = Agent(name="Quiet")
leaver = Agent(name="Leaver", tools=[leave])


def everyone():
    return [support, quiet]


nothing = 3
