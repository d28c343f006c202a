"""Nodes are known by what they answer, quickly, whoever else listens on the ports."""

import contextlib
import socket
import threading

import pytest
from nodes import Node

from hanzo_agents.errors import ConfigError
from hanzo_agents.node import discovery, find_node
from hanzo_agents.node.discovery import KNOWN_PORTS, forget_nodes, local_model, node_base_url, node_key


@pytest.fixture(autouse=True)
def ports(monkeypatch):
    known = []
    monkeypatch.setattr(discovery, "KNOWN_PORTS", known)
    monkeypatch.setattr(discovery, "PATIENCE", 2.0)  # the machine may have other things to do
    forget_nodes()
    yield known
    forget_nodes()


def port_of(node):
    return int(node.url.rpartition(":")[2])


def test_the_ports_that_nodes_really_have():
    assert KNOWN_PORTS == (8080, 3690, 1234, 36900)


@pytest.mark.parametrize("kind", ["engine", "hanzod", "node"])
def test_each_kind_is_known_by_its_health_page(kind, ports):
    with Node("llama-3-8b", kind=kind) as node:
        ports.append(port_of(node))
        found = find_node()
    assert (found.base_url, found.kind) == (node.base_url, kind)
    assert [model.id for model in found.models] == ["llama-3-8b"]


def test_a_router_on_a_known_port_is_none(ports):
    """It lists models as well, and would send to the cloud what it gets."""
    with Node("gpt-4", kind="router") as router:
        ports.append(port_of(router))
        assert find_node() is None


def test_what_the_user_names_only_has_to_list_models():
    with Node("gpt-oss", kind="other") as node:
        assert find_node(node.url).kind == "other"
        assert find_node(f"{node.url}/v1/").base_url == node.base_url


def test_the_first_of_the_ports_wins(ports):
    with Node("a") as one, Node("b") as other:
        ports.extend([port_of(other), port_of(one)])
        assert find_node().base_url == other.base_url


def test_the_environment_comes_before_the_ports(ports, monkeypatch):
    with Node("a") as one, Node("b") as other:
        ports.append(port_of(one))
        monkeypatch.setenv("HANZO_NODE_URL", other.url)
        assert find_node().base_url == other.base_url
        assert find_node(one.url).base_url == one.base_url, "and the argument before both"


def test_nobody_is_no_error(ports):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ports.append(port)
    assert find_node() is None
    assert find_node(f"http://127.0.0.1:{port}") is None


@contextlib.contextmanager
def listener(says, *, hold):
    """Something else on a port: it says its piece to everybody, and keeps the connection when `hold`."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)

        def serve():
            kept = []
            while not over.is_set():
                with contextlib.suppress(OSError):
                    connection, _ = server.accept()
                    kept.append(connection)
                    connection.sendall(says)
                    if not hold:
                        connection.close()
            for connection in kept:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    ("says", "hold"),
    [
        (b"", True),
        (b"", False),
        (b"SSH-2.0-OpenSSH_9.6\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>a web application</html>", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK", False),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"status":"ok"}', False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nOK", True),
        (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnull", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[[[[[[[[[", False),
    ],
)
def test_something_else_on_a_port_is_none_and_holds_nobody_up(says, hold, ports):
    with listener(says, hold=hold) as port, Node("a") as node:
        ports.extend([port, port_of(node)])
        assert find_node().base_url == node.base_url, "while the other one still holds its connection"


def test_the_answer_is_remembered_for_a_while(ports, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(discovery.time, "monotonic", lambda: now[0])
    with Node("a") as node:
        ports.append(port_of(node))
        find_node()
        asked = node.hits
        now[0] += 9
        find_node()
        assert node.hits == asked
        now[0] += 2
        find_node()
        assert node.hits > asked


def test_hanzod_does_not_tell_without_its_key(ports):
    with Node("a", kind="hanzod") as node:
        node.key = "sk-node"
        ports.append(port_of(node))
        assert find_node().models is None
        assert [model.id for model in find_node(node.url, api_key="sk-node").models] == ["a"]


def test_the_environments_key_is_for_the_environments_node_only(ports, monkeypatch):
    with Node("a") as one, Node("b") as other:
        monkeypatch.setenv("HANZO_NODE_URL", other.url)
        monkeypatch.setenv("HANZO_NODE_API_KEY", "sk-node")
        find_node()
        find_node(one.url, api_key=node_key(one.base_url))
        assert "sk-node" not in str([request.headers for request in one.requests])
        assert node_key(other.base_url) == "sk-node"
        assert node_key(one.base_url) == "local"
        assert node_key(one.base_url, "sk-given") == "sk-given"
        assert {request.headers["authorization"] for request in other.requests} == {"Bearer sk-node"}


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://h", "http://", "http://u:p@h", "http://h?a", "http://h:x", "http://h:0", 8080]
)
def test_what_is_no_address(url):
    with pytest.raises(ConfigError, match="node_url: expected"):
        node_base_url(url)


@pytest.mark.parametrize(
    ("said", "length", "parameters"),
    [
        ({"id": "llama-3-8b"}, None, 8.0),
        ({"id": "smollm2-135m-instruct"}, None, 0.135),
        ({"id": "qwen2.5-0.5b"}, None, 0.5),
        ({"id": "gpt-oss:20b"}, None, 20.0),
        ({"id": "default"}, None, None),
        ({"id": "mixtral-v0.1"}, None, None),
        ({"id": "m", "context_length": 8192, "parameters": 134515008}, 8192, 0.135),
        ({"id": "m", "max_model_len": 4096}, 4096, None),
        ({"id": "m", "meta": {"n_ctx_train": 131072, "n_params": 8030261312}}, 131072, 8.03),
        ({"id": "m", "context_length": "many", "parameters": -1, "meta": 7, "created": None}, None, None),
    ],
)
def test_what_a_node_says_of_a_model(said, length, parameters):
    model = local_model(said)
    assert (model.id, model.context_length, model.parameters) == (said["id"], length, parameters)


def test_the_embedded_node_is_one(node):
    found = find_node(node.base_url)
    assert found.kind == "node"
    (model,) = found.models
    assert f"{model.id}: {model.context_length} tokens, {model.parameters}B params" == (
        "smollm2-135m-instruct: 2048 tokens, 0.135B params"
    )
