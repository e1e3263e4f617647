"""Files on their way to a client."""

import os
import threading
from collections.abc import Sequence

from covet.concurrency import run_in_threadpool

Part = bytes | tuple[int, int]
"""Bytes, or where a piece of the file begins and what follows it."""

WITHOUT_WAITING: int = getattr(os, "RWF_NOWAIT", 0)


class NotAtHand(Exception):
    """What is to be read is not in memory: reading it would block."""


class FileShrunk(RuntimeError):
    """A file has become shorter since its length was announced."""


def open_file(path: str | os.PathLike[str], *, follow_symlink: bool = True) -> int:
    """Opens a file for reading, without waiting for whoever writes to a pipe. Raises OSError."""
    more = 0 if follow_symlink else os.O_NOFOLLOW
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | more)


def read_at_once(file: int, piece: tuple[int, int]) -> bytes:
    """A piece of a file, if it can be read without waiting for the disk.

    Raises:
        NotAtHand: it cannot.
        FileShrunk: the file ends before the piece does.
        OSError: it cannot be read at all.
    """
    start, end = piece
    if start == end:
        return b""
    if not WITHOUT_WAITING:
        raise NotAtHand
    data = bytearray(end - start)
    try:
        count = os.preadv(file, [data], start, WITHOUT_WAITING)
    except BlockingIOError:
        raise NotAtHand from None
    except OSError as error:
        raise NotAtHand from error  # the file system does not know the flag
    if count != len(data):
        # It may be that the rest is on the disk; reading in a thread tells.
        raise NotAtHand
    return bytes(data)


class FileSlices:
    """Gives parts of a body, pieces of a file among them, which are read in threads. It closes the file.

    Args:
        file: the descriptor.
        parts: what to give, in order.
        size: how much to read at a time, in bytes.

    Raises:
        FileShrunk: while it is iterated: the file ends before a piece does.
    """

    def __init__(self, file: int, parts: Sequence[Part], size: int) -> None:
        self.file = file
        self.parts = list(parts)
        self._size = size
        self._lock = threading.Lock()
        self._unwanted = False

    @property
    def only(self) -> tuple[int, int] | None:
        """The piece of the file, if there is nothing but one that is not empty."""
        part = self.parts[0]
        return part if len(self.parts) == 1 and not isinstance(part, bytes) and part[0] < part[1] else None

    def __aiter__(self) -> "FileSlices":
        return self

    async def __anext__(self) -> bytes:
        while self.parts:
            part = self.parts[0]
            if isinstance(part, bytes):
                return self.parts.pop(0)  # type: ignore[return-value]
            start, end = part
            if start < end:
                data = await run_in_threadpool(self._read, start, min(self._size, end - start))
                self.parts[0] = (start + len(data), end)
                return data
            del self.parts[0]
        self.close()
        raise StopAsyncIteration

    def _read(self, start: int, size: int) -> bytes:
        with self._lock:
            if self.file < 0:
                raise ValueError("the file is closed")
            data = os.pread(self.file, size, start)
        if self._unwanted:
            self.close()
        if not data:
            raise FileShrunk("the file has become shorter while it was sent")
        return data

    async def aclose(self) -> None:
        """Closes the file."""
        self.close()

    def close(self) -> None:
        """Closes the file, at once or when a thread that reads from it has done so."""
        self._unwanted = True
        if self._lock.acquire(blocking=False):
            file, self.file = self.file, -1
            self._lock.release()
            if file >= 0:
                os.close(file)

    def __del__(self) -> None:
        self.close()
