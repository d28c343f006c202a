"""The recorded runs, replayed with the network blocked."""

from pathlib import Path

import pytest
from router_scenarios import SCENARIOS, Router

from hanzo_agents.testing.cassettes import scan, use_cassette

CASSETTES = Path(__file__).parents[2] / "cassettes"


@pytest.mark.block_network
@pytest.mark.parametrize("name", SCENARIOS)
async def test_replay(name):
    with use_cassette(name, directory=CASSETTES, all_used=True) as cassette:
        await SCENARIOS[name](
            Router(url="https://router.invalid/v1", key="sk-replayed-0123456789", cassette=cassette)
        )


def test_every_cassette_belongs_to_a_scenario():
    assert {path.stem for path in CASSETTES.glob("*.yaml")} == set(SCENARIOS)


def test_no_cassette_holds_a_secret():
    assert list(map(str, scan(CASSETTES))) == []


def test_no_cassette_names_a_machine():
    texts = "".join(path.read_text("utf-8") for path in CASSETTES.glob("*.yaml"))
    assert "127.0.0.1" not in texts
    assert "localhost" not in texts
    assert "/site-packages/" not in texts
