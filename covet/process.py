"""What a serving process is: its environment file, its name, its pid file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from pathlib import Path

from covet.checks import ConfigError

KERNEL_NAME_BYTES = 15
NUMBER_BYTES = 20


class ProcessError(Exception):
    """A file that the process needs cannot be read or written; the text says which and why."""


def load_env_file(path: str) -> None:
    """Sets the variables of a file in os.environ, except those that are set already.

    Raises:
        ConfigError: python-dotenv is not installed.
        ProcessError: the file cannot be read.
    """
    try:
        from dotenv import load_dotenv
    except ImportError:
        raise ConfigError("env_file needs python-dotenv, which is not installed: pip install python-dotenv") from None
    try:
        with open(path, encoding="utf-8") as file:
            load_dotenv(stream=file)
    except (OSError, UnicodeDecodeError) as error:
        raise ProcessError(f"env_file: {path}: {getattr(error, 'strerror', None) or error}") from None


def set_name(name: str) -> None:
    """Sets what lists of processes call this one; the kernel's name alone, 15 bytes, without setproctitle."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        with suppress(OSError), open("/proc/self/comm", "wb") as file:
            file.write(name.encode()[:KERNEL_NAME_BYTES])
    else:
        setproctitle(name)


@contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """A file holds this process's number as long as the context lasts.

    Args:
        path: the file; what a process that has ended left in it is replaced. None is no file.

    Raises:
        ProcessError: it cannot be written, or it names another process that runs.
    """
    if path is None:
        yield
        return
    number = b"%d\n" % os.getpid()
    try:
        _write_number(path, number)
    except OSError as error:
        raise ProcessError(f"pid_file: {path}: {error.strerror}") from None
    try:
        yield
    finally:
        # Another server may have taken the file over.
        with suppress(OSError), open(path, "rb") as file:
            if file.read() == number:
                os.unlink(path)


def _write_number(path: str, number: bytes) -> None:
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b") as file:
        flock(file, LOCK_EX)  # of two servers that start at once, one sees the other's number
        other = _number_in(file.read(NUMBER_BYTES))
        if other not in (0, os.getpid()) and is_running(other):
            raise ProcessError(
                f"pid_file: {path}: process {other}, which the file names, is running: "
                "stop it, or remove the file if that process is no server"
            )
        file.seek(0)
        file.truncate()
        file.write(number)


def _number_in(text: bytes) -> int:
    """The process that a pid file names; 0 if it names none."""
    text = text.strip()
    return int(text) if text.isdigit() and len(text) < NUMBER_BYTES else 0


def is_running(pid: int) -> bool:
    """Whether there is a process of a number, a zombie not counted."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError):
        return False
    try:
        fields = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except (OSError, ValueError):  # no /proc, or it does not show other users' processes
        return True
    # kill(2) also finds threads.
    return fields.get("State", "")[:1] not in ("Z", "X") and int(fields.get("Tgid", pid)) == pid
