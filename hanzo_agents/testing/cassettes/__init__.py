"""Record agent runs against the real thing once, replay them in tests with no network.

    from hanzo_agents.testing.cassettes import use_cassette

    with use_cassette("weather"):                # cassettes/weather.yaml; a request that is not in it fails
        result = Runner.run_sync(agent, "Weather in Paris?")

    with use_cassette("weather", mode="all"):    # goes to the network and writes the file anew
        ...

What is stored is readable (pretty JSON, streams as lines) and holds no secrets: headers are allow-listed,
keys are taken out of queries and bodies, and a recording in which one is left is refused. docs/cassettes.md
has the rest.
"""

from __future__ import annotations

from hanzo_agents.testing.cassettes.matching import CassetteMiss
from hanzo_agents.testing.cassettes.recording import (
    Cassette,
    Interaction,
    Mode,
    UnusedRecordings,
    use_cassette,
)
from hanzo_agents.testing.cassettes.scanning import Finding, scan
from hanzo_agents.testing.cassettes.scrubbing import REQUEST_HEADERS, RESPONSE_HEADERS
from hanzo_agents.testing.cassettes.storing import CassetteError, CassetteNotFoundError, SecretFoundError

__all__ = [
    "REQUEST_HEADERS",
    "RESPONSE_HEADERS",
    "Cassette",
    "CassetteError",
    "CassetteMiss",
    "CassetteNotFoundError",
    "Finding",
    "Interaction",
    "Mode",
    "SecretFoundError",
    "UnusedRecordings",
    "scan",
    "use_cassette",
]
