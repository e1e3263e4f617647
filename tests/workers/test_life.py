"""Workers come, die, are replaced, and end with their server."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from wire.harness import serve

from workers.harness import HERE, Load, alive, command, eventually, get, logged, serving, supervised, workers_of


def test_two_workers_serve() -> None:
    with supervised() as server:
        workers = workers_of(server)
        assert len(workers) == 2
        with Load(server, "/block/20") as load:
            eventually(lambda: set(load.pids) == workers)
        assert not load.failures
        assert server.stop() == 0
    for line in (
        r"Started parent process \[\d+\]",
        r"Started server process \[\d+\]",
        "Application startup complete.",
        "Shutting down",
        "Application shutdown complete.",
        r"Stopping parent process \[\d+\]",
    ):
        logged(server, line)
    assert not [pid for pid in workers if alive(pid)]


def test_a_killed_worker_is_replaced_and_loses_nothing_safe() -> None:
    with supervised() as server:
        before = workers_of(server)
        with Load(server, "/sleep/5") as load:
            for _ in range(3):
                # One that still starts dies another death.
                victim = min(eventually(lambda: len(found := serving(server)) == 2 and found))
                seen = sum(load.outcomes.values())
                eventually(lambda seen=seen: sum(load.outcomes.values()) > seen + 20)
                os.kill(victim, signal.SIGKILL)
                logged(server, rf"Child process \[{victim}\] died: it was killed by SIGKILL")
        assert not load.failures, server.log
        eventually(lambda: set(load.pids) - before)


def test_begun_requests_that_are_not_safe_are_answered_502() -> None:
    with supervised(workers=1) as server:
        (victim,) = workers_of(server)
        with server.connect() as connection:
            connection.sendall(b"POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            logged(server, "holding")
            os.kill(victim, signal.SIGKILL)
            assert b" 502 " in connection.recv(65536)
        assert get(server, "/pid")["pid"] != victim


def test_a_crash_loop_backs_off_and_says_so() -> None:
    with supervised(workers=1) as server:
        for _ in range(3):
            (victim,) = eventually(lambda: workers_of(server))
            assert get(server, "/pid")["pid"] == victim
            os.kill(victim, signal.SIGKILL)
            eventually(lambda victim=victim: not alive(victim))
        logged(server, "3 workers in a row ended within 10 s of their start; the next one starts in 1 s")
        assert get(server, "/pid")["pid"]


def test_workers_end_with_the_engine() -> None:
    with supervised() as server:
        workers = workers_of(server)
        with server.connect() as connection:
            # One of the workers does nothing else for a minute, so that it cannot notice by itself.
            connection.sendall(b"GET /block/60000 HTTP/1.1\r\nHost: x\r\n\r\n")
            logged(server, "event loop blocked")
            server.process.kill()
            server.process.wait()
            eventually(lambda: not [pid for pid in workers if alive(pid)], 10)


def test_a_terminated_worker_drains_and_is_replaced() -> None:
    with supervised() as server, Load(server, "/sleep/5") as load:
        before = workers_of(server)
        os.kill(min(before), signal.SIGTERM)
        logged(server, rf"Child process \[{min(before)}\] was told to terminate")
        eventually(lambda: not alive(min(before)) and len(workers_of(server)) == 2)
        time.sleep(0.2)
        assert not load.failures, server.log
        logged(server, "Application shutdown complete.")


def test_fewer_and_more_workers() -> None:
    with supervised() as server:
        server.process.send_signal(signal.SIGTTOU)
        logged(server, "Received SIGTTOU, decrementing number of processes.")
        eventually(lambda: len(workers_of(server)) == 1)
        assert get(server, "/pid")["pid"] in workers_of(server)
        server.process.send_signal(signal.SIGTTOU)
        logged(server, "The number of processes stays 1.")
        server.process.send_signal(signal.SIGTTIN)
        logged(server, "Received SIGTTIN, incrementing number of processes.")
        eventually(lambda: len(workers_of(server)) == 2)
        server.process.send_signal(signal.SIGTTIN)
        eventually(lambda: len(workers_of(server)) == 3)


def test_the_command_line_starts_workers() -> None:
    with serve("app:app", "--workers", "2", "--no-access-log", app_dir=HERE) as server:
        assert len(workers_of(server)) == 2
        assert get(server, "/pid")["pid"] in workers_of(server)
        assert server.stop() == 0


def test_import_error_ends_with_its_traceback_once(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def make():\n    raise ZeroDivisionError('no luck')\n\n\nmake()\n")
    result = run(command("broken:app", app_dir=tmp_path, workers=3))
    assert result.returncode == 3, result.stdout
    assert result.stdout.count("ZeroDivisionError: no luck") == 1
    assert 'broken.py", line 5, in <module>' in result.stdout
    assert "worker_process" not in result.stdout
    assert "Application startup failed. Exiting." in result.stdout


def test_start_up_error_ends_with_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from covet import CovetPy\napp = CovetPy()\n\n@app.on_startup\ndef fail():\n    raise OSError('no database')\n"
    )
    result = run(command("broken:app", app_dir=tmp_path, workers=2))
    assert result.returncode == 3, result.stdout
    assert "OSError: no database" in result.stdout
    assert "running on" not in result.stdout


def test_a_missing_module_is_one_line(tmp_path: Path) -> None:
    result = run(command("nowhere:app", app_dir=tmp_path, workers=2))
    assert result.returncode == 3
    assert 'ERROR:    Error loading the application. Could not import module "nowhere".' in result.stdout
    assert "Traceback" not in result.stdout


def test_a_wrong_setting_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("from covet import CovetPy\napp = CovetPy(keepalive_timeout=-1)\n")
    result = run(command("wrong:app", app_dir=tmp_path))
    assert result.returncode == 2
    assert result.stdout.count("keepalive_timeout must be from 0") == 1


def test_an_address_in_use_is_one_line() -> None:
    with supervised(workers=1) as server:
        result = run(command(workers=2, port=server.port))
    assert result.returncode == 3
    assert f"error while attempting to bind on address ('127.0.0.1', {server.port}): address already" in result.stdout
    assert "Traceback" not in result.stdout


def test_other_routes_in_the_same_start_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twins.py").write_text(
        "import os\nfrom covet import CovetPy\napp = CovetPy()\n\n"
        "@app.get(f'/only/{os.getpid()}')\nasync def only():\n    return {}\n"
    )
    result = run(command("twins:app", app_dir=tmp_path, workers=2))
    assert result.returncode == 3
    assert "its route 1 is GET /only/" in result.stdout


def test_a_factory_and_a_pid_file(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(
        "from covet import CovetPy\n\ndef make():\n    app = CovetPy()\n"
        "    app.get('/pid')(lambda: {'pid': 1})\n    return app\n"
    )
    file = tmp_path / "covet.pid"
    with supervised("made:make", app_dir=tmp_path, factory=True, workers=1, pid_file=str(file)) as server:
        assert get(server, "/pid") == {"pid": 1}
        assert file.read_text() == f"{server.process.pid}\n"
        assert server.stop() == 0
    assert not file.exists()


def test_an_asgi_application_is_served(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "import os\n\nasync def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'{\"pid\": %d}' % os.getpid()})\n"
    )
    with supervised("plain:app", app_dir=tmp_path, lifespan="off") as server:
        assert get(server, "/anything")["pid"] in workers_of(server)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU leaves nothing to choose")
def test_workers_are_pinned_when_asked() -> None:
    with supervised(pin_workers=True) as server:
        cpus = [os.sched_getaffinity(pid) for pid in workers_of(server)]
    assert all(len(cpu) == 1 for cpu in cpus)
    assert len(set.union(*cpus)) == 2


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs a server that is not to come up."""
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
