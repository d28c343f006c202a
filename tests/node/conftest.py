"""One real node for all tests of this folder, and the real OpenAI client in front of it."""

from __future__ import annotations

import pytest
from openai import AsyncOpenAI, OpenAI

from hanzo_agents.node import LocalNode


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "node":
            item.add_marker(pytest.mark.node)


@pytest.fixture(scope="session")
def node():
    with LocalNode(context_length=2048, slots=2) as started:
        yield started


@pytest.fixture(scope="session")
def model(node):
    return node.models[0]


@pytest.fixture
def client(node):
    with OpenAI(base_url=node.base_url, api_key="none", max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(node):
    async with AsyncOpenAI(base_url=node.base_url, api_key="none", max_retries=0) as made:
        yield made
