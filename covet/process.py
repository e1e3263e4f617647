"""What a serving process is: its environment file, its name, its pid file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from covet.checks import ConfigError

KERNEL_NAME_BYTES = 15


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


def _other_server(path: str) -> int:
    """The process that a pid file names, if it is running and serves by covet; else 0."""
    with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        number = int(file.read(KERNEL_NAME_BYTES))
        if number not in (os.getpid(), os.getppid()):
            # The number alone says little: it may be another process's by now.
            with open(f"/proc/{number}/cmdline", "rb") as command:
                return number if b"covet" in command.read() else 0
    return 0


@contextmanager
def pid_file(path: str | None) -> Iterator[None]:
    """A file holds this process's number as long as the context lasts. Raises ProcessError."""
    if path is None:
        yield
        return
    number = f"{os.getpid()}\n"
    running = _other_server(path)
    if running:
        raise ProcessError(
            f"pid_file: {path} is that of process {running}, which is running: stop it, or use another file"
        )
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(number)
    except OSError as error:
        raise ProcessError(f"pid_file: {path}: {error.strerror}") from None
    try:
        yield
    finally:
        # Another server may have taken the file over.
        with suppress(OSError), open(path, encoding="ascii") as file:
            if file.read() == number:
                os.unlink(path)
