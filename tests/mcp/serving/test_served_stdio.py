"""The transport over two descriptors, in this process: lines in, lines out, and its ends."""

import asyncio
import json
import os
import signal

import pytest
from agents import Agent
from served import PRICED, server_of

from hanzo_agents.mcp.serving.stdio import Wires
from hanzo_agents.testing.fault_server import faults

AGENT = Agent(name="agent", model=PRICED)
INFO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
CALL = {"name": "agent", "arguments": {"input": "?"}}


class Pipes:
    """A server on two pipes, and its client's ends of them."""

    def __init__(self, server):
        theirs, self._to = os.pipe()
        self._from, ours = os.pipe()
        self._theirs = (theirs, ours)
        self.serving = asyncio.create_task(server.serve(wires=Wires(theirs, ours)))
        self._lines = os.fdopen(self._from, "rb")

    def write(self, line):
        os.write(self._to, line)

    def send(self, number, method, params=None):
        message = {
            "jsonrpc": "2.0",
            "method": method,
            **({"id": number} if number else {}),
            "params": params or {},
        }
        self.write(json.dumps(message).encode() + b"\n")

    async def answer(self):
        return json.loads(await asyncio.to_thread(self._lines.readline))

    async def greet(self):
        self.send(1, "initialize", INFO)
        assert (await self.answer())["result"]["serverInfo"]["name"] == "agent"
        self.send(None, "notifications/initialized")

    def leave(self):
        if self._to is not None:
            os.close(self._to)
            self._to = None

    async def close(self):
        self.leave()
        self._lines.close()
        await asyncio.wait([self.serving])
        for descriptor in self._theirs:
            os.close(descriptor)


@pytest.fixture
async def pipes(provider):
    pipes = Pipes(server_of(AGENT, provider=provider))
    yield pipes
    await pipes.close()


async def test_lines_go_in_and_out_until_the_client_leaves(pipes, router):
    router.script("Grüße, 世界")
    await pipes.greet()
    pipes.write(b"this is no message\n\n")  # and does no harm
    call = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": CALL}).encode() + b"\n"
    for part in (call[:7], call[7:9], call[9:]):
        pipes.write(part)
    assert (await pipes.answer())["result"]["content"] == [{"type": "text", "text": "Grüße, 世界"}]
    pipes.leave()
    await pipes.serving


async def test_a_client_that_leaves_in_the_middle_of_a_run_is_not_waited_for(pipes, router):
    router.script(faults.hang_mid_body())
    await pipes.greet()
    pipes.send(2, "tools/call", CALL)
    await router.until(lambda: router.paused == 1)
    pipes.leave()
    await router.until(lambda: router.paused == 0)
    await pipes.serving


async def test_a_signal_ends_it_while_it_waits_for_the_client(pipes):
    await pipes.greet()
    os.kill(os.getpid(), signal.SIGTERM)
    await pipes.serving
