"""The node's HTTP face: routes, errors in OpenAI's shape, server-sent events, and cancellation on disconnect."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .apierror import ApiError
from .body import read_body
from .chat import ChatBody, chat_chunks, chat_completion
from .embeddings import EmbeddingsBody, embed
from .responses import ResponsesBody, response_events, response_value

if TYPE_CHECKING:
    from .answer import Answering
    from .engine import Engine

__all__ = ["NodeInfo", "node_app"]

_T = TypeVar("_T")
_MOST_BYTES = 16 << 20
_CLIENT_GONE = 499
_Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class NodeInfo:
    """What /v1/models says of the one model that is served."""

    name: str
    context_length: int
    parameters: int
    created: int

    def body(self) -> dict[str, Any]:
        """The model object; the last two fields are additions to OpenAI's."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "local",
            "context_length": self.context_length,
            "parameters": self.parameters,
        }

    def priced(self) -> dict[str, Any]:
        """The entry of /model/info, as a router's operator would declare it: what runs here costs nothing."""
        return {
            "model_name": self.name,
            "litellm_params": {"model": self.name},
            "model_info": {
                "id": self.name,
                "input_cost_per_token": 0.0,
                "output_cost_per_token": 0.0,
                "max_input_tokens": self.context_length,
                "max_output_tokens": self.context_length,
            },
        }


def node_app(info: NodeInfo, engine: Engine, answering: Answering, *, host: str) -> Starlette:
    """Build the ASGI application.

    A node on a loopback address answers only to loopback names, so that a web page cannot reach it by pointing a
    name of its own at 127.0.0.1.
    """
    routes = _Routes(info, engine, answering)
    return Starlette(
        routes=[
            Route("/health", routes.health),
            Route("/v1/models", routes.models),
            Route("/v1/model/info", routes.model_info),
            Route("/model/info", routes.model_info),
            Route("/v1/models/{model:path}", routes.model),
            Route("/v1/chat/completions", routes.chat, methods=["POST"]),
            Route("/v1/responses", routes.responses, methods=["POST"]),
            Route("/v1/embeddings", routes.embeddings, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_allowed_hosts(host), www_redirect=False)],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error, Exception: _server_error},
    )


class _Routes:
    def __init__(self, info: NodeInfo, engine: Engine, answering: Answering) -> None:
        self._info = info
        self._engine = engine
        self._answering = answering

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def models(self, _request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self._info.body()]})

    async def model_info(self, _request: Request) -> Response:
        return JSONResponse({"data": [self._info.priced()]})

    async def model(self, request: Request) -> Response:
        self._check_model(request.path_params["model"])
        return JSONResponse(self._info.body())

    async def chat(self, request: Request) -> Response:
        body = read_body(ChatBody, await _json(request))
        self._check_model(body.model)
        if body.stream:
            return await _events(request, _chat_sse(chat_chunks(body, self._info.name, self._answering)))
        return await _value(request, chat_completion(body, self._info.name, self._answering))

    async def responses(self, request: Request) -> Response:
        body = read_body(ResponsesBody, await _json(request))
        self._check_model(body.model)
        if body.stream:
            return await _events(request, _response_sse(response_events(body, self._info.name, self._answering)))
        return await _value(request, response_value(body, self._info.name, self._answering))

    async def embeddings(self, request: Request) -> Response:
        body = read_body(EmbeddingsBody, await _json(request))
        self._check_model(body.model)
        return await _value(request, embed(body, self._info.name, self._engine))

    def _check_model(self, name: str) -> None:
        if name != self._info.name:
            raise ApiError(
                f"The model {name!r} does not exist on this node. There is: {self._info.name}",
                status=404,
                param="model",
                code="model_not_found",
            )


_FREE = {"x-hanzo-node": "free"}
"""Says for certain that the answer cost nothing: a zero in the usage is also what routers put for the unknown."""


async def _json(request: Request) -> Any:
    raw = bytearray()
    async for part in request.stream():
        raw += part
        if len(raw) > _MOST_BYTES:
            raise ApiError(f"The body is larger than {_MOST_BYTES} bytes.", status=413)
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ApiError("The body is not valid JSON.", code="invalid_json") from None


async def _value(request: Request, work: Coroutine[Any, Any, dict[str, Any]]) -> Response:
    return JSONResponse(await _while_connected(request, work), headers=_FREE)


async def _events(request: Request, events: AsyncGenerator[str, None]) -> Response:
    """Start the stream only when its first event is there: what fails before it has a status of its own."""
    try:
        first = await _while_connected(request, _first(events))
    except BaseException:
        await events.aclose()
        raise

    async def body() -> AsyncGenerator[str, None]:
        try:
            yield first
            async for event in events:
                yield event
        finally:
            await events.aclose()

    return StreamingResponse(
        body(), media_type="text/event-stream", headers={"cache-control": "no-store", **_FREE}
    )


async def _first(events: AsyncGenerator[_T, None]) -> _T:
    return await anext(events)


async def _while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """Await the work, or cancel it when the client leaves: nobody would read the answer."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ApiError("the client closed the connection", status=_CLIENT_GONE)
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _chat_sse(chunks: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[str, None]:
    """Chat Completions' stream: data lines and [DONE]; a failure on the way is an error object and no [DONE]."""
    started = False
    try:
        async for chunk in chunks:
            yield f"data: {json.dumps(chunk)}\n\n"
            started = True
        yield "data: [DONE]\n\n"
    except ApiError as error:
        if not started:
            raise
        yield f"data: {json.dumps(error.body())}\n\n"
    finally:
        await chunks.aclose()


async def _response_sse(events: AsyncGenerator[dict[str, Any], None]) -> AsyncGenerator[str, None]:
    """Responses' stream: named events; its failures are events of its own (`response.failed`)."""
    try:
        async for event in events:
            yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
    finally:
        await events.aclose()


async def _api_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), status_code=error.status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse(ApiError(message, status=error.status_code).body(), status_code=error.status_code)


async def _server_error(_request: Request, error: Exception) -> Response:
    found = ApiError(f"The node failed: {type(error).__name__}: {error}", status=500)
    return JSONResponse(found.body(), status_code=500)


def _allowed_hosts(host: str) -> list[str]:
    loopback = host == "localhost"
    with contextlib.suppress(ValueError):
        loopback = loopback or ipaddress.ip_address(host).is_loopback
    return ["localhost", "127.0.0.1", "[::1]", host] if loopback else ["*"]
