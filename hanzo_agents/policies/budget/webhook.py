"""A message to somebody's web server, sent so that it can reach nothing but a public one.

The address in a webhook may be chosen, or its name resolved, by somebody who wants to see what lies behind our
firewall. So: https only; the name is resolved once, every address it has must be public, and the connection goes
to that very address; redirects are not followed; and what the server answers is not read beyond its status.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hanzo_agents.errors import ConfigError, HanzoError

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["WebhookError", "check_url", "post"]

TIMEOUT = 3.0
"""Seconds to connect, to agree on the encryption, and for the message with its answer: each."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class WebhookError(HanzoError):
    """The message was not taken. Says the host only: the rest of the address may be a secret."""


def check_url(field: str, url: object) -> str:
    """An address that may be posted to, as far as can be told without asking for it.

    Raises:
        ConfigError: it is not https, has no host or a password, or names an address that is not public.
    """
    expected = "an https:// address on a public host"
    if not isinstance(url, str):
        raise ConfigError(f"{field}: expected {expected}, got {type(url).__name__}")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{field}: expected {expected}") from None
    if parts.scheme != "https":
        raise ConfigError(f"{field}: expected {expected}, got the scheme {parts.scheme!r}")
    if not host or parts.username is not None or parts.password is not None or not url.isprintable():
        raise ConfigError(f"{field}: expected {expected}, without user and password")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return url
    if not _is_public(literal):
        raise ConfigError(f"{field}: expected {expected}, got {host}")
    return url


def post(url: str, body: bytes, *, secret: str | None = None) -> None:
    """Send JSON, and wait for it to be taken.

    Args:
        url: checked by `check_url`.
        body: JSON.
        secret: signs the body: header `X-Hanzo-Signature`, "sha256=" and the HMAC in hex.

    Raises:
        WebhookError: it was not taken in time, was answered with another status than 2xx, or the host
            is not public.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    headers = {"Content-Type": "application/json", "User-Agent": "hanzo-agents", "Connection": "close"}
    if secret is not None:
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        headers["X-Hanzo-Signature"] = f"sha256={signature}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        status = _status(_Pinned(host, port, _address(host, port)), path, body, headers)
    except (OSError, http.client.HTTPException) as error:
        raise WebhookError(f"webhook {host}: {type(error).__name__}: {error}") from None
    if not 200 <= status < 300:
        raise WebhookError(f"webhook {host}: answered {status}", status_code=status)


class _Pinned(http.client.HTTPSConnection):
    """A connection to one address, whose certificate must be the host's."""

    def __init__(self, host: str, port: int, address: str) -> None:
        self._tls = _context()
        self._address = address
        super().__init__(host, port, timeout=TIMEOUT, context=self._tls)

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), TIMEOUT)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


def _status(connection: _Pinned, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection.connect()
    # A server that sends a byte a second keeps within every single timeout.
    late = threading.Timer(TIMEOUT, _cut, [connection])
    late.daemon = True
    late.start()
    try:
        connection.request("POST", path, body, headers)
        return connection.getresponse().status
    finally:
        late.cancel()
        connection.close()


def _cut(connection: _Pinned) -> None:
    # It may be ending by itself at this moment.
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _address(host: str, port: int) -> str:
    """The first address of a host, all of whose addresses are public."""
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    for address in found:
        if not _is_public(ipaddress.ip_address(address.partition("%")[0])):
            raise WebhookError(f"webhook {host}: {address} is not a public address")
    return found[0]


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # Addresses that stand for one of version 4 are what that one is.
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()
