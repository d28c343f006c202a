"""Local mode never leaves this machine: a program is watched from its first import to its end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nodes import Node

from hanzo_agents import ConfigError, Hanzo
from hanzo_agents.modes.walk import loopback

HERE = Path(__file__).parent
SAID = ["local"] * 3 + ["refused"] * 7 + ["local"]


def watched(*args):
    """What the program counted. All that could lead it elsewhere is set."""
    away = {
        "OPENAI_API_KEY": "sk-openai",
        "ANTHROPIC_API_KEY": "sk-anthropic",
        "HANZO_ROUTER_URL": "https://router.example/v1",
        "HANZO_API_KEY": "sk-router",
        "HANZO_MODEL": "gpt-4",
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "ALL_PROXY": "http://proxy.example:3128",
    }
    run = subprocess.run(
        [sys.executable, HERE / "held_network.py", *args],
        env={**os.environ, **away, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1]), run.stderr


def test_with_a_node():
    with Node("llama-3-8b") as node:
        counted, log = watched(node.url)
        assert len(node.requests) > 4
    assert counted["said"] == SAID
    assert counted["models"] == ["llama-3-8b"]
    assert counted["here"] > 0
    assert counted["away"] == [], log


@pytest.mark.node
def test_with_the_embedded_node():
    counted, log = watched("embedded")
    assert counted["said"] == SAID
    assert counted["away"] == [], log


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.9.9.9/v1", True),
        ("http://localhost:8080/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://node.localhost/v1", False),  # a resolver might be asked for it
        ("http://192.168.0.7/v1", False),
        ("https://api.openai.com/v1", False),
        ("http://127.0.0.1.evil.example/v1", False),
    ],
)
def test_what_counts_as_this_machine(url, here):
    assert loopback(url) is here


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"auto_route": True, "models": ["llama-3-8b", "gpt-4"]}, "models: gpt-4 runs in the cloud only"),
        ({"auto_route": True, "preferred_models": ["claude-3-opus"]}, "preferred_models: claude-3-opus runs in"),
        ({"warm_models": ["gpt-4"]}, "warm_models: gpt-4 runs in the cloud only"),
        (
            {"daily_budget": 1, "budget_alerts": {"thresholds": [0.5], "webhook": "https://hooks.example/x"}},
            "budget_alerts: .*never leaves this machine",
        ),
        (
            {"enable_cache": True, "cache_backend": "redis", "redis_url": "redis://cache.example:6379/0"},
            "redis_url: .*never leaves this machine",
        ),
    ],
)
def test_a_keyword_that_would_leave_contradicts_it(settings, says):
    with Node("llama-3-8b") as node:
        with pytest.raises(ConfigError, match=f"^{says}"):
            Hanzo(inference_mode="local", node_url=node.url, **settings)
        assert node.chats == []


def test_nor_may_a_redis_of_the_environment_or_one_that_is_configured_later(monkeypatch):
    with Node("llama-3-8b") as node:
        client = Hanzo(inference_mode="local", node_url=node.url)
        with pytest.raises(ConfigError, match=r"^redis_url: .*never leaves this machine"):
            client.configure_cache(cache_backend="redis", redis_url="redis://cache.example/0")
        monkeypatch.setenv("HANZO_REDIS_URL", "redis://cache.example/0")
        with pytest.raises(ConfigError, match=r"^HANZO_REDIS_URL: .*never leaves this machine"):
            Hanzo(inference_mode="local", node_url=node.url, enable_cache=True, cache_backend="redis")
