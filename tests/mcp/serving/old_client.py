"""A client of the SDK's first generation, run by the Python of .venv-mcp. Prints what it saw as JSON.

python old_client.py http URL TOKEN          or: python old_client.py stdio COMMAND ARGUMENT...
"""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamablehttp_client


@asynccontextmanager
async def connected(kind, *where):
    if kind == "http":
        url, token = where
        headers = {"Authorization": f"Bearer {token}"}
        async with streamablehttp_client(url, headers=headers) as (read, write, _):
            yield read, write
    else:
        server = StdioServerParameters(command=where[0], args=list(where[1:]), env=dict(os.environ))
        async with stdio_client(server) as (read, write):
            yield read, write


async def main():
    told = []

    async def tell(progress, total, message):
        told.append(message)

    async with connected(*sys.argv[1:]) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        good = await session.call_tool("support", {"input": "How many pens?"}, progress_callback=tell)
        wrong = await session.call_tool("support", {})
    seen = {
        "tools": [tool.name for tool in tools],
        "told": told,
        "good": [good.content[0].text, good.isError, good.meta["hanzo-agents/usage"]["requests"]],
        "wrong": [wrong.content[0].text, wrong.isError],
    }
    sys.stdout.write(json.dumps(seen))


asyncio.run(main())
