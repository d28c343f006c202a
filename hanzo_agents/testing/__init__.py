"""What this package offers to tests: a clock, a misbehaving server, a scripted router, cassettes.

    from hanzo_agents.testing import FakeClock, FaultServer, ScriptedRouter, answers, faults, use_cassette

Names are imported when they are first used; more of each is in its module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hanzo_agents.testing.cassettes import use_cassette
    from hanzo_agents.testing.clock import FakeClock
    from hanzo_agents.testing.fault_server import FaultServer, answers, faults
    from hanzo_agents.testing.scripted import ScriptedRouter

__all__ = ["FakeClock", "FaultServer", "ScriptedRouter", "answers", "faults", "use_cassette"]

_HOMES = {
    "FakeClock": "clock",
    "FaultServer": "fault_server",
    "ScriptedRouter": "scripted",
    "answers": "fault_server",
    "faults": "fault_server",
    "use_cassette": "cassettes",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hanzo_agents.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"hanzo_agents.testing.{home}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
