"""Runs `covet run` in a process of its own, on a port that the system picks."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_LIMIT = 60.0
STOP_LIMIT = 30.0
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Server:
    """A running server process, and what it has printed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.port = 0
        self._lines: list[str] = []
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that the process has printed so far."""
        return "".join(self._lines)

    def wait_until_listening(self) -> None:
        """Waits for the log line with the address; fails with the log if the process ends before it."""
        if not self._listening.wait(START_LIMIT) or not self.port:
            raise AssertionError(f"the server did not start:\n{self.log}")

    def stop(self) -> int:
        """Interrupts the server like Ctrl-C and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop within {STOP_LIMIT:g} s:\n{self.log}") from None
        self._reader.join()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.append(line)
            if not self.port and (found := ADDRESS.search(line)):
                self.port = int(found[1])
                self._listening.set()
        self._listening.set()


@contextmanager
def served(
    app: str,
    *,
    app_dir: Path,
    command: Sequence[str] = (sys.executable, "-m", "covet"),
    options: Sequence[str] = (),
    check: bool = True,
) -> Iterator[Server]:
    """Serves the application `app` ("module:attribute") from the folder `app_dir`.

    Args:
        app: what to serve, as `covet run` takes it.
        app_dir: the folder that holds the module.
        command: how covet is called.
        options: more options for `covet run`.
        check: assert at the end that the server stopped with exit code 0.
    """
    process = subprocess.Popen(
        [*command, "run", app, "--app-dir", str(app_dir), "--host", "127.0.0.1", "--port", "0", *options],
        cwd=app_dir,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process)
    try:
        server.wait_until_listening()
        yield server
    except BaseException:
        process.kill()
        process.wait()
        raise
    code = server.stop()
    if check:
        assert code == 0, f"exit code {code}:\n{server.log}"
