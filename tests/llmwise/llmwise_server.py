"""LLMWise as far as it is documented: every endpoint, its shapes, and streams as it spells them.

Replies in `script` are sent first, one a request. Everything received is in `requests`.
"""

import json
import re
from dataclasses import replace
from urllib.parse import parse_qs

from hanzo_agents.testing._http import Http, Send, json_http
from hanzo_agents.testing._server import WireServer

SSE = (("content-type", "text/event-stream; charset=utf-8"),)
CREDITS = {"credits_charged": 1, "credits_remaining": 99, "conversation_id": None}
HAIKU = "Limits bloom in spring"


def sse(*events, done=True, ends="\n\n"):
    """Events as `data:` lines, a text as it is."""
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    pieces = [Send(f"data: {text}{ends}".encode()) for text in texts]
    if done:
        pieces.append(Send(f"data: [DONE]{ends}".encode(), "done"))
    return Http(headers=SSE, body=tuple(pieces), framing="chunked")


def raw_sse(data):
    return Http(headers=SSE, body=(Send(data),), framing="chunked")


def cut(reply):
    """The same reply, its connection closed after the last action."""
    return replace(reply, complete=False)


def chat(model="auto", content=HAIKU, **more):
    resolved = "gpt-5.2" if model == "auto" else model
    return {
        "id": "req_1", "model": model, "resolved_model": resolved, "content": content, "prompt_tokens": 12,
        "completion_tokens": 7, "latency_ms": 410, "cost": 0.0021, "finish_reason": "stop", "mode": "chat",
        "auto_strategy": "balanced", "new_field": {"kept": True}, **CREDITS, **more,
    }  # fmt: skip


def done(**more):
    return {"event": "done", "resolved_model": "gpt-5.2", **CREDITS, **more}


def chat_events(model="auto", content=HAIKU):
    head, _, tail = content.partition(" ")
    figures = {"prompt_tokens": 12, "completion_tokens": 7, "cost": 0.0021, "finish_reason": "stop"}
    return [
        {"event": "route", "model": model, "status": "trying"},
        {"model": model, "delta": head},
        {"model": model, "delta": f" {tail}"},
        {"model": model, "delta": "", "done": True, **figures},
        done(),
    ]


def compare(models):
    return {
        "id": "cmp_1",
        "responses": [
            {"model": m, "content": f"{m} says", "latency_ms": 10, "completion_tokens": 4, "cost": 0.001} for m in models
        ],
        "summary": {"fastest": models[0], "longest": models[-1]},
        "semantic_memory_used": False, "semantic_memory_hits": 0, **CREDITS,
    }  # fmt: skip


def compare_events(models):
    figures = {"prompt_tokens": 5, "completion_tokens": 4, "cost": 0.001}
    return [
        *({"model": m, "delta": part} for part in ("one ", "two") for m in models),
        *({"model": m, "delta": "", "done": True, **figures} for m in models),
        {
            "event": "summary",
            "fastest": models[0],
            "longest": models[-1],
            "models": {m: {"tokens": 4} for m in models},
        },
        done(),
    ]


def blend(models):
    return {
        "id": "bl_1", "content": "blended", "strategy": "consensus", "source_models": models, "synthesizer": "x",
        "latency_ms": 5, "candidates": [], "layers": 1, **CREDITS,
    }  # fmt: skip


def judge(contestants):
    return {
        "id": "ju_1", "verdict": {"winner": contestants[0]},
        "winner_response": {"model": contestants[0], "content": "best"},
        "contestants": [{"model": m, "latency_ms": 3, "status": "ok"} for m in contestants], **CREDITS,
    }  # fmt: skip


MODELS = [{"id": "auto"}, {"id": "gpt-5.2"}, {"id": "claude-sonnet-4.5"}]
LISTS = {
    "/models": MODELS,
    "/credits/packs": [{"id": "pack_10", "credits": 1000, "amount_usd": 10}],
    "/credits/transactions": [{"id": "tx_1", "credits": 1000}],
    "/usage/recent": [{"id": "req_1", "mode": "chat", "credits": 1}],
}


class LLMWiseServer(WireServer):
    """The service. `script` holds replies that come before its own."""

    def __init__(self, *script):
        super().__init__()
        self.script = list(script)
        self.conversations = {}

    @property
    def base_url(self):
        return f"{self.url}/api/v1"

    def _reply_to(self, request):
        if self.script:
            return self.script.pop(0)
        path = request.path.removeprefix("/api/v1")
        if request.headers.get("authorization") is None:
            return json_http({"detail": "Not authenticated"}, status=401)
        if request.method == "POST" and path in {"/chat", "/compare", "/blend", "/judge"}:
            return self._mode(path[1:], request.json)
        if path.startswith("/conversations"):
            return self._conversation(request, path)
        return self._other(request, path)

    def _other(self, request, path):
        if path.endswith("/csv"):
            return Http(headers=(("content-type", "text/csv"),), body=(Send(b"case,passed\na,1\n"),))
        if path in LISTS and request.method == "GET":
            return json_http(LISTS[path])
        # What was asked comes back, so that a difference in reading would show.
        return json_http({
            "path": path, "method": request.method, "query": parse_qs(request.query), "body": request.json, "total": 0,
        })  # fmt: skip

    def _mode(self, mode, body):
        asked = body.get("model") or body.get("models") or body.get("contestants")
        if not body["stream"]:
            whole = {"chat": chat, "compare": compare, "blend": blend, "judge": judge}[mode]
            return json_http(whole(asked))
        if mode == "chat":
            return sse(*chat_events(asked))
        if mode == "compare":
            return sse(*compare_events(asked))
        return sse({"event": "status", "status": "asking"}, {"delta": "the "}, {"delta": "answer"}, done())

    def _conversation(self, request, path):
        if request.method == "POST":
            made = {"id": f"conv_{len(self.conversations) + 1}", "title": None}
            self.conversations[made["id"]] = made
            return json_http(made)
        if path == "/conversations":
            return json_http(
                {"conversations": list(self.conversations.values()), "total": len(self.conversations)}
            )
        found = re.fullmatch(r"/conversations/(.+)", path)[1]
        if request.method == "PATCH":
            title = parse_qs(request.query).get("title", [None])[0]
            return json_http({"id": found, "title": title})
        if request.method == "DELETE":
            self.conversations.pop(found, None)
            return json_http({"deleted": True})
        return json_http({"id": found, "messages": []})
