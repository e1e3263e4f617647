"""What a process holds, read from /proc."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path


def descriptors(pid: int | str = "self") -> Counter[str]:
    """The open descriptors by what they are, such as socket, anon_inode:[eventfd] and memfd:covet."""
    kinds: Counter[str] = Counter()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # the descriptor of this very listing is closed by now
            target = os.readlink(entry)
            is_file = target.startswith("/") and not target.startswith("/memfd:")
            kinds[target if is_file or target.startswith("anon_inode:") else target.partition(":")[0]] += 1
    return kinds


def shared_mappings(pid: int | str = "self") -> int:
    """The number of mapped memfds."""
    return sum("/memfd:" in line for line in Path(f"/proc/{pid}/maps").read_text("ascii", "replace").splitlines())


def threads(pid: int | str = "self") -> int:
    """The number of threads, those of the engine included."""
    return len(os.listdir(f"/proc/{pid}/task"))


def resident_kb(pid: int | str = "self") -> int:
    """The resident memory in KiB; 0 if the process has ended."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0
