"""What a supervised server tells of itself, and the number of workers that it chooses."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from covet.cpus import available_cpus
from covet.status_socket import default_socket, fetch_status
from workers.harness import Load, command, eventually, get, logged, supervised, workers_of


def test_the_control_socket_tells_of_each_worker(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with supervised(control_socket=str(path)) as server:
        for _ in range(20):
            get(server, "/pid")
        status = fetch_status(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert status["pid"] == server.process.pid
        assert status["address"] == server.url
        assert status["target"] == 2
        assert {worker["pid"] for worker in status["workers"]} == workers_of(server)
        assert sum(worker["finished"] for worker in status["workers"]) == 20
        assert all(worker["rss"] > 1 << 20 for worker in status["workers"])
        assert server.stop() == 0
    assert not path.exists()


def test_the_socket_is_found_by_the_process(tmp_path: Path) -> None:
    with supervised(workers=1) as server:
        assert fetch_status(default_socket(server.process.pid))["target"] == 1


def test_a_control_socket_that_cannot_be_made_fails_the_start(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("by a file")
    result = subprocess.run(command(control_socket=str(tmp_path / "taken")), capture_output=True, text=True, timeout=60)
    assert result.returncode == 3
    assert "there is a file that is no socket" in result.stderr
    assert "running on" not in result.stderr


def test_more_workers_come_when_requests_wait() -> None:
    first = min(available_cpus(), 8)
    with supervised(workers="auto", workers_max=first + 1) as server:
        assert len(workers_of(server)) == first
        # They wait without using a CPU, so that only another worker helps.
        with Load(server, "/block/150", clients=6 * first) as load:
            logged(server, rf"Changing the number of processes from {first} to {first + 1}: \d+ request\(s\) wait.", 60)
            eventually(lambda: len(workers_of(server)) == first + 1)
            eventually(lambda: len(load.pids) == first + 1)
        assert not load.failures
