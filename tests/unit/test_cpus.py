"""How many CPUs a process has, on fake trees of files and for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from covet.cpus import available_cpus, cpu_quota

REAL = os.sched_getaffinity(0)
V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:2 - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may run on sixteen CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(root: Path, path: str, limits: dict[str, str], mounts: str = V2_MOUNT) -> Path:
    """A tree of version 2, with `cpu.max` of some groups."""
    files = {f"sys/fs/cgroup/{group}/cpu.max": limit for group, limit in limits.items()}
    return write(root, {"proc/self/cgroup": f"0::{path}\n", "proc/self/mountinfo": mounts} | files)


def test_nothing_can_be_read(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert available_cpus(tmp_path) == 16


@pytest.mark.parametrize(
    ("limit", "cpus"),
    [
        ("max 100000", 16),
        ("max", 16),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("210000 100000", 3),
        ("1000 100000", 1),
        ("50000 50000", 1),
        ("300000", 3),
        ("9900000 100000", 16),
        ("", 16),
        ("rubbish", 16),
        ("-1 100000", 16),
        ("100000 0", 16),
        ("0 100000", 16),
    ],
)
def test_one_group(tmp_path: Path, limit: str, cpus: int) -> None:
    assert available_cpus(v2(tmp_path, "/a", {"a": limit + "\n"})) == cpus


@pytest.mark.parametrize("which", ["", "a", "a/b", "a/b/c"])
def test_the_smallest_on_the_way_up_counts(tmp_path: Path, which: str) -> None:
    limits = {"": "1200000 100000", "a": "900000 100000", "a/b": "max 100000", "a/b/c": "800000 100000"}
    assert available_cpus(v2(tmp_path, "/a/b/c", limits | {which: "300000 100000"})) == 3


def test_groups_beside_do_not_count(tmp_path: Path) -> None:
    limits = {"a/b": "500000 100000", "a/other": "100000 100000", "a/b/below": "100000 100000"}
    assert available_cpus(v2(tmp_path, "/a/b", limits)) == 5


def test_a_container_sees_a_part_of_the_hierarchy(tmp_path: Path) -> None:
    """The mount begins at the container's group, while the path is told from the host's root."""
    mounts = V2_MOUNT.replace("0:26 / ", "0:26 /docker/0123 ")
    limits = {"": "400000 100000", "app": "max 100000"}
    assert available_cpus(v2(tmp_path, "/docker/0123", limits, mounts)) == 4
    assert available_cpus(v2(tmp_path, "/docker/0123/app", limits | {"app": "200000 100000"}, mounts)) == 2


def test_a_path_outside_the_namespace(tmp_path: Path) -> None:
    assert available_cpus(v2(tmp_path, "/../other", {"": "400000 100000"})) == 4


def test_a_group_whose_folder_is_not_mounted(tmp_path: Path) -> None:
    """The host's path without a namespace, on a mount of the container's own group."""
    assert available_cpus(v2(tmp_path, "/kubepods/pod1/x", {"": "200000 100000"})) == 2


def test_a_mount_with_a_blank_in_its_name(tmp_path: Path) -> None:
    mounts = V2_MOUNT.replace("/sys/fs/cgroup", "/my\\040groups")
    root = v2(tmp_path, "/a", {"a": "100000 100000"}, mounts)
    write(root, {"my groups/a/cpu.max": "700000 100000"})
    assert available_cpus(root) == 7


def test_without_a_list_of_mounts(tmp_path: Path) -> None:
    assert available_cpus(v2(tmp_path, "/a", {"a": "300000 100000"}, "")) == 3
    assert available_cpus(v2(tmp_path, "/a", {"a": "300000 100000"}, "broken - cgroup2\n")) == 3


@pytest.mark.parametrize(("quota", "cpus"), [("-1", 16), ("250000", 3), ("50000", 1), ("", 16)])
def test_version_1(tmp_path: Path, quota: str, cpus: int) -> None:
    group = "sys/fs/cgroup/cpu,cpuacct/docker/0123"
    files = {
        "proc/self/cgroup": "12:memory:/docker/0123\n4:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123\n",
        "proc/self/mountinfo": V1_MOUNT,
        f"{group}/cpu.cfs_quota_us": f"{quota}\n",
        f"{group}/cpu.cfs_period_us": "100000\n",
    }
    assert available_cpus(write(tmp_path, files)) == cpus


def test_both_versions_at_once(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:cpu,cpuacct:/\n0::/user.slice\n",
        "proc/self/mountinfo": V1_MOUNT + V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "600000",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/unified/user.slice/cpu.max": "500000 100000",
    }
    assert available_cpus(write(tmp_path, files)) == 5


def test_affinity_is_the_limit_where_it_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = v2(tmp_path, "/a", {"a": "800000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 7})
    assert available_cpus(root) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cpus(root) == 1


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
def test_taskset() -> None:
    script = "from covet.cpus import available_cpus; print(available_cpus())"
    printed = subprocess.run(
        ["taskset", "-c", str(min(REAL)), sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == "1\n"
