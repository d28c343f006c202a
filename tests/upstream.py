"""An upstream in memory, for tests that need no socket: scripted replies, and a record of what was sent."""

import asyncio
import inspect
import json

import httpx2

from hanzo_agents import AsyncHanzo, HanzoModelProvider

URL = "https://router.test/v1"
KEY = "sk-canary-0123456789"
HELLO = {"role": "user", "content": "Hello!"}
ASK = {"model": "m", "messages": [HELLO]}


def completion(text="Hello!", *, calls=None, finish=None, usage=(3, 2), **more):
    message = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": arguments}}
            for i, name, arguments in calls
        ]
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-2024",
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": finish or ("tool_calls" if calls else "stop"),
            }
        ],
    }
    if usage:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return {**body, **more}


def chunk(delta=None, *, finish=None, usage=None, choices=None, **more):
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m-2024",
        "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}] if choices is None else choices,
    }
    if usage:
        body["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return {**body, **more}


ROLE = chunk({"role": "assistant", "content": ""})


def text_chunks(*texts, usage=(3, 2)):
    events = [ROLE, *(chunk({"content": text}) for text in texts), chunk(finish="stop")]
    return [*events, chunk(choices=[], usage=usage)] if usage else events


def call_chunks(call_id, name, *arguments, usage=(3, 2)):
    first = {"index": 0, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    events = [
        chunk({"role": "assistant", "content": None, "tool_calls": [first]}),
        *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in arguments),
        chunk(finish="tool_calls"),
    ]
    return [*events, chunk(choices=[], usage=usage)] if usage else events


def response(*output, text="Hello!", usage=(3, 2), **more):
    items = list(output) or [message_item(text)]
    body = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "m-2024",
        "output": items,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
    }
    if usage:
        body["usage"] = {
            "input_tokens": usage[0],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": usage[1],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": sum(usage),
        }
    return {**body, **more}


def message_item(text="Hello!", item_id="msg_1"):
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": item_id, "type": "message", "status": "completed", "role": "assistant", "content": [part]}


def call_item(call_id, name, arguments, item_id="fc_1"):
    return {
        "id": item_id,
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def response_events(*output, text="Hello!", usage=(3, 2)):
    """The events of a Responses stream with these items (a message by default)."""
    final = response(*output, text=text, usage=usage)
    empty = {**final, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": empty}, {"type": "response.in_progress", "response": empty}]
    for index, item in enumerate(final["output"]):
        where = {"output_index": index, "item_id": item["id"]}
        if item["type"] == "message":
            part = item["content"][0]
            blank = {**item, "status": "in_progress", "content": []}
            at = {**where, "content_index": 0}
            events += [
                {"type": "response.output_item.added", "output_index": index, "item": blank},
                {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
                {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": []},
                {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []},
                {"type": "response.content_part.done", **at, "part": part},
            ]
        elif item["type"] == "function_call":
            blank = {**item, "status": "in_progress", "arguments": ""}
            events += [
                {"type": "response.output_item.added", "output_index": index, "item": blank},
                {"type": "response.function_call_arguments.delta", **where, "delta": item["arguments"]},
                {
                    "type": "response.function_call_arguments.done",
                    **where,
                    "arguments": item["arguments"],
                    "name": item["name"],
                },
            ]
        else:
            events.append({"type": "response.output_item.added", "output_index": index, "item": item})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": final})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


HANG = object()
"""In a stream: nothing more comes until the reader leaves."""


class Body(httpx2.AsyncByteStream):
    """A body that sends its parts and remembers whether it was closed; an exception among them is raised."""

    def __init__(self, parts):
        self.parts = list(parts)
        self.sent = 0
        self.closed = 0

    async def __aiter__(self):
        for part in self.parts:
            if part is HANG:
                await asyncio.Event().wait()
            if isinstance(part, BaseException):
                raise part
            self.sent += 1
            yield part

    async def aclose(self):
        self.closed += 1


def sse(*events, done=True, headers=None):
    """A reply that streams these events: JSON objects, or bytes as they are."""
    parts = [
        e if isinstance(e, bytes | BaseException) or e is HANG else b"data: " + json.dumps(e).encode() + b"\n\n"
        for e in events
    ]
    body = Body([*parts, b"data: [DONE]\n\n"] if done else parts)
    reply = httpx2.Response(
        200, headers={"content-type": "text/event-stream", "x-request-id": "req-1", **(headers or {})}, stream=body
    )
    reply.extensions["body"] = body
    return reply


def status(code, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"error": {"message": f"status {code}", "type": "server_error"}} if body is None else body
    return httpx2.Response(code, json=content, headers={"x-request-id": "req-1", **named})


def value(body, **headers):
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx2.Response(200, json=body, headers={"x-request-id": "req-1", **named})


class Upstream:
    """Answers each request with the next reply, and with the last one for ever after.

    A reply is a JSON body, a Response, an exception to raise, or a function of the request.
    """

    def __init__(self, *replies):
        self.replies = list(replies) or [completion()]
        self.requests = []
        self.http = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    async def _answer(self, request):
        reply = self.replies[min(len(self.requests), len(self.replies) - 1)]
        self.requests.append(request)
        if callable(reply):
            reply = reply(request)
            if inspect.isawaitable(reply):
                reply = await reply
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, dict):
            return value(reply)
        if isinstance(reply, httpx2.Response) and isinstance(reply.stream, Body):
            # A response of its own: one that the test holds on to would keep its reader alive.
            return httpx2.Response(reply.status_code, headers=reply.headers, stream=reply.stream)
        return httpx2.Response(reply.status_code, headers=reply.headers, content=reply.content)

    @property
    def hits(self):
        return len(self.requests)

    @property
    def bodies(self):
        return [json.loads(request.content) for request in self.requests]

    def client(self, base_url=URL, api_key=KEY, **settings):
        return AsyncHanzo(base_url, api_key, http_client=self.http, **{"model": "m", **settings})

    def provider(self, base_url=URL, api_key=KEY, **settings):
        return HanzoModelProvider(base_url, api_key, http_client=self.http, **{"model": "m", **settings})
