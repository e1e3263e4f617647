"""How many CPUs this process really has: those it may run on, and the share that its control groups leave it."""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

CONTROLLER = "cpu"
USUAL_PERIOD = "100000"
# Without a list of mounts, control groups are looked for where every distribution has them.
USUAL_MOUNTS = (
    ("cgroup2", "/sys/fs/cgroup"),
    ("cgroup2", "/sys/fs/cgroup/unified"),
    ("cgroup", "/sys/fs/cgroup/cpu"),
    ("cgroup", "/sys/fs/cgroup/cpu,cpuacct"),
)


def available_cpus(root: Path = Path("/")) -> int:
    """The number of CPUs that this process can keep busy.

    It is the number of CPUs in the process's affinity mask, or the smallest quota of its control group (version 1
    or 2) and the groups above it, rounded up, if that is less. What cannot be read limits nothing.

    Args:
        root: where `proc` and `sys` are found.

    Returns:
        At least 1.
    """
    cpus = _affinity()
    quota = cpu_quota(root)
    if quota is not None:
        # What arithmetic adds to a whole number must not become another CPU.
        cpus = min(cpus, math.ceil(quota - 1e-6))
    return max(1, cpus)


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Keeps the calling thread, and threads and processes that it starts meanwhile, on one CPU; None is on any.

    Args:
        cpu: the CPU's number, one of `os.sched_getaffinity(0)`.
    """
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """The CPUs' time that the process's control groups leave it, in CPUs; None if they set no limit.

    Args:
        root: where `proc` and `sys` are found.
    """
    quotas = [quota for group in _groups(root) if (quota := _quota_of(group)) is not None]
    return min(quotas, default=None)


def _affinity() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return os.cpu_count() or 1


@dataclass(frozen=True)
class _Mount:
    """A file system of control groups: its kind, its root within the hierarchy, and where it is mounted."""

    kind: str
    root: str
    point: str


def _groups(root: Path) -> Iterator[Path]:
    """The folders of the process's control groups that may limit CPU time, each with all those above it."""
    paths = _paths(root)
    for mount in _mounts(root):
        point = root / mount.point.lstrip("/")
        path = paths.get(mount.kind)
        if path is None:
            continue
        inside = _inside(mount, path)
        yield from (point / part for part in (inside, *inside.parents))


def _inside(mount: _Mount, path: str) -> PurePosixPath:
    """A control group's folder relative to where its hierarchy is mounted."""
    group = PurePosixPath(path)
    # A container may see only its own part of the hierarchy, but be told the whole path.
    within = group.relative_to(mount.root) if group.is_relative_to(mount.root) else group.relative_to("/")
    # A path with ".." leads out of the namespace: nothing of it can be seen here.
    return PurePosixPath() if ".." in within.parts else within


def _paths(root: Path) -> dict[str, str]:
    """The process's control groups that may limit CPU time, by the kind of their file system."""
    paths = {}
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/"):
            continue
        if number == "0" and not controllers:
            paths["cgroup2"] = path
        elif CONTROLLER in controllers.split(","):
            paths["cgroup"] = path
    return paths


def _mounts(root: Path) -> list[_Mount]:
    mounts = []
    for line in _lines(root / "proc/self/mountinfo"):
        # Optional fields end with a lone hyphen: proc_pid_mountinfo(5).
        place, _, system = line.partition(" - ")
        left, right = place.split(), system.split()
        if len(left) < 5 or len(right) < 3:
            continue
        if right[0] == "cgroup2" or (right[0] == "cgroup" and CONTROLLER in right[2].split(",")):
            mounts.append(_Mount(right[0], _unescaped(left[3]), _unescaped(left[4])))
    return mounts or [_Mount(kind, "/", point) for kind, point in USUAL_MOUNTS]


def _unescaped(text: str) -> str:
    """A path of a list of mounts, where blanks are octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _quota_of(group: Path) -> float | None:
    """The limit of one control group, in CPUs."""
    limit = " ".join(_lines(group / "cpu.max")).split()
    if limit:
        return _ratio(limit[0], limit[1] if len(limit) > 1 else USUAL_PERIOD)
    quota, period = _lines(group / "cpu.cfs_quota_us"), _lines(group / "cpu.cfs_period_us")
    return _ratio(quota[0], period[0]) if quota and period else None


def _ratio(quota: str, period: str) -> float | None:
    """Two numbers of microseconds as CPUs; None for what is "max", negative or no number."""
    try:
        part, whole = int(quota), int(period)
    except ValueError:
        return None
    return part / whole if part > 0 and whole > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return []
