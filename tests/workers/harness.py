"""A supervised server for tests, and clients that count what fails."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wire.harness import Closed, Reader, Server, serve

from covet.status_socket import default_socket, fetch_status

HERE = Path(__file__).parent
# Unlike covet.run, it has one worker in a process of its own, too.
PROGRAM = """
import json, sys
from covet.given import read
from covet.supervisor import supervise
from covet.supervisor.options import options_for
given = json.loads(sys.argv[1])
app = given.pop("app")
sys.exit(supervise(options_for(app, *read(given))))
"""


def command(app: str = "app:app", *, app_dir: Path = HERE, **options: Any) -> list[str]:
    """The command of a server on a port that the system picks; the options are those of `covet.run`."""
    given = {"app": app, "app_dir": str(app_dir), "port": 0, "access_log": False, "workers": 2, **options}
    return [sys.executable, "-c", PROGRAM, json.dumps(given)]


@contextlib.contextmanager
def supervised(app: str = "app:app", **options: Any) -> Iterator[Server]:
    """A supervised server, for as long as the context lasts."""
    with serve(command=command(app, **options)) as server:
        try:
            yield server
        except BaseException:
            print(server.log)
            raise


@contextlib.contextmanager
def printing(arguments: list[str], *, group: bool = False) -> Iterator[Server]:
    """A server that need not come up, and what it prints; with a process group of its own if that is wanted."""
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=group
    )
    server = Server(process, 0)

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                server.lines.append(line.rstrip("\n"))
                if found := re.search(r"running on http://[^ ]*:(\d+)", line):
                    server.port = int(found[1])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(10)


def get(server: Server, path: str, timeout: float = 20.0) -> Any:
    """The JSON that a GET on a connection of its own gives."""
    with urllib.request.urlopen(server.url + path, timeout=timeout) as answer:
        return json.load(answer)


def workers_of(server: Server) -> set[int]:
    """The worker processes that live."""
    found = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == server.process.pid and state != "Z":
                found.add(int(folder.name))
    return found


def serving(server: Server) -> set[int]:
    """The workers that are given requests."""
    workers = fetch_status(default_socket(server.process.pid))["workers"]
    return {worker["pid"] for worker in workers if worker["state"] == "admitted"}


def alive(pid: int) -> bool:
    """Whether a process lives."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(condition: Callable[[], Any], limit: float = 30.0) -> Any:
    """Waits until a condition is true and returns its value."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        time.sleep(0.02)
    raise AssertionError("it did not become true")


def logged(server: Server, text: str, limit: float = 30.0) -> re.Match[str]:
    """Waits for a log line that fits a regular expression."""

    def look() -> re.Match[str] | None:
        return next((found for line in list(server.lines) if (found := re.search(text, line))), None)

    try:
        found = eventually(look, limit)
    except AssertionError:
        raise AssertionError(f"nothing like {text!r} in the log:\n{server.log}") from None
    assert isinstance(found, re.Match)
    return found


class Load:
    """Keep-alive clients, a thread each, that ask one path after the other and check the answers.

    Attributes:
        outcomes: how many answers of each status there were; "closed" and "wrong" are failures.
        pids: how many answers each worker gave.
    """

    def __init__(self, server: Server, path: str = "/pid", clients: int = 4) -> None:
        self.outcomes: Counter[str] = Counter()
        self.pids: Counter[int] = Counter()
        self._server = server
        self._request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def failures(self) -> dict[str, int]:
        """What was not answered as it should be."""
        return {outcome: count for outcome, count in self.outcomes.items() if outcome != "200"}

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with self._server.connect() as connection:
                    self._ask_on(connection)
            except (Closed, OSError) as error:
                if not self._ending.is_set():
                    self.outcomes[f"closed: {error!r}"] += 1
                    time.sleep(0.05)

    def _ask_on(self, connection: socket.socket) -> None:
        reader = Reader(connection)
        while not self._ending.is_set():
            connection.sendall(self._request)
            answer = reader.answer()
            self.outcomes[str(answer.status)] += 1
            if answer.status == 200:
                self.pids[json.loads(answer.body)["pid"]] += 1
