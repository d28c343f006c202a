"""A headless Chromium, told what to do over its DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time

import websockets

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


def _started(command):
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Browser:
    """One page. `errors` is what its scripts complained of, `asked` every address it asked for."""

    def __init__(self, socket):
        self.errors, self.asked = [], []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, url, profile):
        command = [
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
            "--window-size=1000,760", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        process = await asyncio.to_thread(_started, command)
        try:
            port = await cls._port(profile / "DevToolsActivePort", process)
            from httpx2 import AsyncClient

            async with AsyncClient(trust_env=False) as http:
                pages = (await http.get(f"http://127.0.0.1:{port}/json/list")).json()
            page = next(one for one in pages if one["type"] == "page")
            async with websockets.connect(page["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
                browser = cls(socket)
                for domain in ("Runtime", "Page", "Network", "Log"):
                    await browser.send(f"{domain}.enable")
                await browser.send("Page.navigate", url=url)
                yield browser
                browser._reading.cancel()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @staticmethod
    async def _port(file, process):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert process.poll() is None, "chromium has ended"
            if file.exists() and (lines := file.read_text().splitlines()):
                return int(lines[0])
            await asyncio.sleep(0.05)
        raise TimeoutError("chromium does not listen")

    async def _read(self):
        async for message in self._socket:
            said = json.loads(message)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif said["method"] == "Runtime.exceptionThrown":
                self.errors.append(said["params"]["exceptionDetails"])
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["level"] == "error":
                self.errors.append(said["params"]["entry"]["text"])
            elif said["method"] in {"Network.requestWillBeSent", "Network.webSocketCreated"}:
                self.asked.append(said["params"].get("url") or said["params"]["request"]["url"])

    async def send(self, method, **params):
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        said = await asyncio.wait_for(asyncio.shield(self._answers[number]), 20)
        assert "error" not in said, said
        return said["result"]

    async def run(self, script):
        """The value of a JavaScript expression."""
        result = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script, *, seconds=20):
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not (found := await self.run(script)):
            assert time.monotonic() < deadline, f"never so: {script}\n{await self.run('document.body.innerText')}"
            await asyncio.sleep(0.02)
        return found

    async def type(self, words):
        """Write into what has the focus, as fingers do."""
        await self.send("Input.insertText", text=words)

    async def press_enter(self):
        for kind in ("keyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key="Enter",
                code="Enter",
                windowsVirtualKeyCode=13,
                text="\r" if kind == "keyDown" else "",
            )

    async def screenshot(self, path):
        shot = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))
