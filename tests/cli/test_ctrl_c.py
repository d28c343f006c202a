"""A Ctrl-C is heard at the first press, however the event loop waits."""

import asyncio
import signal
import threading

import pytest

from hanzo_agents.cli.connection import ctrl_c_heard

pytestmark = pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")


async def pressed_while_the_loop_waits(given_up):
    """Wait, with a Ctrl-C that reaches Python and does not interrupt the loop's `select`."""

    def press():
        # In a thread of its own the signal is noted there, as it is right before the loop goes to wait.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    with ctrl_c_heard():
        asyncio.get_running_loop().call_soon(threading.Timer(0.05, press).start)
        asyncio.get_running_loop().call_later(10, given_up.append, "the wait went on")
        await asyncio.Event().wait()


def test_the_first_press_ends_the_wait():
    given_up = []
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(pressed_while_the_loop_waits(given_up))
    assert not given_up


def test_what_was_to_happen_at_ctrl_c_happens_again_afterwards():
    async def nothing():
        with ctrl_c_heard():
            await asyncio.sleep(0)

    asyncio.run(nothing())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_who_ignores_ctrl_c_goes_on_ignoring_it():
    async def nothing():
        with ctrl_c_heard():
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(0)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(nothing())
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
