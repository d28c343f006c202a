"""The examples, run as their readers run them: as scripts, and as sites through the frameworks' own test clients."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from server import KEY

from hanzo_agents.testing.scripted import ScriptedRouter

EXAMPLES = Path(__file__).parents[2] / "examples"
WHAT = "What is machine learning?"


def example(name):
    """An example as a module of its own."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=["fastapi", "django", "flask"])
def site(request, environment, monkeypatch):
    """Posts to a framework's example, or gets from it: status, headers and JSON."""
    name = f"vectorcache_{request.param}"
    yield from SITES[request.param](name)
    module = sys.modules.pop(name)
    if hasattr(module, "client"):
        module.client().close()


def fastapi_site(name):
    from fastapi.testclient import TestClient

    with TestClient(example(name).app) as client:

        def asked(method, path, body=None):
            reply = client.request(method, path, json=body)
            return reply.status_code, reply.headers, reply.json()

        yield asked


def django_site(name):
    import django
    from django.test import Client, override_settings
    from django.urls import clear_url_caches

    module = example(name)
    django.setup()
    with override_settings(ROOT_URLCONF=name, ALLOWED_HOSTS=["testserver"]):
        clear_url_caches()
        client = Client()

        def asked(method, path, body=None):
            data = json.dumps(body) if body is not None else ""
            reply = client.generic(method, path, data, content_type="application/json")
            return reply.status_code, reply.headers, reply.json()

        yield asked
    assert module.urlpatterns


def flask_site(name):
    client = example(name).app.test_client()

    def asked(method, path, body=None):
        reply = client.open(path, method=method, json=body)
        return reply.status_code, reply.headers, reply.json

    yield asked


SITES = {"fastapi": fastapi_site, "django": django_site, "flask": flask_site}


def test_a_site_answers_and_says_what_it_saved(site, service):
    first, second = (site("POST", "/query", {"prompt": prompt}) for prompt in (WHAT, "Explain ML"))
    assert (first[0], first[2]["response"], first[2]["cache_hit"]) == (200, f"An answer to: {WHAT}", False)
    assert (second[0], second[2]["cache_hit"], second[2]["cost_saved"]) == (200, True, 0.0035)
    assert service.asked[0]["model"] == "gpt-4o"
    assert site("GET", "/stats")[::2] == (200, {"queries": 2, "hit_rate": 0.5, "saved": "0.0035"})


def test_a_site_says_what_is_wrong(site, service):
    service.uncacheable.add("What time is it?")
    assert site("POST", "/query", {"prompt": "What time is it?"})[0] == 422
    assert site("POST", "/query", {"prompt": ""})[0] in {400, 422}
    assert site("POST", "/query", {"prompt": WHAT, "similarity_threshold": 2})[0] in {400, 422}
    assert site("POST", "/query", {})[0] in {400, 422}
    assert site("POST", "/query", [1])[0] in {400, 422}
    assert service.hits == 1
    slow = service.refuse(429, "slow down", "rate_limited", headers=(("Retry-After", "90"),))
    service.then(slow)
    status, headers, _ = site("POST", "/query", {"prompt": WHAT})
    assert (status, headers["Retry-After"]) == (429, "90")
    service.then(service.refuse(401, "Invalid API key", "unauthorized"))
    status, _, body = site("POST", "/query", {"prompt": WHAT})
    assert status == 502
    assert KEY not in json.dumps(body)


def test_the_chatbot(environment):
    environment.uncacheable.add("What time is it?")
    with ScriptedRouter(["Noon."]) as router:
        settings = {"HANZO_ROUTER_URL": router.base_url, "HANZO_API_KEY": "k", "HANZO_MODEL": "zen-1"}
        done = subprocess.run(
            [sys.executable, EXAMPLES / "vectorcache_chatbot.py"],
            capture_output=True, text=True, check=False, env={**os.environ, **settings},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{WHAT} An answer to: {WHAT} [openai]",
        f"Explain machine learning An answer to: {WHAT} [cache]",
        "What time is it? Noon. [not cacheable]",
        "1 of 2 answers from the cache (50.0%), $0.0035 saved",
    ]
    assert router.hits == 1
