"""Connecting to a host: which of its addresses is taken."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from itertools import zip_longest
from typing import TYPE_CHECKING

import httpcore2

from hanzo_agents._wire.encrypted import Encrypted
from hanzo_agents._wire.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hanzo_agents._wire.encrypted import Encryption

__all__ = ["open_socket"]

NEXT_ADDRESS_AFTER = 0.25
"""Seconds after which a host's next address is tried beside one that does not answer (RFC 8305)."""


async def open_socket(
    host: str,
    port: int,
    encryption: Encryption | None = None,
    timeout: float | None = None,  # noqa: ASYNC109 - as httpcore has it
) -> Socket:
    """Connect, encrypted if it is to be.

    Raises:
        httpcore2.ConnectTimeout: it took more than `timeout` seconds.
        httpcore2.ConnectError: nobody is there, or nobody with that name in a certificate that is trusted.
    """
    loop = asyncio.get_running_loop()

    async def connect(address: str) -> Socket:
        if encryption is None:
            return (await loop.create_connection(Socket, address, port))[1]
        encrypted = Encrypted(*encryption)
        await loop.create_connection(lambda: encrypted, address, port)
        await encrypted.agreed()
        return encrypted

    try:
        async with asyncio.timeout(timeout):
            if _is_address(host):
                return await connect(host)
            return await _first(connect, await _addresses(host, port))
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(error) from error
    except (OSError, ValueError) as error:  # also of a certificate, also of a name that none can have
        raise httpcore2.ConnectError(error) from error


async def _addresses(host: str, port: int) -> list[str]:
    """A host's addresses. The families take turns, as one of them may lead nowhere."""
    families: dict[int, list[str]] = {}
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, _, _, _, address in found:
        families.setdefault(family, []).append(str(address[0]))
    return [address for turn in zip_longest(*families.values()) for address in turn if address is not None]


async def _first(connect: Callable[[str], Awaitable[Socket]], addresses: list[str]) -> Socket:
    """The first connection that stands. asyncio's own race loses sockets when it is cancelled, uvloop has none."""
    failed: BaseException = OSError("the name has no address")
    won: asyncio.Future[Socket] | None = None
    tries: list[asyncio.Future[Socket]] = []
    running: set[asyncio.Future[Socket]] = set()
    try:
        while addresses or running:
            if addresses:
                address, *addresses = addresses
                tries.append(asyncio.ensure_future(connect(address)))
                running.add(tries[-1])
            wait = NEXT_ADDRESS_AFTER if addresses else None
            ended, running = await asyncio.wait(running, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                if (error := one.exception()) is None:
                    won = one
                    return won.result()
                failed = error
        raise failed
    finally:
        for one in tries:
            if one is not won:
                one.cancel()
                one.add_done_callback(_close_late)


def _close_late(connecting: asyncio.Future[Socket]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
