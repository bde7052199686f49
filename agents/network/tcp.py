"""Frames over TCP: four bytes with the length, then that many.

Not mango's own TCP container: its pool goes on writing to sockets whose peer is gone (sends return
True, nothing arrives), it knows no TLS, and takes frames of any length from anybody.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from quartier.agents.network.port import (
    HANDSHAKE_S,
    MOST_UNKNOWN,
    MOST_UNKNOWN_BYTES,
    Arrived,
    Called,
    Caller,
    Dropped,
    Gone,
    Lost,
    Port,
    Wire,
)
from quartier.errors import InputError

HEAD = struct.Struct(">I")
"""Length of what follows in bytes."""

KEEPALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""A machine that is gone without a word is found out after 20 s and 4 times 5 s more; where the
system does not know these settings, after hours."""

LAST_WORDS_S = 2.0
"""Longest wall time in s to send what is left at the end."""


def keep_alive(connection: socket.socket) -> None:
    """Let the system see whether the other side is still there, also while nobody speaks."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class TcpPort(Port):
    """Listens on an address; an event loop in a thread of its own carries everything."""

    def __init__(
        self, host: str, port: int, most_bytes: int, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(most_bytes)
        self._writers: dict[Caller, asyncio.StreamWriter] = {}
        self._trusted: set[Caller] = set()
        self._number = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp", daemon=True)
        self._thread.start()
        try:
            self._server = self._do(self._listen(host, port, tls))
        except OSError as error:
            self._stop()
            raise InputError(
                [f"communication.network.address: cannot listen on {host}:{port}: {error}"]
            ) from error
        bound = self._server.sockets[0].getsockname()[1]
        self._address = f"tcp://{host}:{bound}"

    @property
    def address(self) -> str:
        """What agents' processes connect to."""
        return self._address

    async def _listen(self, host: str, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
        more: dict[str, Any] = {} if tls is None else {"ssl_handshake_timeout": HANDSHAKE_S}
        return await asyncio.start_server(self._serve, host, port, ssl=tls, **more)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        caller = str(self._number)
        if len(self._writers) - len(self._trusted) >= MOST_UNKNOWN:
            writer.close()
            return
        self._writers[caller] = writer
        keep_alive(writer.get_extra_info("socket"))
        self.events.put(Called(caller))
        patience = self._loop.call_later(HANDSHAKE_S, self._close_unknown, caller)
        try:
            while True:
                self.events.put(Arrived(caller, await self._read(reader, caller)))
        except (OSError, EOFError, ValueError):
            pass
        finally:
            patience.cancel()
            self._writers.pop(caller, None)
            self._trusted.discard(caller)
            self.events.put(Lost(caller))
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, caller: Caller) -> bytes:
        (length,) = HEAD.unpack(await reader.readexactly(HEAD.size))
        most = self.most_bytes if caller in self._trusted else MOST_UNKNOWN_BYTES
        if length > most:
            self.events.put(Dropped("oversized"))
            raise ValueError("too long")
        return await reader.readexactly(length)

    def send(self, caller: Caller, payload: bytes) -> None:
        """Send something to a caller, if it is still there."""
        self._later(self._write, caller, payload)

    def trust(self, caller: Caller) -> None:
        """Let a caller send long frames."""
        self._later(self._trusted.add, caller)

    def hang_up(self, caller: Caller) -> None:
        """Let go of a caller, after all that was sent to it."""
        self._later(self._close_one, caller)

    def _write(self, caller: Caller, payload: bytes) -> None:
        writer = self._writers.get(caller)
        if writer is not None and not writer.is_closing():
            writer.write(HEAD.pack(len(payload)) + payload)

    def _close_unknown(self, caller: Caller) -> None:
        if caller not in self._trusted:
            self._close_one(caller)

    def _close_one(self, caller: Caller) -> None:
        writer = self._writers.get(caller)
        if writer is not None:
            writer.close()

    def _later(self, work: Callable[..., object], *given: object) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(work, *given)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Send what is left, and let go of everybody."""
        self._do(self._close())
        self._stop()

    async def _close(self) -> None:
        self._server.close()
        writers = list(self._writers.values())
        for writer in writers:
            writer.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await asyncio.gather(*(w.wait_closed() for w in writers), return_exceptions=True)
        own = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class TcpWire(Wire):
    """One connection to a :class:`TcpPort` (OSError: there is none)."""

    def __init__(
        self, host: str, port: int, most_bytes: int, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(most_bytes)
        plain = socket.create_connection((host, port), timeout=HANDSHAKE_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(plain)
        try:
            self._socket = plain if tls is None else tls.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise

    def send(self, payload: bytes) -> None:
        """Send something."""
        try:
            self._socket.settimeout(None)
            self._socket.sendall(HEAD.pack(len(payload)) + payload)
        except OSError as error:
            raise Gone(str(error)) from error

    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for something; TimeoutError if nothing comes."""
        self._socket.settimeout(timeout_s)
        (length,) = HEAD.unpack(self._read(HEAD.size))
        if length > self.most_bytes:
            raise Gone(f"a frame of {length} bytes is too long")
        return self._read(length)

    def _read(self, count: int) -> bytes:
        parts, left = [], count
        while left:
            try:
                part = self._socket.recv(min(left, 2**20))
            except TimeoutError:
                raise
            except OSError as error:
                raise Gone(str(error)) from error
            if not part:
                raise Gone("the orchestrator hung up")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Let go."""
        self._socket.close()
