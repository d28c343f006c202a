"""What scripts/record does: start the node and the router, run the scenarios through them, write the cassettes."""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from hanzo_agents.node import LocalNode
from hanzo_agents.testing.cassettes import use_cassette

ROOT = Path(__file__).resolve().parents[2]
CASSETTES = ROOT / "cassettes"
LOG = ROOT / ".venv-router" / "router.log"
PATIENCE = 180.0  # seconds for the router to start: it imports for a long time

sys.path.insert(0, str(ROOT / "tests" / "cassettes"))
from router_scenarios import MODEL, SCENARIOS, Router  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Generator


def main() -> int:
    """Record what was asked for; 1 when a scenario failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/record", description="Record cassettes against the real router."
    )
    parser.add_argument("names", nargs="*", metavar="name", help="scenarios to record; all of them by default")
    parser.add_argument("--list", action="store_true", help="print the scenarios and stop")
    arguments = parser.parse_args()
    if arguments.list:
        print(*SCENARIOS, sep="\n")
        return 0
    if unknown := [name for name in arguments.names if name not in SCENARIOS]:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "HANZO_"))]:
        del os.environ[name]  # recordings do not depend on whose machine it is

    key = f"sk-{secrets.token_hex(24)}"
    print("==> Starting the embedded node")
    with LocalNode(name=MODEL) as node:
        print(f"==> Starting the router (its log: {LOG.relative_to(ROOT)})")
        with router_for(node, key) as url:
            failed = [name for name in arguments.names or SCENARIOS if not record(name, url, key)]
    print(
        f"{len(failed)} failed: {', '.join(failed)}" if failed else "All recorded; replay them with scripts/test."
    )
    return 1 if failed else 0


def record(name: str, url: str, key: str) -> bool:
    """Record one scenario; False, and the old cassette stays, when it failed."""
    started = time.monotonic()
    print(f"==> Recording {name} ...", end=" ", flush=True)
    try:
        with use_cassette(name, mode="all", directory=CASSETTES, secrets=[key]) as cassette:
            asyncio.run(SCENARIOS[name](Router(url=url, key=key, cassette=cassette)))
            requests = len(cassette.interactions)
    except Exception:  # noqa: BLE001 - the next scenario may work
        print("failed")
        traceback.print_exc()
        return False
    print(f"{requests} request(s), {time.monotonic() - started:.1f} s")
    return True


@contextmanager
def router_for(node: LocalNode, key: str) -> Generator[str]:
    """The router as a process of its own, in front of the node. Yields its address."""
    port = free_port()
    environment = {
        **os.environ,
        "HANZO_ROUTER_MASTER_KEY": key,
        "HANZO_NODE_URL": node.base_url,
        "HANZO_DEAD_URL": f"http://127.0.0.1:{free_port()}/v1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it downloads a price list
    }
    command = [str(ROOT / ".venv-router/bin/llm"), "--config", str(ROOT / "scripts/router/config.yaml")]
    with LOG.open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"],
            env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=LOG.parent,
        )  # fmt: skip
    try:
        wait_until_alive(process, f"http://127.0.0.1:{port}/health/liveliness")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_alive(process: subprocess.Popen[bytes], url: str) -> None:
    """Poll until the router answers; say why when it does not."""
    deadline = time.monotonic() + PATIENCE
    with httpx2.Client(trust_env=False) as client:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if client.get(url).is_success:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.25)
    reason = "did not answer in time" if process.returncode is None else f"ended with {process.returncode}"
    raise SystemExit(f"The router {reason}. Its log ends with:\n{LOG.read_text(errors='replace')[-2000:]}")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
