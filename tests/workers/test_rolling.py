"""All workers are replaced while the server serves, and no client notices."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from workers.harness import Load, command, eventually, get, logged, printing, supervised, workers_of

VERSION = """
import os
from covet import CovetPy

app = CovetPy()


@app.get("/pid")
async def pid():
    return {"pid": os.getpid(), "version": VERSION}
"""


def write(folder: Path, version: int, extra: str = "") -> None:
    """Writes a version of the application."""
    path = folder / "versioned.py"
    path.write_text(f"VERSION = {version}\n{VERSION}{extra}")
    # Python takes compiled code for that of a file with the same size and the same second of its last change.
    os.utime(path, (version, version))


def test_a_restart_under_load_fails_no_request() -> None:
    with supervised() as server, Load(server, "/sleep/2", clients=6) as load:
        descriptors = []
        for _ in range(3):
            before = workers_of(server)
            server.process.send_signal(signal.SIGHUP)
            eventually(lambda before=before: not before & workers_of(server) and len(workers_of(server)) == 2)
            descriptors.append(len(os.listdir(f"/proc/{server.process.pid}/fd")))
        time.sleep(0.2)
        assert max(descriptors) - min(descriptors) < 4, "descriptors are left open"
        assert not load.failures, server.log
        assert len(load.pids) >= 4
        logged(server, "Received SIGHUP, restarting processes.")


def test_new_routes_come_with_a_restart(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with supervised("versioned:app", app_dir=tmp_path) as server, Load(server) as load:
        before = workers_of(server)
        write(tmp_path, 2, "\n\n@app.get('/new')\nasync def new():\n    return {'new': True}\n")
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: not before & workers_of(server))
        assert get(server, "/new") == {"new": True}
        assert get(server, "/pid")["version"] == 2
        time.sleep(0.2)
        assert not load.failures, server.log


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("raise ZeroDivisionError('no luck')", "ZeroDivisionError: no luck"),
        ("@app.on_startup\ndef fail():\n    raise OSError('no database')", "OSError: no database"),
        ("import os\nos._exit(5)", "ended with exit code 5 before it could serve"),
    ],
)
def test_a_broken_version_leaves_the_old_one_serving(tmp_path: Path, broken: str, said: str) -> None:
    write(tmp_path, 1)
    with supervised("versioned:app", app_dir=tmp_path) as server, Load(server) as load:
        before = workers_of(server)
        write(tmp_path, 2, f"\n\n{broken}\n")
        server.process.send_signal(signal.SIGHUP)
        logged(server, "The new version failed to start; the old one keeps serving")
        logged(server, said)
        eventually(lambda: workers_of(server) == before)
        assert get(server, "/pid")["version"] == 1
        write(tmp_path, 3)
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: not before & workers_of(server) and get(server, "/pid")["version"] == 3)
        assert not load.failures, server.log


def test_workers_are_replaced_after_so_many_requests() -> None:
    with supervised(limit_max_requests=50, limit_max_requests_jitter=10) as server, Load(server) as load:
        logged(server, r"Maximum request limit of \d+ exceeded. Replacing child process \[\d+\].")
        eventually(lambda: len(load.pids) >= 4)
        assert not load.failures, server.log


def test_workers_are_replaced_when_they_are_old() -> None:
    with supervised(workers=1, workers_lifetime=1.0) as server, Load(server) as load:
        logged(server, "Lifetime of 1 s exceeded. Replacing child process")
        eventually(lambda: len(load.pids) >= 2)
        assert not load.failures, server.log


def test_workers_are_replaced_when_they_are_large() -> None:
    with supervised(workers=1, workers_max_rss=1) as server, Load(server) as load:
        logged(server, r"Memory limit of 1 MiB exceeded with \d+ MiB. Replacing child process")
        eventually(lambda: len(load.pids) >= 2)
        assert not load.failures, server.log


def test_files_that_change_reload_the_application(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with supervised("versioned:app", app_dir=tmp_path, workers=1, reload=True, reload_delay=0.05) as server:
        assert get(server, "/pid")["version"] == 1
        (tmp_path / "notes.txt").write_text("not code")
        write(tmp_path, 2)
        logged(server, "WatchFiles detected changes in '.*versioned.py'. Reloading...")
        eventually(lambda: get(server, "/pid")["version"] == 2)
        write(tmp_path, 3, "\n)(\n")
        logged(server, "SyntaxError")
        assert "importlib" not in server.log
        logged(server, "The new version failed to start; the old one keeps serving")
        assert get(server, "/pid")["version"] == 2
        write(tmp_path, 4)
        eventually(lambda: get(server, "/pid")["version"] == 4)


def test_a_first_start_that_fails_waits_for_a_change(tmp_path: Path) -> None:
    write(tmp_path, 1, "\n)(\n")
    arguments = command("versioned:app", app_dir=tmp_path, reload=True, reload_delay=0.05)
    with printing(arguments) as server:
        logged(server, "Application startup failed. Waiting for a change of the files.")
        assert server.log.count("SyntaxError") == 1
        write(tmp_path, 2)
        logged(server, "running on")
        assert get(server, "/pid")["version"] == 2
        assert server.stop() == 0


HANG = "\nprint('hanging', flush=True)\nimport time\ntime.sleep(600)\n"


def test_a_version_that_hangs_gives_way_to_the_next_one(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with supervised("versioned:app", app_dir=tmp_path) as server, Load(server) as load:
        before = workers_of(server)
        write(tmp_path, 2, HANG)
        server.process.send_signal(signal.SIGHUP)
        logged(server, "hanging")
        assert get(server, "/pid")["version"] == 1
        write(tmp_path, 3)
        server.process.send_signal(signal.SIGHUP)
        eventually(lambda: not before & workers_of(server) and get(server, "/pid")["version"] == 3)
        eventually(lambda: len(workers_of(server)) == 2)
        assert not load.failures, server.log


def test_a_first_start_that_hangs_gives_way_to_a_change(tmp_path: Path) -> None:
    write(tmp_path, 1, HANG)
    arguments = command("versioned:app", app_dir=tmp_path, reload=True, reload_delay=0.05)
    with printing(arguments) as server:
        logged(server, "hanging")
        write(tmp_path, 2)
        logged(server, "running on")
        assert get(server, "/pid")["version"] == 2
        assert server.stop() == 0
