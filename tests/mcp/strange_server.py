"""A server on the second generation of MCP's SDK that does a little of everything: `strange_server.py [TRANSPORT PORT]`."""

import os
import sys
from pathlib import Path

from mcp.server.mcpserver import Image, MCPServer
from mcp_types import ToolAnnotations

READS = ToolAnnotations(read_only_hint=True)

server = MCPServer("strange", version="1")


@server.tool(annotations=READS)
def echo(text: str) -> str:
    """Give back the text."""
    return text


@server.tool(annotations=READS)
def pid() -> str:
    """Say which process this is."""
    return str(os.getpid())


@server.tool()
def note(file: str, text: str) -> str:
    """Write a line."""
    with Path(file).open("a") as opened:
        opened.write(text + "\n")
    return "noted"


@server.tool(annotations=READS)
def fail() -> str:
    """Fail."""
    raise ValueError("no \x1b[1mluck")


@server.tool(annotations=READS)
def picture() -> Image:
    """Give back an image."""
    return Image(data=b"\x89PNG" + b"0" * 100, format="png")


@server.tool(annotations=READS)
def both() -> list:
    """Give back text and an image."""
    return ["a picture", Image(data=b"\x89PNG" + b"0" * 100, format="png")]


def main() -> None:
    if len(sys.argv) == 1:
        server.run("stdio")
    else:
        server.run(sys.argv[1], port=int(sys.argv[2]), **({"json_response": True} if "json" in sys.argv else {}))


if __name__ == "__main__":
    main()
