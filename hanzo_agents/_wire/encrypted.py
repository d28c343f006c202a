"""A socket whose data are encrypted, by OpenSSL in memory.

asyncio's own encryption keeps a buffer of 256 KiB for every connection, which is most of what a stream would cost.
"""

from __future__ import annotations

import ssl

import httpcore2
from typing_extensions import override

from hanzo_agents._wire.sockets import Socket

__all__ = ["Encrypted", "Encryption"]

Encryption = tuple[ssl.SSLContext, str]
"""The context, and the name that the other side's certificate must have."""

RECORD = 1 << 14
"""Bytes that are decrypted at once: TLS has no more in a record."""

PART = 1 << 16
"""Bytes that OpenSSL is given at once, of either kind: it keeps room for the most that it ever held."""


class Encrypted(Socket):
    """A socket that is of use once it is `agreed` how to encrypt.

    Args:
        context: whom to trust, and what to agree to.
        name: that the other side's certificate must have.

    Raises:
        ValueError: nobody can have that name.
    """

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        super().__init__()
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._received, self._to_send, server_hostname=name)
        self._agreed = False

    async def agreed(self) -> None:
        """Agree on an encryption. Closed when that fails or is given up.

        Raises:
            OSError: the other side is not who it should be, speaks no TLS that the context allows, or is gone.
        """
        try:
            while not self._shaken():
                if self.ended:
                    raise self.error or ConnectionResetError("closed before it was encrypted")  # noqa: TRY301
                await self._changed(None)
        except BaseException:
            self.close()
            raise
        self._agreed = True
        self._decrypt()  # what came along

    def _shaken(self) -> bool:
        """Go on with the handshake as far as that is possible; whether it is over."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:  # also why it is refused
            self._flush()
        return True

    @override
    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PART):
            self._received.write(data[start : start + PART])
            if self._agreed:
                self._decrypt()
        self._wake()  # also a `write` that TLS has keep waiting

    def _decrypt(self) -> None:
        try:
            while data := self.tls.read(RECORD):
                super().data_received(data)
            self.eof_received()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._broken(error)
        self._flush()  # TLS has things of its own to say

    @override
    def eof_received(self) -> bool:
        super().eof_received()
        self.transport.abort()  # there is no half of it, and once asyncio itself is closing it nobody else can
        return False

    @override
    async def write(self, data: bytes, timeout: float | None = None) -> None:
        left = memoryview(data)
        while left and not (self.error or self.ended):
            try:
                left = left[self.tls.write(left[:PART]) :]
            except ssl.SSLWantReadError:  # the other side wants to agree anew first
                self._flush()
                try:
                    await self._changed(timeout)
                except TimeoutError as error:
                    raise httpcore2.WriteTimeout(error) from error
            except ssl.SSLError as error:
                self._broken(error)
            else:
                await super().write(self._to_send.read(), timeout)

    def _broken(self, error: ssl.SSLError) -> None:
        self.error = self.error or error
        self._flush()
        self.transport.abort()
        self._wake()

    def _flush(self) -> None:
        """Send what OpenSSL has to say by itself."""
        if (sealed := self._to_send.read()) and not self.transport.is_closing():
            self.transport.write(sealed)
