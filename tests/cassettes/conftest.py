"""An upstream that says what the test tells it to, and a client whose transport is custom, like ours."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest


class Upstream:
    """A real HTTP server on loopback that sends `reply` and remembers how often it was asked."""

    def __init__(self):
        self.hits = 0
        self.reply = (200, {"content-type": "application/json"}, b'{"ok": true}')
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                upstream.hits += 1
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status, headers, body = upstream.reply
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST  # noqa: N815 - http.server's name

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Indirect(httpx2.AsyncBaseTransport):
    """A transport of its own kind in front of httpx2's, as the provider's loop-local one."""

    def __init__(self):
        self.inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request):
        return await self.inner.handle_async_request(request)

    async def aclose(self):
        await self.inner.aclose()


@pytest.fixture
def upstream():
    with Upstream() as server:
        yield server


@pytest.fixture
def post(upstream):
    """Post JSON to the upstream through the custom transport, on a client that lives as long as the request."""

    async def send(body=None, *, path="/v1/chat/completions", headers=None, site=None):
        async with httpx2.AsyncClient(transport=Indirect()) as client:
            return await client.post((site or upstream.url) + path, json=body, headers=headers)

    return send
