"""What processes use of the machine: memory and CPU time, and the samples that `covet.scaling` decides by."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from covet.scaling import Sample

PROC = Path("/proc")


def resident_bytes(pid: int, proc: Path = PROC) -> int | None:
    """The resident memory of a process, in bytes; None if there is no such process.

    Args:
        pid: the process.
        proc: where the system shows its processes.
    """
    try:
        pages = int((proc / str(pid) / "statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int, proc: Path = PROC) -> float | None:
    """The CPU time that a process has used, its ended threads included, in seconds; None if there is no such process.

    Args:
        pid: the process.
        proc: where the system shows its processes.
    """
    try:
        # A process may call itself anything, blanks and parentheses included: proc_pid_stat(5).
        fields = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
    except (OSError, ValueError, IndexError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK")


class Meter:
    """Measures how many CPUs processes keep busy from one look to the next.

    Args:
        used: the CPU time of a process, in seconds.
    """

    def __init__(self, used: Callable[[int], float | None] = cpu_seconds) -> None:
        self._used = used
        self._before: dict[int, tuple[float, float]] = {}

    def measure(self, pids: Iterable[int], now: float) -> dict[int, float]:
        """The CPUs that each process has kept busy since the last call.

        Args:
            pids: the processes; what is not named is forgotten.
            now: seconds of a clock that does not go back.

        Returns:
            For each process a number such as 1.5; 0 for one that is seen for the first time.
        """
        after = {pid: (now, used) for pid in pids if (used := self._used(pid)) is not None}
        busy = {}
        for pid, (_, used) in after.items():
            then, before = self._before.get(pid, (now, used))
            # A number that now is another process's has used less than before.
            busy[pid] = max(0.0, used - before) / (now - then) if now > then else 0.0
        self._before = after
        return busy


class Sampler:
    """Makes samples for a Scaler of the engine's status.

    Args:
        pid: the engine's process.
        meter: what measures the processes.
    """

    def __init__(self, pid: int, meter: Meter | None = None) -> None:
        self._pid = pid
        self._meter = meter or Meter()

    def sample(self, status: Mapping[str, Any], now: float | None = None) -> Sample:
        """What is seen now.

        Args:
            status: what `Engine.status` gives.
            now: seconds of a clock that does not go back; time.monotonic by default.
        """
        moment = time.monotonic() if now is None else now
        workers = status["workers"]
        serving = [worker for worker in workers if worker["state"] == "admitted"]
        busy = self._meter.measure([self._pid, *(worker["pid"] for worker in workers)], moment)
        engine = busy.pop(self._pid, 0.0)
        return Sample(
            time=moment,
            workers=len(serving),
            queued=status["queued"],
            cpu=sum(busy.values()),
            engine_cpu=engine,
            awake=sum(not worker["sleeping"] for worker in serving),
            blocked=sum(worker["blocked"] > 0 for worker in serving),
        )
