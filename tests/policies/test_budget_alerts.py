"""Who is told that a budget fills up: once, soon, and never at a call's expense."""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
import threading
import time
from datetime import timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest
import trustme
from calls import Inner, PlainView, make_call

from hanzo_agents import Budget, BudgetAlerts, ConfigError, MemoryStore, Price, SQLiteStore
from hanzo_agents.policies.budget import Alert, webhook
from hanzo_agents.policies.budget import alerts as delivering
from hanzo_agents.policies.budget.webhook import WebhookError, post
from hanzo_agents.testing.clock import FakeClock

PRICES = {"m": Price(input=0, output=100)}
ALERT = Alert("default", "daily", 0.8, Decimal(10), Decimal("8.000000001"), 1_700_006_400.0)


class Told(list):
    """A callback that remembers, and waits for what it expects."""

    def __call__(self, alert):
        self.append(alert)

    def wait_for(self, count):
        until = time.monotonic() + 10
        while len(self) < count and time.monotonic() < until:
            time.sleep(0.002)
        return [(alert.budget_type, alert.threshold, alert.spent) for alert in self]


def spending(told, store=None, **fields):
    watch = BudgetAlerts(thresholds=[0.5, 0.8, 1.0], callback=told)
    policy = Budget(**{"store": store or MemoryStore(), "prices": PRICES, "alerts": watch, **fields})

    async def spend(tokens):
        await policy(make_call(view=PlainView(text="", max_output=tokens)), Inner())

    return spend


class TestThresholds:
    async def test_each_is_told_once_a_window(self):
        with FakeClock() as clock:
            spend = spending(told := Told(), daily="0.1")
            for _ in range(3):
                await spend(200)
            assert told.wait_for(1) == [("daily", 0.5, Decimal("0.06"))]
            await spend(200)
            assert told.wait_for(2)[1:] == [("daily", 0.8, Decimal("0.08"))]
            clock.advance(timedelta(days=1))
            await spend(600)
            assert told.wait_for(3)[2:] == [("daily", 0.5, Decimal("0.06"))]

    async def test_a_jump_over_several_tells_each(self):
        with FakeClock():
            await spending(told := Told(), daily="0.1", monthly=10)(1000)
            assert sorted(alert[1] for alert in told.wait_for(3)) == [0.5, 0.8, 1.0]

    async def test_of_all_processes_one_tells(self, tmp_path):
        told = Told()
        with FakeClock():
            stores = [SQLiteStore(tmp_path / "x.db") for _ in range(3)]
            for store in stores:
                await spending(told, store, daily="0.1")(200)
            for store in stores:
                await spending(told, store, daily="0.1")(100)
            assert told.wait_for(2)
            for store in stores:
                store.close()
        assert sorted(alert.threshold for alert in told) == [0.5, 0.8]

    async def test_a_limit_of_nothing_is_never_half_full(self):
        with FakeClock():
            await spending(told := Told(), daily=0, monthly=1)(0)
        assert not told

    @pytest.mark.parametrize(
        "fields",
        [
            {"thresholds": []}, {"thresholds": [0]}, {"thresholds": ["0.5"]}, {"thresholds": [float("nan")]},
            {"thresholds": 0.5}, {"thresholds": "0.5"}, {"thresholds": [True]}, {"callback": "x"}, {"secret": ""},
            {"callback": None},
        ],
        ids=str,
    )  # fmt: skip
    def test_what_makes_no_sense_is_refused(self, fields):
        with pytest.raises(ConfigError, match="BudgetAlerts"):
            BudgetAlerts(**{"callback": print, **fields})

    def test_alerts_need_something_to_watch(self):
        with pytest.raises(ConfigError, match=r"Budget.alerts: they watch daily= and monthly="):
            Budget(per_call=1, alerts=BudgetAlerts(callback=print), store=MemoryStore())


class TestDelivery:
    async def test_a_callback_may_be_slow_fail_or_be_awaited(self, caplog):
        began, release, seen = threading.Event(), threading.Event(), []

        async def waits(alert):
            await asyncio.sleep(0)
            seen.append(alert.threshold)

        def blocks(alert):
            began.set()
            release.wait(10)
            raise ValueError("no")

        with FakeClock():
            await spending(blocks, daily="0.1")(500)  # returns although the callback has not
            assert began.wait(10)
            release.set()
            await spending(waits, daily="0.1")(500)
        delivering._deliveries.finish()
        assert seen == [0.5]
        assert "a budget alert's callback failed" in caplog.text

    def test_the_end_of_the_process_waits_a_moment(self, monkeypatch):
        monkeypatch.setattr(delivering, "GRACE", 0.0)
        release = threading.Event()
        delivering._deliveries.begin(BudgetAlerts(callback=lambda _: release.wait(10)), ALERT)
        delivering._deliveries.finish()
        release.set()

    def test_a_webhook_is_tried_three_times_and_then_logged(self, monkeypatch, caplog):
        tries = []

        def fails(url, body, *, secret):
            tries.append(body)
            raise WebhookError("webhook x: answered 500")

        monkeypatch.setattr(delivering, "post", fails)
        monkeypatch.setattr(delivering, "WAITS", (0, 0, 0))
        delivering._deliver(BudgetAlerts(webhook="https://hooks.example/secret"), ALERT)
        assert len(tries) == 3
        assert "not delivered" in caplog.text
        assert "secret" not in caplog.text

    def test_the_payload_holds_amounts_exactly_and_no_prompt(self):
        assert ALERT.payload() == {
            "event": "budget_alert", "budget": "default", "budget_type": "daily", "threshold": 0.8,
            "limit": "10", "spent": "8.000000001", "resets_at": 1_700_006_400.0,
        }  # fmt: skip
        assert str(ALERT) == "daily budget 'default': $8.000000001 of $10 spent (past 80%)"

    def test_nothing_secret_shows(self):
        shown = repr(BudgetAlerts(webhook="https://hooks.example/T0/s3cret", secret="s3cret"))
        assert "s3cret" not in shown


class Hook:
    """A TLS server of this machine that a webhook is posted to."""

    def __init__(self, authority, name):
        self.requests, self.answer = [], b"HTTP/1.1 204 No Content\r\n\r\n"
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.requests.append((self.path, dict(self.headers), body))
                hook.reply(self.wfile)

            def log_message(self, *_):
                pass

        class Server(HTTPServer):
            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def reply(self, wfile):
        wfile.write(self.answer)

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


class TestTheWire:
    """Only here may a webhook go to this machine: the tests put their own answers in place of two private functions."""

    @pytest.fixture
    def hook(self, authority, monkeypatch):
        hook = Hook(authority, "hooks.example")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        monkeypatch.setattr(webhook, "_context", lambda: context)
        monkeypatch.setattr(webhook, "_is_public", lambda _: True)
        resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, *args, **more: resolve("127.0.0.1", *args, **more))
        yield hook
        hook.stop()

    def test_what_arrives(self, hook):
        post(f"https://hooks.example:{hook.port}/a?b=c", b'{"x": 1}', secret="key")
        ((path, headers, body),) = hook.requests
        assert (path, body) == ("/a?b=c", b'{"x": 1}')
        assert headers["Host"] == f"hooks.example:{hook.port}"
        assert headers["Content-Type"] == "application/json"
        assert headers["X-Hanzo-Signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()

    @pytest.mark.parametrize("status", [b"301 Moved\r\nLocation: https://169.254.169.254/", b"500 No", b"404 No"])
    def test_another_answer_is_a_failure_and_no_redirect_is_followed(self, hook, status):
        hook.answer = b"HTTP/1.1 " + status + b"\r\n\r\n"
        with pytest.raises(WebhookError, match=r"webhook hooks\.example: answered"):
            post(f"https://hooks.example:{hook.port}/secret", b"{}")
        assert len(hook.requests) == 1

    def test_the_certificate_must_be_the_hosts(self, hook):
        with pytest.raises(WebhookError, match="CERTIFICATE_VERIFY_FAILED") as failed:
            post(f"https://other.example:{hook.port}/secret", b"{}")
        assert "/secret" not in str(failed.value)

    def test_a_server_that_never_ends_is_left(self, hook, monkeypatch):
        monkeypatch.setattr(webhook, "TIMEOUT", 0.2)
        stop = threading.Event()
        monkeypatch.setattr(hook, "reply", lambda wfile: drip(wfile, stop))
        try:
            with pytest.raises(WebhookError, match=r"webhook hooks\.example"):
                post(f"https://hooks.example:{hook.port}/", b"{}")
        finally:
            stop.set()

    def test_its_time_begins_when_there_is_a_connection_to_cut(self, hook, monkeypatch):
        connected = []

        class Timer(threading.Timer):
            def start(self):
                connected.append(self.args[0].sock is not None)
                super().start()

        monkeypatch.setattr(threading, "Timer", Timer)
        post(f"https://hooks.example:{hook.port}/", b"{}")
        assert connected == [True]

    def test_one_that_has_just_ended_by_itself_is_cut_in_vain(self):
        with socket.socket() as unconnected:
            webhook._cut(SimpleNamespace(sock=unconnected))

    def test_it_is_all_used_together(self, hook):
        watch = BudgetAlerts(thresholds=[0.5], webhook=f"https://hooks.example:{hook.port}/x")
        policy = Budget(daily="0.1", alerts=watch, store=MemoryStore(), prices=PRICES)
        with FakeClock():
            asyncio.run(policy(make_call(view=PlainView(text="", max_output=600)), Inner()))
        delivering._deliveries.finish()
        ((_, _, body),) = hook.requests
        assert json.loads(body)["spent"] == "0.060000000"


def drip(wfile, stop):
    try:
        while not stop.wait(0.05):
            wfile.write(b"H")
    except OSError:
        return


class TestWhereTo:
    @pytest.mark.parametrize(
        "url",
        [
            "http://hooks.example/x", "file:///etc/passwd", "ftp://hooks.example", "hooks.example/x", "", None, 5,
            "https://", "https:///x", "https://user:pw@hooks.example/", "https://127.0.0.1/x", "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
            "https://[fe80::1]/", "https://[64:ff9b::a00:1]/", "https://0.0.0.0/", "https://hooks.example:99999/",
            "https://hooks.example/a\r\nb",
        ],
    )  # fmt: skip
    def test_only_https_to_a_public_host(self, url):
        with (
            pytest.raises(ConfigError, match=r"BudgetAlerts\.webhook: expected an https")
            if url is not None
            else pytest.raises(ConfigError)
        ):
            BudgetAlerts(webhook=url)

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.9.9",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fc00::1",
            "fe80::1",
            "::ffff:192.168.0.1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
        ],
    )
    def test_a_name_that_leads_inside_is_refused_when_it_is_resolved(self, monkeypatch, address):
        found = [(None, None, None, "", ("93.184.216.34", 443)), (None, None, None, "", (address, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("connected"))
        with pytest.raises(WebhookError, match="is not a public address"):
            post("https://rebind.example/", b"{}")

    @pytest.mark.parametrize(
        "address",
        ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"],
    )
    def test_public_addresses_are_public(self, address):
        assert webhook._is_public(ipaddress.ip_address(address))

    def test_the_name_is_resolved_once_and_that_address_used(self, monkeypatch):
        resolved, connected = [], []

        def resolve(*_, **__):
            resolved.append(1)
            return [(None, None, None, "", ("93.184.216.34", 443))]

        def connect(address, timeout):
            connected.append(address)
            raise OSError("refused")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(socket, "create_connection", connect)
        with pytest.raises(WebhookError, match="refused"):
            post("https://hooks.example/", b"{}")
        assert (len(resolved), connected) == (1, [("93.184.216.34", 443)])
