"""What a serving process is: environment file, name, pid file."""

from __future__ import annotations

import os
import subprocess
import sys
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
    path.write_text("1\n", "utf-8")  # of a server that was killed
    with pid_file(str(path)):
        assert path.read_text("utf-8") == f"{os.getpid()}\n"
    assert not path.exists()


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


def test_a_pid_file_of_a_running_server_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    command = [sys.executable, "-c", "print(flush=True); input()", "covet run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()  # before this, the kernel may not name the command yet
        path.write_text(f"{other.pid}\n")
        with (
            pytest.raises(ProcessError, match=rf"is that of process {other.pid}, which is running"),
            pid_file(str(path)),
        ):
            pass
        assert path.read_text() == f"{other.pid}\n"
        other.communicate(b"\n")
    with pid_file(str(path)):
        assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("text", ["", "x", "1\n", "99999999\n", "-5"])
def test_a_stale_pid_file_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text)
    with pid_file(str(path)):
        assert path.read_text() == f"{os.getpid()}\n"
