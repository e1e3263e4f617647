"""Private PostgreSQL and Redis servers, on unix sockets in a folder of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

LIMIT = 30.0


def program(name: str) -> str:
    """Where a server's program is; skips the test if it is not installed."""
    places = [os.environ.get("PATH", ""), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def unprivileged() -> pwd.struct_passwd | None:
    """Whom to run a server as that refuses to run as root; None if this process is not root's."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    pytest.skip("there is no user to run PostgreSQL as")


@contextmanager
def folder(owner: pwd.struct_passwd | None = None) -> Iterator[Path]:
    """A folder with a path short enough for unix sockets, for another user if one is given."""
    with tempfile.TemporaryDirectory(prefix="covet", dir="/tmp") as name:
        if owner is not None:
            os.chown(name, owner.pw_uid, owner.pw_gid)
        yield Path(name)


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL server that nobody else uses; gives the URL for SQLAlchemy with asyncpg."""
    initdb, server = program("initdb"), program("postgres")
    owner = unprivileged()
    identity = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": ()}
    with folder(owner) as place:
        data = place / "data"
        options = ["--auth=trust", "--username=covet", "--no-sync", "--encoding=UTF8", "--locale=C"]
        made = subprocess.run([initdb, "-D", data, *options], cwd=place, capture_output=True, text=True, **identity)
        assert made.returncode == 0, made.stdout + made.stderr
        settings = ["listen_addresses=", f"unix_socket_directories={place}", "fsync=off", "shared_buffers=16MB"]
        command = [server, "-D", str(data), *(part for each in settings for part in ("-c", each))]
        with running(command, place / ".s.PGSQL.5432", cwd=place, **identity):
            yield f"postgresql+asyncpg://covet@/postgres?host={place}"


@contextmanager
def redis() -> Iterator[str]:
    """A Redis server that nobody else uses; gives its URL."""
    server = program("redis-server")
    with folder() as place:
        socket = place / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
        with running([server, *options], socket, cwd=place):
            yield f"unix://{socket}"


@contextmanager
def running(command: list[str], socket: Path, *, cwd: Path, **identity: object) -> Iterator[None]:
    """Runs a server until the end of the block, which begins once its socket is there."""
    log = cwd / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output, **identity)  # type: ignore[call-overload]
    try:
        end = time.monotonic() + LIMIT
        while not socket.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        try:
            process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
