"""The three stores, the Redis one on a real server that the tests start and may kill."""

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
import redis

from hanzo_agents.stores import MemoryStore, RedisStore, SQLiteStore

STARTING = 10.0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A `redis-server` of our own: nothing on disk, a free port."""

    def __init__(self, folder, *more):
        self.folder = folder
        self.more = more
        self.port = free_port()
        self.process = None
        self.start()

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self):
        return redis.Redis(port=self.port)

    def start(self):
        program = shutil.which("redis-server")
        assert program, "redis-server is missing: apt-get install redis-server"
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             *self.more],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until = time.monotonic() + STARTING
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < until, "redis-server does not start"
                time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def redis_url(shared_redis):
    """A running server that knows nothing yet."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis.url


@pytest.fixture
def own_redis(tmp_path):
    """A server of the test's own, to be killed, frozen and started again."""
    server = Server(tmp_path)
    yield server
    server.thaw()
    server.kill()


class Cluster:
    """Two servers that share the slots of a cluster; one of them has every key of a store."""

    SLOT = 3622
    """Of keys that begin with {hanzo}."""

    def __init__(self, folders):
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port")
        self.servers = [Server(folder, *options, str(free_port())) for folder in folders]
        self.clients = [server.client() for server in self.servers]
        for (first, last), client in zip(((0, 8191), (8192, 16383)), self.clients, strict=True):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        other = self.servers[1]
        self.clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, int(other.more[-1]))
        self.wait_until_whole()

    def wait_until_whole(self):
        until = time.monotonic() + STARTING
        while not all(b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO") for client in self.clients):
            assert time.monotonic() < until, "the cluster does not come to agree"
            time.sleep(0.01)

    def move(self, to):
        """Have the slot of a store, which must be empty, at another node."""
        name = self.clients[to].execute_command("CLUSTER", "MYID")
        for client in reversed(self.clients) if to else self.clients:
            client.execute_command("CLUSTER", "SETSLOT", self.SLOT, "NODE", name)

    def close(self):
        for client, server in zip(self.clients, self.servers, strict=True):
            client.close()
            server.kill()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    cluster = Cluster([tmp_path_factory.mktemp("node") for _ in range(2)])
    yield cluster
    cluster.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request, tmp_path):
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "sqlite":
        store = SQLiteStore(tmp_path / "state.db")
    else:
        # A loaded machine is no reason to call Redis away.
        store = RedisStore(request.getfixturevalue("redis_url"), timeout=5)
    yield store
    store.close()
