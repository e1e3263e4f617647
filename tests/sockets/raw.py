"""A client that sends exactly the frames that it is told to."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from types import TracebackType

LIMIT = 20.0
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Gone(Exception):
    """The server has closed the connection."""


class Raw:
    """One WebSocket connection, opened.

    Args:
        port: the server's.
        path: what is asked for.
        extensions: those that are offered.
    """

    def __init__(self, port: int, path: str = "/echo", extensions: str = "") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        offer = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{offer}"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        self.head = head.decode()
        assert self.head.startswith("HTTP/1.1 101 "), self.head

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the socket, without a word."""
        self.socket.close()

    def send(
        self, opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, mask: bytes | None = None
    ) -> None:
        """Sends a frame."""
        self.raw(frame(opcode, payload, fin, rsv, mask))

    def raw(self, data: bytes, piece: int = 0) -> None:
        """Sends bytes, in pieces of so many if that is not 0."""
        try:
            if not piece:
                self.socket.sendall(data)
            for at in range(0, len(data) if piece else 0, piece or 1):
                self.socket.sendall(data[at : at + piece])
        except OSError:
            pass  # the server has closed: what it said comes with `frames`

    def frame(self) -> tuple[bool, int, bytes]:
        """The next frame: whether it is the last of its message, its opcode with the reserved bits, its payload."""
        first, second = self._take(2)
        assert not second & 0x80, "a server must not mask"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._take(8))
        return bool(first & 0x80), first & 0x7F, self._take(length)

    def frames(self) -> Iterator[tuple[bool, int, bytes]]:
        """The frames until the server closes the connection."""
        try:
            while True:
                yield self.frame()
        except Gone:
            return

    def _take(self, count: int) -> bytes:
        parts = [self._data]
        have = len(self._data)
        while have < count:
            self._data = b""
            self._more()
            parts.append(self._data)
            have += len(self._data)
        data = b"".join(parts)
        self._data = data[count:]
        return data[:count]

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            raise Gone
        self._data += data


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, mask: bytes | None = None) -> bytes:
    """The bytes of a frame, masked as a client's."""
    mask = os.urandom(4) if mask is None else mask
    head = bytes([(fin << 7) | (rsv << 4) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([0xFE]) + struct.pack(">H", len(payload))
    else:
        head += bytes([0xFF]) + struct.pack(">Q", len(payload))
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(len(payload), "little")
    return head + mask + masked
