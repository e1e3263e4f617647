"""What a serving process is: environment file, name, pid file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from covet import ConfigError
from covet.process import ProcessError, load_env_file, pid_file


def test_an_environment_file_does_not_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.setenv("ADDED", "")  # so that it is taken back after the test
    monkeypatch.delenv("ADDED")
    path = tmp_path / ".env"
    path.write_text("# both\nKEPT=file\nexport ADDED='from file'\n", "utf-8")
    load_env_file(str(path))
    assert (os.environ["KEPT"], os.environ["ADDED"]) == ("before", "from file")


def test_an_environment_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"env_file: .*none: No such file or directory"):
        load_env_file(str(tmp_path / "none"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ProcessError, match=r"env_file: .*binary: .*codec"):
        load_env_file(str(tmp_path / "binary"))


def test_without_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dotenv", None)
    with pytest.raises(ConfigError, match="env_file needs python-dotenv, which is not installed: pip install"):
        load_env_file(".env")


def test_a_pid_file_is_there_while_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with pid_file(str(path)):
        assert path.read_text("utf-8") == f"{os.getpid()}\n"
    assert not path.exists()


def ended() -> int:
    """A process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "left",
    [
        lambda: f"{ended()}\n",
        lambda: f"{os.getpid()}\n",
        lambda: "",
        lambda: "0",
        lambda: "-5",
        lambda: "99999999\n",
        lambda: "no number, but a long text",
        lambda: "9" * 19,
        lambda: "9" * 30,
        lambda: "\0\N{LATIN SMALL LETTER E WITH ACUTE}",
    ],
)
def test_what_nobody_needs_in_a_pid_file_is_replaced(tmp_path: Path, left: Callable[[], str]) -> None:
    path = tmp_path / "pid"
    path.write_text(left(), "utf-8")
    with pid_file(str(path)):
        assert path.read_text("utf-8") == f"{os.getpid()}\n"
    assert not path.exists()


def test_neither_zombies_nor_threads_count_as_processes(tmp_path: Path) -> None:
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    ending = threading.Event()
    thread = threading.Thread(target=ending.wait)
    thread.start()
    try:
        for number in (zombie.pid, thread.native_id):
            path = tmp_path / "pid"
            path.write_text(f"{number}\n", "utf-8")
            with pid_file(str(path)):
                assert path.read_text("utf-8") == f"{os.getpid()}\n"
    finally:
        ending.set()
        thread.join()
        zombie.wait()


@pytest.mark.parametrize("process", [os.getppid(), 1])
def test_a_pid_file_of_a_running_process_is_left_alone(tmp_path: Path, process: int) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{process}\n", "utf-8")
    said = rf"pid_file: {path}: process {process}, which the file names, is running: stop it, or remove the file"
    with pytest.raises(ProcessError, match=said), pid_file(str(path)):
        pass
    assert path.read_text("utf-8") == f"{process}\n"


def test_a_pid_file_of_another_server_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with pid_file(str(path)):
        path.write_text("1\n", "utf-8")
    assert path.read_text("utf-8") == "1\n"


def test_a_pid_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"pid_file: .*pid: No such file"), pid_file(str(tmp_path / "none" / "pid")):
        pass


@pytest.mark.parametrize("hidden", [True, False])
def test_process_names(hidden: bool) -> None:
    script = f"""
import sys
if {hidden}: sys.modules["setproctitle"] = None
from covet.process import set_name
set_name("my server of today")
file = "comm" if {hidden} else "cmdline"
print(open(f"/proc/self/{{file}}").read().rstrip(chr(0)).strip())
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert result.stdout == ("my server of to\n" if hidden else "my server of today\n"), result.stderr
