"""Every kind of address that `covet run` can listen on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from .support import APPLICATION, LIMIT, command, covet, get, running


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


def test_a_unix_socket(folder: Path) -> None:
    path = str(folder / "s")
    with running("run", "main:app", "--uds", path, cwd=folder) as server:
        assert server.where == f"unix socket {path}"
        assert get(path)[2] == '"hello"'
    assert not os.path.exists(path)


@ipv6
def test_ipv6(folder: Path) -> None:
    with running("run", "main:app", "--host", "::1", "--port", "0", cwd=folder) as server:
        assert server.where == f"http://[::1]:{server.ports[0]}"
        assert get(("::1", server.ports[0]))[0] == 200


def test_several_addresses(folder: Path) -> None:
    path = str(folder / "s")
    binds = ("-b", "127.0.0.1:0", "--bind", f"unix:{path}", "--bind", "localhost:0")
    with running("run", "main:app", *binds, cwd=folder) as server:
        first, second = server.ports
        for address in (("127.0.0.1", first), ("127.0.0.1", second), path):
            assert get(address)[0] == 200
    assert server.where == f"http://127.0.0.1:{first}, unix socket {path}, http://127.0.0.1:{second}"


@pytest.mark.parametrize("form", ["--fd", "--bind"])
def test_an_inherited_socket(folder: Path, form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, port = listener.fileno(), listener.getsockname()[1]
        value = str(number) if form == "--fd" else f"fd://{number}"
        with running("run", "main:app", form, value, cwd=folder, pass_fds=(number,)) as server:
            assert server.where == f"http://127.0.0.1:{port} (descriptor {number})"
            assert get(("127.0.0.1", port))[0] == 200


LISTEN = """
import os, socket, sys
first = socket.create_server(("127.0.0.1", 0))
number = os.dup(first.fileno()) if first.fileno() == 3 else first.fileno()
os.dup2(number, 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, sys.argv[1:])
"""


def listening(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the command as systemd does, with a socket that listens already."""
    return subprocess.Popen(
        [sys.executable, "-c", LISTEN, *command("run", "main:app", *arguments)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "running on" in line:
                return line.partition(" running on ")[2]
        raise AssertionError("it ended without serving")
    finally:
        process.terminate()
        assert process.wait(LIMIT) == 0


def test_sockets_of_systemd(folder: Path) -> None:
    assert "(descriptor 3)" in address_of(listening(folder))
    assert "descriptor" not in address_of(listening(folder, "--port", "0"))


def test_sockets_of_systemd_for_an_application_that_names_its_workers(folder: Path) -> None:
    (folder / "main.py").write_text(APPLICATION.replace("CovetPy()", "CovetPy(workers=2)"), "utf-8")
    assert "(descriptor 3)" in address_of(listening(folder))


def test_an_address_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = covet("run", "main:app", "-b", "127.0.0.1:0", "-b", f"127.0.0.1:{port}", cwd=folder)
    reason = f"[Errno 98] error while attempting to bind on address ('127.0.0.1', {port}): address already in use"
    assert result.returncode == 3 and f"ERROR:    {reason}\n" in result.stderr


def test_a_socket_that_cannot_be(folder: Path) -> None:
    result = covet("run", "main:app", "--uds", str(folder / "none" / "s"), cwd=folder)
    assert result.returncode == 3 and "no such file or directory" in result.stderr.lower()
    result = covet("run", "main:app", "--fd", "99", cwd=folder)
    message = "ERROR:    fd: descriptor 99 is not a socket to listen on: bad file descriptor\n"
    assert (result.returncode, result.stderr) == (3, message)


def test_a_bound_socket_that_does_not_listen_yet(folder: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        number = bound.fileno()
        with running("run", "main:app", "--fd", str(number), cwd=folder, pass_fds=(number,)):
            assert get(bound.getsockname())[0] == 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--fd", "3", "--bind", "a:1"), "fd cannot be given with bind"),
        (("--port", "1", "--uds", "/a"), "port cannot be given with uds"),
        (("--bind", "nowhere"), "bind must be host:port, [ipv6]:port, unix:/path or fd://number, not 'nowhere'"),
        (("--uds", "/a", "--uds-permissions", "rw"), "uds_permissions must be octal digits such as 660"),
    ],
)
def test_wrong_addresses(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    result = covet("run", "main:app", *arguments, cwd=folder)
    assert result.returncode == 2 and message in result.stderr and "Traceback" not in result.stderr
