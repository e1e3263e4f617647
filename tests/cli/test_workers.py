"""`covet run` with several workers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .support import APPLICATION, LIMIT, Running, covet, get, running

PORT = ("--port", "0")
SEVERAL = APPLICATION.replace("CovetPy()", "CovetPy(workers=2)")


def workers_of(server: Running, count: int) -> set[int]:
    """The processes that answer, once so many have been seen."""
    seen: set[int] = set()
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        seen.add(int(get(("127.0.0.1", server.ports[0]), "/pid")[2]))
        if len(seen) == count:
            return seen
    raise AssertionError(f"only {seen} answer:\n{server.log}")


def arguments_of(server: Running) -> list[str]:
    return Path(f"/proc/{server.process.pid}/cmdline").read_text("utf-8").split("\0")


def children_of(server: Running) -> set[int]:
    pid = server.process.pid
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for task in tasks for child in (task / "children").read_text("utf-8").split()}


def test_workers_are_processes_of_their_own(folder: Path) -> None:
    with running("run", "main:app", "--workers", "2", *PORT, cwd=folder) as server:
        assert len(children_of(server)) == 2
        assert workers_of(server, 1) <= children_of(server)


def test_a_worker_does_not_load_the_command_line(folder: Path) -> None:
    source = APPLICATION + "\nimport sys\n@app.get('/modules')\nasync def modules(): return sorted(sys.modules)\n"
    (folder / "main.py").write_text(source, "utf-8")
    with running("run", "main:app", "--workers", "2", *PORT, cwd=folder) as server:
        modules = json.loads(get(("127.0.0.1", server.ports[0]), "/modules")[2])
    assert "covet.worker" in modules
    assert not {"click", "covet.cli", "covet.engine", "covet.supervisor", "covet.running"} & set(modules)


def test_a_server_in_one_process_does_not_keep_the_parser(folder: Path) -> None:
    source = APPLICATION + "\nimport sys\n@app.get('/modules')\nasync def modules(): return sorted(sys.modules)\n"
    (folder / "main.py").write_text(source, "utf-8")
    with running("run", "main:app", *PORT, cwd=folder) as server:
        modules = json.loads(get(("127.0.0.1", server.ports[0]), "/modules")[2])
    assert "covet.engine" in modules
    assert not {"click", "covet.cli.options"} & set(modules)


def test_the_first_process_does_without_openssl_and_workers_have_it(folder: Path) -> None:
    route = "@app.get('/ssl')\nasync def ssl(): return bool(asyncio.sslproto.ssl)\n"
    source = f"{APPLICATION}\nimport asyncio.sslproto\n{route}"
    (folder / "main.py").write_text(source, "utf-8")
    with running("run", "main:app", "--workers", "2", *PORT, cwd=folder) as server:
        assert get(("127.0.0.1", server.ports[0]), "/ssl")[2] == "true"
        assert "libssl" not in Path(f"/proc/{server.process.pid}/maps").read_text("utf-8")


def test_the_number_that_the_platform_names(folder: Path) -> None:
    with running("run", "main:app", *PORT, cwd=folder, WEB_CONCURRENCY="2") as server:
        assert len(children_of(server)) == 2


def test_the_number_that_the_application_names(folder: Path) -> None:
    (folder / "main.py").write_text(SEVERAL + "\nos.chdir('/')\n", "utf-8")
    with running("run", "main:app", *PORT, cwd=folder) as server:
        assert len(children_of(server)) == 2
        arguments = arguments_of(server)
        assert arguments[arguments.index("run") + 1 :][:3] == ["--workers", "2", "main:app"]
    with running("run", "main:app", "--workers", "1", *PORT, cwd=folder) as server:
        assert children_of(server) == set()
    with running("run", "main:app", "--limit-max-requests", "1000", *PORT, cwd=folder) as server:
        assert len(children_of(server)) == 2


def test_one_worker_that_is_replaced(folder: Path) -> None:
    with running("run", "main:app", "--limit-max-requests", "3", *PORT, cwd=folder) as server:
        assert len(workers_of(server, 2)) == 2  # one after the other


def test_files_and_names_are_the_first_process_s(folder: Path) -> None:
    (folder / ".env").write_text("GREETING=good day\n", "utf-8")
    options = ("--workers", "2", "--pid-file", "pid", "--env-file", ".env", "--process-name", "shop server")
    with running("run", "main:app", *options, *PORT, cwd=folder) as server:
        assert (folder / "pid").read_text("utf-8") == f"{server.process.pid}\n"
        assert arguments_of(server)[0] == "shop server"
        assert get(("127.0.0.1", server.ports[0]))[2] == '"good day"'
    assert not (folder / "pid").exists()


def test_addresses_of_every_kind(folder: Path) -> None:
    path = str(folder / "s")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number, address = listener.fileno(), listener.getsockname()
        binds = ("-b", "127.0.0.1:0", "-b", f"unix:{path}", "-b", f"fd://{number}")
        with running("run", "main:app", "--workers", "2", *binds, cwd=folder, pass_fds=(number,)) as server:
            for where in (("127.0.0.1", server.ports[0]), path, address):
                assert get(where)[0] == 200


def test_a_factory_and_an_asgi_application(folder: Path) -> None:
    (folder / "other.py").write_text(
        "async def app(scope, receive, send):\n"
        "    if scope['type'] != 'http': return\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': scope['root_path'].encode()})\n"
        "def make(): return app\n",
        "utf-8",
    )
    options = ("--factory", "--workers", "2", "--root-path", "/api", "--lifespan", "off", "--interface", "asgi")
    with running("run", "other:make", *options, *PORT, cwd=folder) as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == "/api"


def in_use(folder: Path, port: int) -> tuple[str, ...]:
    return ("main:app", "--port", str(port))


def import_error(folder: Path, _: int) -> tuple[str, ...]:
    (folder / "broken.py").write_text("1 / 0\n", "utf-8")
    return ("broken:app",)


def missing(folder: Path, _: int) -> tuple[str, ...]:
    return ("none:app",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (in_use, "error while attempting to bind on address ('127.0.0.1', "),
        (import_error, "ZeroDivisionError: division by zero"),
        (missing, 'Error loading the application. Could not import module "none".'),
    ],
)
def test_a_start_that_fails(folder: Path, arguments: Callable[[Path, int], Any], message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = covet("run", *arguments(folder, taken.getsockname()[1]), "--workers", "2", cwd=folder)
    assert result.returncode == 3 and message in result.stderr, result.stderr


def test_a_log_configuration_counts_in_every_process(folder: Path) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(process)d %(message)s"}},
        "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "loggers": {"covet": {"handlers": ["out"], "level": "INFO"}, "covet.access": {"level": "ERROR"}},
    }
    (folder / "log.json").write_text(json.dumps(config), "utf-8")
    with running("run", "main:app", "--workers", "2", "--log-config", "log.json", *PORT, cwd=folder) as server:
        children = children_of(server)
        assert get(("127.0.0.1", server.ports[0]))[0] == 200
    assert "GET" not in server.log
    for child in children:
        assert f"{child} Started server process [{child}]\n" in server.log


def test_wrong_settings_are_told_before_the_start(folder: Path) -> None:
    result = covet("run", "main:app", "--workers", "2", "--max-body-size", "big", cwd=folder)
    assert result.returncode == 2 and "max_body_size must be a size" in result.stderr
    assert "Traceback" not in result.stderr and "Started" not in result.stderr
