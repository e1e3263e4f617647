"""Damage that a process of these tests does to itself."""

import os
import signal
from pathlib import Path
from types import FrameType

LISTENING = "0A"


def break_the_engine(*_: int | FrameType | None) -> None:
    """Replaces the epoll descriptors that watch a listening socket: the engine's loops fail in their next turn."""
    inodes = _listening()
    listening = {descriptor for descriptor, inode in _sockets() if inode in inodes}
    for name in os.listdir("/proc/self/fdinfo"):
        if listening.intersection(_watched(name)):
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, int(name))
            os.close(nothing)


def break_the_engine_when_told() -> None:
    """Has SIGUSR1 break the engine of this process."""
    signal.signal(signal.SIGUSR1, break_the_engine)


def _watched(descriptor: str) -> list[int]:
    """What an epoll descriptor watches."""
    try:
        lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text().splitlines()
    except OSError:  # that of the folder itself
        return []
    return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]


def _sockets() -> list[tuple[int, str]]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # that of the folder itself
            continue
        if target.startswith("socket:["):
            found.append((int(name), target[8:-1]))
    return found


def _listening() -> set[str]:
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == LISTENING}
