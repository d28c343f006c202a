"""A service of ours, and nothing of LLMWise from outside."""

import os

import pytest
from llmwise_server import LLMWiseServer


@pytest.fixture(autouse=True)
def _no_llmwise_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("LLMWISE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server():
    with LLMWiseServer() as running:
        yield running
