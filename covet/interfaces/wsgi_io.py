"""The files of WSGI: what a request's body is read from, and what sends a file."""

import io
from collections.abc import Callable
from typing import Any

PIECE = 65536


class RequestBody(io.BufferedReader):
    """A request's body as a file.

    Args:
        next_piece: waits for the next piece of the body and returns it, b"" at the end.
    """

    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        super().__init__(_Pieces(next_piece), PIECE)


class _Pieces(io.RawIOBase):
    def __init__(self, next_piece: Callable[[], bytes]) -> None:
        self._next_piece = next_piece
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next_piece())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class FileWrapper:
    """wsgi.file_wrapper: gives a file's bytes piece by piece.

    Args:
        file: has `read`, and maybe `close`.
        block_size: what the application would read at a time; small sizes are raised.
    """

    def __init__(self, file: Any, block_size: int = PIECE) -> None:
        self._file = file
        self._block_size = max(block_size, PIECE)
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        piece: bytes = self._file.read(self._block_size)
        if not piece:
            raise StopIteration
        return piece
