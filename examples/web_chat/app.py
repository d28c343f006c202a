"""A chat in the browser: FastAPI, one WebSocket, streamed answers, and what each of them took.

    pip install fastapi uvicorn websockets
    python examples/web_chat/app.py            # then open http://127.0.0.1:8000

It asks the model of this machine first and the router of HANZO_ROUTER_URL after it; without either, the embedded
node answers. A browser that leaves, or whose user presses Stop, ends the model's work too.

The browser sends `{"messages": [...]}` for an answer and `{"stop": true}` to end one. It gets `{"content": "..."}`
for each piece of it, and at its end one of `{"done": {...}}`, `{"stopped": true}` and `{"error": "..."}`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import openai
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse

from hanzo_agents import AsyncHanzo, errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

PAGE = Path(__file__).with_name("page.html")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)
"""Nothing comes from elsewhere, and nothing goes there, whatever a model writes."""
MOST_CHARACTERS = 100_000

log = logging.getLogger("web_chat")


def make_app(hanzo: AsyncHanzo, hosts: Sequence[str] = ("127.0.0.1", "localhost")) -> FastAPI:
    """The application. `hanzo` decides which model answers; `hosts` are the names under which browsers find it."""

    @contextlib.asynccontextmanager
    async def closing(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await hanzo.close()

    app = FastAPI(title="Hanzo chat", lifespan=closing)
    # A page of anybody's could have its own name point to this machine: then it would come from "here".
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))

    @app.get("/")
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE.read_text("utf-8"), headers={"content-security-policy": POLICY})

    @app.websocket("/ws/chat")
    async def chat(websocket: WebSocket) -> None:
        if not _from_here(websocket):
            await websocket.close(1008)
            return
        await websocket.accept()
        answering: asyncio.Task[None] | None = None
        try:
            while True:
                data = await websocket.receive_json()
                if answering is not None:
                    answering.cancel()
                    await asyncio.wait({answering})
                    answering = None
                if isinstance(data, dict) and data.get("stop"):
                    continue
                # A task of its own, so that a Stop or a lost connection is heard while the model still writes.
                answering = asyncio.create_task(answer(websocket, hanzo, data))
        except (WebSocketDisconnect, ValueError, KeyError, RecursionError):
            pass  # the browser has left, or what came is no JSON that a browser would send
        finally:
            if answering is not None:
                answering.cancel()
                await asyncio.wait({answering})

    return app


async def answer(websocket: WebSocket, hanzo: AsyncHanzo, data: Any) -> None:
    """Stream one answer. Cancelled, it closes the model's stream, which ends the work upstream."""
    try:
        messages = _messages(data)
        stream = await hanzo.chat.completions.create(messages=messages, stream=True)
        async with stream:
            async for chunk in stream:
                content = chunk.choices[0].delta.content if chunk.choices else None
                if content:
                    await websocket.send_json({"content": content})
        await websocket.send_json({"done": _took(chunk)})
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):  # whoever left cannot be told
            await websocket.send_json({"stopped": True})
        raise
    except WebSocketDisconnect:
        pass
    except Exception as error:  # whatever it is, a person is waiting
        if not isinstance(error, openai.OpenAIError):
            log.exception("an answer failed")
        with contextlib.suppress(Exception):
            await websocket.send_json({"error": in_words(error)})


def _took(chunk: Any) -> dict[str, Any]:
    """What the last chunk of a stream knows of the whole call."""
    return {
        "model": chunk.model,
        "provider": chunk.provider,
        "cost": None if chunk.cost is None else float(chunk.cost),
        "cost_basis": chunk.cost_basis,
        "seconds": chunk.latency,
        "from_cache": chunk.from_cache,
        "why": chunk.routing_reason,
    }


def _messages(data: Any) -> list[Any]:
    """What the browser sent: a conversation of two, without a word of the system's."""
    given = data.get("messages") if isinstance(data, dict) else None
    sound = isinstance(given, list) and all(
        isinstance(one, dict) and one.get("role") in {"user", "assistant"} and isinstance(one.get("content"), str)
        for one in given
    )
    if not given or not sound:
        raise Odd("That was no message. Please reload the page.")
    if sum(len(one["content"]) for one in given) > MOST_CHARACTERS:
        raise Odd("This conversation has become too long. Please start a new one.")
    # Half of a character, which a browser can send, is none that could be sent on.
    return [{"role": one["role"], "content": one["content"].encode("utf-8", "replace").decode()} for one in given]


class Odd(openai.OpenAIError):
    """What came from the browser cannot be answered; the message says why, to a person."""


SAID: list[tuple[type[Exception], str]] = [
    (errors.BudgetExceeded, "The budget for answers is used up for now."),
    (errors.RateLimited, "Too many questions at once. Please try again in a moment."),
    (errors.CircuitOpen, "The model has trouble at the moment. Please try again in a minute."),
    (errors.DeadlineExceeded, "The model took too long. Please try again."),
    (errors.StreamTruncated, "The answer broke off. Please try again."),
    (errors.ConfigError, "This chat is not set up correctly. Its operator finds the reason in the log."),
    (openai.AuthenticationError, "This chat is not set up correctly. Its operator finds the reason in the log."),
    (openai.PermissionDeniedError, "This chat may not use that model. Its operator finds the reason in the log."),
    (openai.RateLimitError, "The model is busy. Please try again in a moment."),
    (openai.NotFoundError, "The model is not there any more. Its operator finds the reason in the log."),
    (openai.BadRequestError, "The model cannot take this. It may be too long, or not allowed."),
    (openai.APIConnectionError, "The model cannot be reached. Please try again in a moment."),
    (errors.AllProvidersFailed, "None of the models can be reached. Please try again in a moment."),
]
OTHERWISE = "Something went wrong. Please try again."


def in_words(error: Exception) -> str:
    """An error as a person understands it; the details, which may name addresses, go to the log."""
    if isinstance(error, Odd):
        return str(error)
    log.warning("%s: %s", type(error).__name__, error)
    return next((words for kind, words in SAID if isinstance(error, kind)), OTHERWISE)


def _from_here(websocket: WebSocket) -> bool:
    """Whether our own page asks: browsers let any page open a WebSocket to any address."""
    origin = websocket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == websocket.headers.get("host")


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(make_app(AsyncHanzo(inference_mode="hybrid")), host="127.0.0.1", port=8000)
