"""A process that ends with a stream in its hands: it is settled while the interpreter goes, and that ends in order."""

import subprocess
import sys

import pytest

from hanzo_agents.testing.scripted import ScriptedRouter

SCRIPT = """
import asyncio, sys
from hanzo_agents import AsyncHanzo, Budget, Deadline, Hedge, MemoryStore, Price, SQLiteStore

async def begin():
    answer = await client.chat.completions.create(
        messages=[{"role": "user", "content": "Hello!"}], max_tokens=10, stream=True
    )
    reading = aiter(answer)
    await anext(reading)
    return reading

url, policies = sys.argv[1:]
client = AsyncHanzo(url, "key-0123456789", model="m", policies=eval(policies))
loop = asyncio.new_event_loop()
held = loop.run_until_complete(begin())
print("leaving", flush=True)
"""


def leave(policies):
    """What a process that leaves in the middle of a stream says as it ends."""
    with ScriptedRouter("some words to be read") as router:
        # Asyncio warns of the loop that nobody closed.
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, router.base_url, policies]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, "leaving\n"), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param("[Deadline(total=30)]", id="no-prices"),
        pytest.param("[Hedge(after=1)]", id="hedge"),
        pytest.param(
            '[Budget(daily=1, store=MemoryStore(), prices={"m": Price(input=1, output=1)})]', id="budget"
        ),
    ],
)
def test_the_process_ends_quietly(policies):
    assert leave(policies) == ""


def test_what_no_thread_books_any_more_is_told(tmp_path):
    store = f"SQLiteStore({str(tmp_path / 'state.db')!r})"
    said = leave(f'[Budget(daily=1, store={store}, prices={{"m": Price(input=1, output=1)}})]')
    assert said == "the budget's ledger is away: settle: the interpreter ends, and starts no thread any more\n"
