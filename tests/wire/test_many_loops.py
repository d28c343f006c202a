"""One client for any number of event loops and threads, over real sockets: nobody is handed another loop's connection."""

import asyncio
import gc
import subprocess
import sys
import threading
import warnings

import pytest
from agents import Agent, RunConfig, Runner
from calls import make_call

from hanzo_agents import AsyncHanzo, Cache, Fallback, Hanzo, HanzoModelProvider, Hedge, RateLimit, Retry, track
from hanzo_agents._kernel.journal import Attempt
from hanzo_agents._kernel.reply import Reply
from hanzo_agents._kernel.tracking import tracked
from hanzo_agents._wire.transport import LoopLocalTransport, is_loopback
from hanzo_agents.testing.fault_server import FaultServer, answers, faults
from hanzo_agents.testing.scripted import ScriptedRouter

HELLO = [{"role": "user", "content": "Hello!"}]


@pytest.fixture
def router():
    with ScriptedRouter(lambda request: f"hello {request.number}") as router:
        yield router


@pytest.fixture
def client(router):
    return AsyncHanzo(router.base_url, "key-0123456789", model="m")


async def ask(client, *, stream=False):
    answer = await client.chat.completions.create(messages=HELLO, stream=stream)
    if stream:
        return "".join([c.choices[0].delta.content or "" async for c in answer if c.choices])
    return answer.choices[0].message.content


def without_warnings(work):
    """Run it, collect what it dropped, and fail on any warning, also those raised where no test can see them."""
    unraised = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hook, threading.excepthook = threading.excepthook, lambda args: unraised.append(args.exc_value)
        try:
            work()
            gc.collect()
        finally:
            threading.excepthook = hook
    assert unraised == []


def test_five_event_loops_one_after_the_other(client, router):
    def work():
        for number in range(5):
            assert asyncio.run(ask(client, stream=bool(number % 2))).startswith("hello")

    without_warnings(work)
    assert len(router.requests) == 5


async def test_a_client_that_is_dropped_lets_its_connections_go(router):
    """Also when the collector finds it, and them, long after: in a loop that goes on nobody else closes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dropped = AsyncHanzo(router.base_url, "key-0123456789", model="m")
        await ask(dropped)
        del dropped
        gc.collect()
        for _ in range(20):
            await asyncio.sleep(0)
        gc.collect()
    await router.until(lambda: router.open_connections == 0)


def test_so_does_a_synchronous_one(router):
    def work():
        client = Hanzo(router.base_url, "key-0123456789", model="m")
        client.chat.completions.create(messages=HELLO)
        client.chat.completions.create(messages=HELLO)
        del client
        gc.collect()

    without_warnings(work)
    asyncio.run(router.until(lambda: router.open_connections == 0))


def test_runs_one_after_the_other_on_one_thread(router):
    """`run_sync` keeps its loop, and shuts the loop's generators down after each run."""
    provider = HanzoModelProvider(router.base_url, "key-0123456789", model="m")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            config = RunConfig(model_provider=provider)
            assert Runner.run_sync(Agent(name="A"), "Hello!", run_config=config).final_output.startswith("hello")
        assert len(loop._asyncgens) == 0, "each run has closed its connections"
        asyncio.set_event_loop(None)
        loop.close()
        gc.collect()
    ours = [str(one.message) for one in caught if "_Pools" in str(one.message) or "hanzo" in one.filename]
    assert ours == []
    assert "unclosed" not in "".join(str(one.message) for one in caught)


def test_eight_threads_at_once(router):
    provider = HanzoModelProvider(router.base_url, "key-0123456789", model="m")
    outputs = []

    def run():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            config = RunConfig(model_provider=provider)
            outputs.append(Runner.run_sync(Agent(name="A", model="m"), "Hello!", run_config=config).final_output)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def work():
        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    without_warnings(work)
    assert len(outputs) == 8


def test_a_loop_that_was_closed_without_ceremony_harms_nobody(client):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(ask(client))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    assert asyncio.run(ask(client)).startswith("hello")


LOOPS_THAT_WERE_ONLY_CLOSED = """
import asyncio, gc, sys
from hanzo_agents import AsyncHanzo
from hanzo_agents._wire.transport import LoopLocalTransport

client = AsyncHanzo(sys.argv[1], "key-0123456789", model="m")
for _ in range(3):
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.chat.completions.create(messages=[{"role": "user", "content": "Hello!"}]))
    loop.close()
[transport] = [one for one in gc.get_objects() if type(one) is LoopLocalTransport and one._pools]
print(len(transport._pools))
"""


def test_the_connections_of_closed_loops_do_not_pile_up(router):
    # Apart: asyncio warns of what nobody closed whenever the collector comes by.
    script = [sys.executable, "-W", "ignore", "-c", LOOPS_THAT_WERE_ONLY_CLOSED, router.base_url]
    assert subprocess.run(script, capture_output=True, text=True, check=True).stdout == "1\n"


def test_many_calls_at_once_in_one_loop(client, router):
    async def work():
        return await asyncio.gather(*(ask(client, stream=bool(n % 2)) for n in range(30)))

    assert len(set(asyncio.run(work()))) == 30


async def test_after_closing_the_client_opens_anew(client):
    await ask(client)
    await client.close()
    assert (await ask(client)).startswith("hello")
    await client.close()


async def test_a_target_elsewhere_shares_the_transport(router):
    from hanzo_agents import Retry, Target

    with ScriptedRouter([{"error": {"message": "x", "type": "server_error"}}]) as broken:
        client = AsyncHanzo(
            broken.base_url, "key-0123456789", model="m", policies=[Retry(attempts=1)],
            fallbacks=[Target("m", base_url=router.base_url, api_key="other-0123456789")],
        )  # fmt: skip
        assert (await ask(client)).startswith("hello")
        await client.close()


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy.test:8080"}, ("https", "router.test"), "http://proxy.test:8080"),
        ({"HTTPS_PROXY": "http://proxy.test:8080"}, ("http", "router.test"), None),
        ({"ALL_PROXY": "http://proxy.test:8080"}, ("https", "router.test"), "http://proxy.test:8080"),
        ({"HTTPS_PROXY": "http://p.test", "NO_PROXY": "router.test"}, ("https", "router.test"), None),
        ({"HTTPS_PROXY": "http://p.test", "NO_PROXY": ".test"}, ("https", "router.test"), None),
        ({"HTTPS_PROXY": "http://p.test", "NO_PROXY": "*"}, ("https", "router.test"), None),
        ({"HTTPS_PROXY": "http://p.test", "ALL_PROXY": "http://p.test"}, ("https", "127.0.0.1"), None),
        ({"HTTP_PROXY": "http://p.test"}, ("http", "localhost"), None),
        ({}, ("https", "router.test"), None),
    ],
    ids=str,
)
def test_proxies_of_the_environment_are_honoured(monkeypatch, environment, url, proxy):
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert LoopLocalTransport()._proxy_for(*url) == proxy


def test_a_proxy_of_ones_own_serves_everything_but_this_machine(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://other.test")
    transport = LoopLocalTransport(proxy="http://mine.test")
    assert transport._proxy_for("https", "router.test") == "http://mine.test"
    assert transport._proxy_for("http", "127.0.0.1") is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("127.255.0.9", True), ("::1", True),
        ("[::1]", True), ("127.0.0.1.evil.test", False), ("127.evil.test", False), ("notlocalhost", False),
        ("localhost.evil.test", False), ("0.0.0.0", False), ("10.0.0.1", False), ("router.test", False),
    ],
)  # fmt: skip
def test_what_this_machine_is(host, local):
    assert is_loopback(host) is local


def test_an_unencrypted_pool_loads_no_certificates():
    import ssl

    context = LoopLocalTransport()._ssl_context(needed=False)
    assert isinstance(context, ssl.SSLContext)
    assert context.get_ca_certs() == []


def test_certificates_are_loaded_once_for_all_loops():
    transport = LoopLocalTransport()
    assert transport._ssl_context(needed=True) is transport._ssl_context(needed=True)


async def test_streams_that_were_dropped_give_their_connections_back(router):
    """Nobody closes them; a pool of two connections serves ten all the same."""
    from hanzo_agents._wire import transport

    client = AsyncHanzo(router.base_url, "key-0123456789", model="m")
    original, transport.CONNECTIONS = transport.CONNECTIONS, 2
    try:
        for read in (0, 1) * 5:
            stream = await client.chat.completions.create(messages=HELLO, stream=True)
            for _ in range(read):
                await anext(stream)
            del stream
            gc.collect()
            await asyncio.sleep(0)
        assert (await ask(client)).startswith("hello")
    finally:
        transport.CONNECTIONS = original
        await client.close()


@pytest.mark.parametrize("policies", [[], None, [Cache(), Hedge(after=60), RateLimit(max_concurrent=4)]])
async def test_a_stream_that_is_dropped_is_settled_at_once_and_in_silence(router, policies):
    """Without waiting for the garbage collector, and without an error in a task that nobody has."""
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    client = AsyncHanzo(router.base_url, "key-0123456789", model="m", policies=policies)
    gc.collect()
    gc.disable()
    try:
        with track() as journals:
            stream = await client.chat.completions.create(messages=HELLO, stream=True)
            async for _ in stream:
                break
            assert journals[0].ended is None
            del stream
            for _ in range(20):
                await asyncio.sleep(0)
            assert journals[0].ended is not None
    finally:
        gc.enable()
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert reported == []
    await client.close()


@pytest.mark.parametrize(
    "policies",
    [[Retry(attempts=2, base_delay=0)], [Fallback(to=["n"])], [Hedge(after=0.01, to=["n"], max_extra_spend=1.0)]],
)
async def test_a_kept_journal_does_not_keep_a_dropped_stream(policies):
    """Neither the failed attempts nor the lost leg of a call hold its answer."""
    limit = RateLimit(max_concurrent=3)
    with FaultServer() as server:
        first = faults.hang() if isinstance(policies[0], Hedge) else faults.status(500)
        server.script(first, answers.text("hello there " * 40, pieces=40))
        client = AsyncHanzo(server.base_url, "key-0123456789", model="m", policies=[*policies, limit])
        with track() as journals:
            stream = await client.chat.completions.create(messages=HELLO, stream=True)
            async for _ in stream:
                break
            assert len(journals[0].attempts) == 2
            gc.collect()
            del stream
            for _ in range(20):
                await asyncio.sleep(0)
            assert journals[0].ended is not None
            assert [limit.state(name).under_way for name in "mn"] == [0, 0]
        await client.close()


async def test_errors_that_are_their_own_cause_hold_nobody_up():
    """`raise error from error` makes a circle of one."""
    error = ValueError("mine")
    error.__cause__ = error

    async def service(call):
        for fault in (error, None):
            call.begin(Attempt(1, "m", 0.0, error=fault))
        return Reply("answer")

    assert (await tracked(service, make_call())).value == "answer"
