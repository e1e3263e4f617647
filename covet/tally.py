"""Figures that the workers of one server keep in common: each writes a part of its own, and reads all."""

import mmap
import os
from functools import cache
from struct import Struct

from covet.shared import AREA, PLACES, Given

HEAD = Struct("<QQ")
"""How many bytes are used, and the process that writes."""
RECORD = Struct("<II")
"""The length of a key in bytes, and how many numbers follow it."""
NUMBER = Struct("<d")


class Tally:
    """The part of one worker: for each key a row of numbers, which only grows or is set by this worker.

    Args:
        memory: what the workers have in common; None: this process is alone.
        place: which part is this worker's; what an earlier worker has left there goes on.
    """

    def __init__(self, memory: mmap.mmap | None = None, place: int = 0) -> None:
        self._memory = mmap.mmap(-1, AREA) if memory is None else memory
        self._start = 0 if memory is None else AREA * place
        self._rows: dict[bytes, int] = {key: at for key, at, _ in self._found(self._start)}
        used, _ = HEAD.unpack_from(self._memory, self._start)
        HEAD.pack_into(self._memory, self._start, max(used, HEAD.size), os.getpid())

    def row(self, key: bytes, count: int) -> int:
        """Where the numbers of a key are; -1 if there is no room for them.

        Args:
            key: the key.
            count: how many numbers it has.
        """
        at = self._rows.get(key, -1)
        return self._add(key, count) if at < 0 else at

    def _add(self, key: bytes, count: int) -> int:
        used: int
        used, process = HEAD.unpack_from(self._memory, self._start)
        padded = -len(key) % 8
        size = RECORD.size + len(key) + padded + NUMBER.size * count
        if used + size > AREA:
            return -1
        at = self._start + used
        RECORD.pack_into(self._memory, at, len(key), count)
        self._memory[at + RECORD.size : at + RECORD.size + len(key)] = key
        row = self._rows[key] = at + RECORD.size + len(key) + padded
        # Others see the record when all of it is there.
        HEAD.pack_into(self._memory, self._start, used + size, process)
        return row

    def add(self, row: int, index: int, amount: float) -> None:
        """Adds to a number."""
        at = row + NUMBER.size * index
        NUMBER.pack_into(self._memory, at, NUMBER.unpack_from(self._memory, at)[0] + amount)

    def set(self, row: int, index: int, value: float) -> None:
        """Sets a number."""
        NUMBER.pack_into(self._memory, row + NUMBER.size * index, value)

    def totals(self, prefix: bytes = b"", *, alive: bool = False) -> dict[bytes, list[float]]:
        """The numbers of all workers, added up.

        Args:
            prefix: what the keys begin with.
            alive: only those of workers whose process has not ended.
        """
        totals: dict[bytes, list[float]] = {}
        for start in range(0, len(self._memory), AREA):
            if alive and not self._is_alive(start):
                continue
            for key, at, count in self._found(start):
                if key.startswith(prefix):
                    numbers = [NUMBER.unpack_from(self._memory, at + NUMBER.size * i)[0] for i in range(count)]
                    known = totals.get(key)
                    totals[key] = numbers if known is None else [a + b for a, b in zip(known, numbers, strict=True)]
        return totals

    def _is_alive(self, start: int) -> bool:
        _, process = HEAD.unpack_from(self._memory, start)
        return process == os.getpid() or (process > 0 and os.path.exists(f"/proc/{process}"))

    def _found(self, start: int) -> list[tuple[bytes, int, int]]:
        """The keys of a part, where their numbers are, and how many."""
        used, _ = HEAD.unpack_from(self._memory, start)
        found, at = [], start + HEAD.size
        while at < start + used:
            length, count = RECORD.unpack_from(self._memory, at)
            numbers = at + RECORD.size + length + (-length % 8)
            found.append((self._memory[at + RECORD.size : at + RECORD.size + length], numbers, count))
            at = numbers + NUMBER.size * count
        return found


def tally() -> Tally:
    """The figures that this worker has in common with others; new ones if there is no supervisor."""
    return Tally() if Given.descriptor < 0 else _common()


@cache
def _common() -> Tally:
    return Tally(mmap.mmap(Given.descriptor, AREA * PLACES), Given.place)
