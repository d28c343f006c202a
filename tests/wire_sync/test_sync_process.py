"""The loop thread and the process it lives in: exit, fork, Ctrl-C. Each test is a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

PACKAGE = Path(__file__).parents[2] / "hanzo_agents"
DEADLINE = 60

# The package is entered by the side door: importing all of it takes a second, and these tests need two modules.
PRELUDE = f"""
import asyncio, os, sys, threading, types

for name, path in (("hanzo_agents", {str(PACKAGE)!r}), ("hanzo_agents._wire", {str(PACKAGE / "_wire")!r})):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]

from hanzo_agents._wire.sync.calls import call_off_loop, iterate, run

def say(*words):
    # One write: two threads may say something at the same time.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

async def count():
    try:
        number = 0
        while True:
            number += 1
            yield number
    finally:
        await asyncio.sleep(0)
        say("closed")

async def wait(started):
    try:
        started.set()
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0)
        say("cleaned up")

def in_background(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()
"""


def command(script):
    return [sys.executable, "-W", "error", "-c", PRELUDE + dedent(script)]


def execute(script):
    """What the script prints. It must end by itself, in order and without a word on stderr."""
    done = subprocess.run(command(script), capture_output=True, text=True, check=False, timeout=DEADLINE)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split("\n")[:-1]


def test_exit_after_a_call():
    assert execute("say(run(asyncio.sleep(0, 1)))") == ["1"]


def test_exit_cancels_a_call_in_flight():
    script = """
        started = threading.Event()
        in_background(lambda: run(wait(started)))
        started.wait()
    """
    assert execute(script) == ["cleaned up"]


def test_exit_closes_a_stream_that_was_dropped():
    assert sorted(execute("say(next(iterate(count())))")) == ["1", "closed"]


def test_exit_closes_what_lives_as_long_as_the_loop():
    script = """
        connections = count()
        async def connect():
            return await anext(connections)
        say(run(connect()))
    """
    assert execute(script) == ["1", "closed"]


def test_exit_lets_a_cleanup_end_that_has_begun():
    script = """
        cleaning = threading.Event()
        async def slow():
            try:
                yield 1
            finally:
                cleaning.set()
                await until_exit()
                say("closed")
        async def cancelled():
            task = asyncio.create_task(wait_slowly())
            await asyncio.sleep(0)
            task.cancel()
            return task
        async def wait_slowly():
            try:
                await asyncio.Event().wait()
            finally:
                await until_exit()
                say("cleaned up")
        async def until_exit():
            while not thread.stopping:
                await asyncio.sleep(0)
            for _ in range(10):
                await asyncio.sleep(0)
        import hanzo_agents._kernel.loop_thread as module
        thread = module.loop_thread()
        task = run(cancelled())
        next(iterate(slow()))
        cleaning.wait()
    """
    assert sorted(execute(script)) == ["cleaned up", "closed"]


def test_exit_closes_a_stream_that_is_held():
    assert execute("numbers = iterate(count()); say(next(numbers))") == ["1", "closed"]


def test_exit_closes_a_stream_that_a_thread_reads():
    script = """
        started = threading.Event()
        async def stalled():
            async for _ in count():
                await wait(started)
                yield
        in_background(lambda: list(iterate(stalled())))
        started.wait()
    """
    assert sorted(execute(script)) == ["cleaned up", "closed"]


@pytest.mark.parametrize(
    "stuck",
    [
        pytest.param("await call_off_loop(threading.Event().wait)", id="callback"),
        pytest.param("await asyncio.to_thread(threading.Event().wait)", id="lookup-of-a-host"),
        pytest.param("threading.Event().wait()", id="loop-blocked"),
        pytest.param("await stubborn()", id="cancellation-ignored"),
    ],
)
def test_exit_waits_for_nothing_that_is_stuck(stuck):
    script = f"""
        async def stubborn():
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass
        started = threading.Event()
        async def work():
            asyncio.get_running_loop().call_soon(started.set)
            await asyncio.sleep(0)
            {stuck}
        in_background(lambda: run(work()))
        started.wait()
        say("leaving")
    """
    assert execute(script) == ["leaving"]


def test_exit_lets_other_threads_finish_their_calls():
    script = """
        started = threading.Event()
        def main_thread_ends():
            started.set()
            threading.main_thread().join()
        async def work():
            await call_off_loop(main_thread_ends)
            say("finished")
        threading.Thread(target=lambda: run(work())).start()
        started.wait()
        say("main thread ends")
    """
    assert execute(script) == ["main thread ends", "finished"]


def test_a_call_in_an_exit_handler():
    script = """
        import atexit
        atexit.register(lambda: say(run(asyncio.sleep(0, "late"))))
        say(run(asyncio.sleep(0, "early")))
    """
    assert execute(script) == ["early", "late"]


def test_a_call_after_the_loop_has_ended_is_answered_or_refused():
    # Handlers run in reverse: this one, registered earlier than the loop thread's own, comes after it. Whether it
    # may still start a thread depends on the version of Python.
    script = """
        import atexit
        import hanzo_agents._kernel.loop_thread as module
        def late():
            try:
                say(run(asyncio.sleep(0, "answered")))
            except RuntimeError:
                say("refused")
        atexit.unregister(module._process.stop)
        atexit.register(late)
        atexit.register(module._process.stop)
        say(run(asyncio.sleep(0, "early")))
    """
    assert execute(script) in (["early", "answered"], ["early", "refused"])


FORK = """
    def in_child(function):
        child = os.fork()
        if child == 0:
            function()
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
class TestFork:
    def test_parent_and_child_both_go_on(self):
        script = f"""{FORK}
    say(run(asyncio.sleep(0, "before")))
    in_child(lambda: say(run(asyncio.sleep(0, "child"))))
    say(run(asyncio.sleep(0, "parent")))
    in_child(lambda: in_child(lambda: say(run(asyncio.sleep(0, "grandchild")))))
    say(run(asyncio.sleep(0, "parent")))
        """
        assert execute(script) == ["before", "child", "parent", "grandchild", "parent"]

    def test_a_lock_that_another_thread_holds_stays_behind(self):
        script = f"""{FORK}
    import hanzo_agents._kernel.loop_thread as module
    with module._process._lock:
        in_child(lambda: say(run(asyncio.sleep(0, "child"))))
        """
        assert execute(script) == ["child"]

    def test_a_stream_stays_with_the_parent(self):
        script = f"""{FORK}
    import gc
    held = [iterate(count())]
    say(next(held[0]))
    def child():
        try:
            next(held[0])
        except RuntimeError as error:
            say("forked" in str(error))
        held[0].close()
        held.clear()
        gc.collect()
        say(run(asyncio.sleep(0, "child")))
    in_child(child)
    say(next(held[0]))
        """
        assert execute(script) == ["1", "True", "child", "2", "closed"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
@pytest.mark.parametrize(
    ("call", "printed"),
    [
        pytest.param("run(wait(Ready()))", ["ready", "cleaned up"], id="call"),
        pytest.param("next(iterate(stalled()))", ["ready", "cleaned up", "closed"], id="stream"),
    ],
)
def test_ctrl_c(call, printed):
    script = f"""
        class Ready:
            def set(self):
                say("ready")
        async def stalled():
            numbers = count()
            try:
                await anext(numbers)
                await wait(Ready())
                yield
            finally:
                await numbers.aclose()
        {call}
    """
    with subprocess.Popen(command(script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    assert (first + out).split("\n")[:-1] == printed
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert process.returncode == -signal.SIGINT
