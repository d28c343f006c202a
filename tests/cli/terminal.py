"""A command on a terminal of its own, as a person would sit before it."""

import os
import pathlib
import pty
import select
import subprocess
import sys
import time

_PATIENCE = 60.0
# Keys such as Ctrl-C are signals only to those whose controlling terminal this is.
_START = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from hanzo_agents.cli import main; main()"


class Terminal:
    """Starts a command on a pseudo-terminal; what it shows is read by `shows`, keys are pressed by `types`."""

    def __init__(self, *arguments, env):
        self._master, slave = pty.openpty()
        self._command = subprocess.Popen(
            [sys.executable, "-c", _START, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb", "PYTHONWARNINGS": "error", **env},
            start_new_session=True,
        )
        os.close(slave)
        self._unread = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._command.kill()
        self._command.wait()
        os.close(self._master)

    def shows(self, text, patience=_PATIENCE):
        """Wait until `text` is shown, and return what was shown before it."""
        deadline = time.monotonic() + patience
        while text not in self._unread:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"never shown: {text!r}; shown: {self._unread!r}")
            try:
                read = os.read(self._master, 4096)
            except OSError:  # the other side is closed: that is how Linux says it
                read = b""
            if not read:
                raise EOFError(f"ended before {text!r} was shown: {self._unread!r}")
            self._unread += read.decode().replace("\r\n", "\n")
        before, self._unread = self._unread.split(text, 1)
        return before

    def types(self, keys):
        """Press keys; "\\x03" is Ctrl-C, "\\x04" Ctrl-D, "\\n" Enter."""
        os.write(self._master, keys.encode())

    def ends(self):
        """Wait for the end, and return the exit code."""
        return self._command.wait(_PATIENCE)

    def rests(self):
        """Wait until the command waits for a key.

        Python misses a signal that comes between the prompt and the read, until the next: a person cannot be that
        fast, a test is.
        """
        deadline = time.monotonic() + _PATIENCE
        while not self._state().startswith("S"):
            assert time.monotonic() < deadline, "it never waits"
            time.sleep(0.001)

    def _state(self):
        process = pathlib.Path(f"/proc/{self._command.pid}/stat")
        if process.exists():
            return process.read_text().rpartition(") ")[2]
        return subprocess.check_output(["ps", "-o", "stat=", "-p", str(self._command.pid)], text=True)
