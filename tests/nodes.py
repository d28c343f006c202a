"""Nodes as the real ones answer (wire-formats of hanzod and the engine), and a client opened by a plan."""

from hanzo_agents import AsyncHanzo
from hanzo_agents.modes import plan
from hanzo_agents.policies.default import stack_of
from hanzo_agents.testing._answers import text
from hanzo_agents.testing._http import Http, Send, json_http, problem
from hanzo_agents.testing._server import WireServer

HELLO = [{"role": "user", "content": "Hello!"}]


def listed(*names, **more):
    data = [{"id": name, "object": "model", "created": 1, "owned_by": "local", **more} for name in names]
    return json_http({"object": "list", "data": data})


class Node(WireServer):
    """`kind`: "engine", "hanzod", "node" as they answer; "router" for what is no node; anything else has no health page."""

    def __init__(self, *models, kind="engine", says="from the node", **more):
        super().__init__()
        self.kind, self.models, self.says, self.more = kind, list(models), says, more
        self.failing = False
        self.key = None

    @property
    def chats(self):
        return [request for request in self.requests if request.path.endswith("/chat/completions")]

    def _reply_to(self, request):
        path = request.path
        if path in {"/health", "/v2/health_check"}:
            return self._health(path)
        if self.key is not None and request.headers["authorization"] != f"Bearer {self.key}":
            return problem(401, "no key")
        if path.endswith("/models"):
            return listed(*self.models, **self.more)
        if self.failing:
            return problem(503, "down")
        return text(self.says) if request.json["model"] in self.models else problem(404, "no such model")

    def _health(self, path):
        if path == "/health":
            engine, node = Http(body=(Send(b"OK"),)), json_http({"status": "ok"})
            answers = {"engine": engine, "node": node, "router": problem(401, "no key")}
            return answers.get(self.kind, problem(404, "none"))
        body = {"status": "ok", "node_name": "@@me", "version": "1", "is_pristine": False}
        return json_http(body) if self.kind == "hanzod" else problem(404, "none")


class Router(WireServer):
    """A cloud: it has every model but those in `without`."""

    def __init__(self, says="from the cloud", without=()):
        super().__init__()
        self.says, self.without = says, without

    @property
    def asked(self):
        return [request.json["model"] for request in self.requests if request.method == "POST"]

    def _reply_to(self, request):
        if request.method == "GET":
            return problem(404, "none")
        if request.json["model"] in self.without:
            return problem(400, "Invalid model name passed")
        return text(self.says)


def opened(*, policies=None, **settings):
    """A client as its constructor opens it with a plan."""
    made = plan(**settings)
    stack = stack_of(policies, fallbacks=made.fallbacks)
    client = AsyncHanzo(
        made.base_url,
        made.api_key,
        model=made.model,
        policies=[*stack.policies, *made.policies],
        _provider=made.provider,
    )
    return client, made
