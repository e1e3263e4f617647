"""`covet run`: finding the application, files, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from covet import __version__

from .support import LIMIT, covet, get, running

PORT = ("--port", "0")


def test_the_application_is_found(folder: Path) -> None:
    with running("run", *PORT, cwd=folder) as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == '"hello"'
    (folder / "inner").mkdir()
    with running("run", "main.py", "--app-dir", str(folder), *PORT, cwd=folder / "inner") as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == '"hello"'


def test_no_application(tmp_path: Path) -> None:
    result = covet("run", cwd=tmp_path)
    assert result.returncode == 2 and "APP is missing, and none of main.py, app.py" in result.stderr


def test_a_factory(folder: Path) -> None:
    with running("run", "main:make", "--factory", *PORT, cwd=folder) as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == '"hello"'
    result = covet("run", "main:make", *PORT, cwd=folder)
    assert result.returncode == 3 and "add --factory." in result.stderr
    result = covet("run", "main:app.routes", "--factory", *PORT, cwd=folder)
    assert result.returncode == 3 and "is a list, not a function that returns an application" in result.stderr


def test_an_environment_file(folder: Path) -> None:
    (folder / ".env").write_text("GREETING=good day\nCOVET_PORT=0\n", "utf-8")
    with running("run", "main:app", "--env-file", ".env", cwd=folder) as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == '"good day"'
    result = covet("run", "main:app", cwd=folder, COVET_ENV_FILE="none")
    assert (result.returncode, result.stderr) == (3, "Error: env_file: none: No such file or directory\n")


def test_the_pid_file(folder: Path) -> None:
    with running("run", "main:app", "--pid-file", "pid", *PORT, cwd=folder) as server:
        assert (folder / "pid").read_text("utf-8") == f"{server.process.pid}\n"
        for several in ((), ("--workers", "2")):
            result = covet("run", "main:app", "--pid-file", "pid", *several, *PORT, cwd=folder)
            assert result.returncode == 3
            said = f"pid_file: pid: process {server.process.pid}, which the file names, is running: stop it, or remove"
            assert said in result.stderr.splitlines()[-1], result.stderr
        assert (folder / "pid").read_text("utf-8") == f"{server.process.pid}\n"
    assert not (folder / "pid").exists()
    result = covet("run", "main:app", "--pid-file", "none/pid", *PORT, cwd=folder)
    assert (result.returncode, result.stderr) == (3, "ERROR:    pid_file: none/pid: No such file or directory\n")


def test_the_process_name(folder: Path) -> None:
    with running("run", "main:app", "--process-name", "shop server", *PORT, cwd=folder) as server:
        line = Path(f"/proc/{server.process.pid}/cmdline").read_text("utf-8")
    assert line.rstrip("\0") == "shop server"


def test_colours(folder: Path) -> None:
    with running("run", "main:app", "--use-colors", *PORT, cwd=folder) as server:
        assert "\x1b[32mINFO\x1b[0m:     " in server.log
    with running("run", "main:app", "--no-use-colors", *PORT, cwd=folder) as server:
        assert "\x1b" not in server.log


def test_a_log_configuration(folder: Path) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "[%(name)s] %(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "log", "formatter": "plain"}},
        "loggers": {
            "covet": {"handlers": ["file"], "level": "INFO"},
            "covet.access": {"level": "WARNING"},
        },
    }
    (folder / "log.json").write_text(json.dumps(config), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "covet", "run", "main:app", "--log-config", "log.json", "--uds", "s"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = folder / "log"
    try:
        while not log.exists() or "running on" not in log.read_text("utf-8"):
            assert process.poll() is None
        assert get(str(folder / "s"))[0] == 200
    finally:
        process.terminate()
        printed, _ = process.communicate(timeout=LIMIT)
    assert "[covet.error] Application startup complete.\n" in log.read_text("utf-8")
    assert printed == ""  # neither the log nor lines for requests


def test_a_log_configuration_that_is_not_there(folder: Path) -> None:
    result = covet("run", "main:app", "--log-config", "none.json", cwd=folder)
    assert (result.returncode, result.stderr) == (3, "ERROR:    log_config: none.json: No such file or directory\n")


@pytest.mark.parametrize("command", [("--version",), ("run", "--version"), ("dev", "--version")])
def test_version(folder: Path, command: tuple[str, ...]) -> None:
    assert covet(*command, cwd=folder).stdout == f"covet {__version__}\n"


def test_the_server_and_date_fields(folder: Path) -> None:
    with running("run", "main:app", "--no-server-header", "--no-date-header", *PORT, cwd=folder) as server:
        _, fields, _ = get(("127.0.0.1", server.ports[0]))
    assert fields.keys().isdisjoint({"server", "date"})


def test_the_path_of_a_proxy(folder: Path) -> None:
    source = """
from covet import CovetPy, Request

app = CovetPy()

@app.get("/url")
async def url(request: Request) -> str:
    return str(request.url)
"""
    (folder / "main.py").write_text(source, "utf-8")
    with running("run", "main:app", "--root-path", "/api", *PORT, cwd=folder) as server:
        address = ("127.0.0.1", server.ports[0])
        assert get(address, "/url")[2] == '"http://localhost/api/url"'
        assert get(address, "/url/")[1]["location"] == "http://localhost/api/url"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            "covet.run(app, workers=2)",
            "You must pass the application as an import string to enable 'reload' or 'workers'.",
        ),
        ("covet.run(app, reload=True)", "You must pass the application as an import string to enable"),
        ("covet.CovetPy(workers=2).run()", "You must pass the application as an import string to enable"),
        ("covet.run(app, prot=1)", "run() got an unexpected keyword argument 'prot'"),
        ("covet.run(app, fd=1, uds='/a')", "uds cannot be given with fd"),
        ("covet.run(1)", "The int object cannot be called, so it is no application"),
    ],
)
def test_wrong_calls_of_run(folder: Path, call: str, message: str) -> None:
    script = f"import covet\nfrom main import app\n{call}\n"
    result = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=LIMIT)
    assert result.returncode != 0 and message in result.stderr


def test_run_in_python(folder: Path) -> None:
    script = "import covet\ncovet.run('main:app', uds='s', access_log=False, log_level='warning', pid_file='pid')\n"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=folder, env=None)
    try:
        while True:
            assert process.poll() is None
            try:
                assert get(str(folder / "s"))[0] == 200
            except (FileNotFoundError, ConnectionRefusedError):  # the file is there before anybody listens
                time.sleep(0.01)
            else:
                break
        assert (folder / "pid").read_text("utf-8") == f"{process.pid}\n"
    finally:
        process.terminate()
        assert process.wait(LIMIT) == 0


def test_dev(folder: Path) -> None:
    source = (folder / "main.py").read_text("utf-8")
    (folder / "main.py").write_text(source + "\n@app.get('/fail')\nasync def fail(): 1 / 0\n", "utf-8")
    with running("dev", *PORT, cwd=folder) as server:
        address = ("127.0.0.1", server.ports[0])
        status, _, body = get(address, "/fail")
        assert status == 500 and "ZeroDivisionError" in body
        (folder / "main.py").write_text(source.replace('"hello"', '"changed"'), "utf-8")
        end = time.monotonic() + LIMIT
        while get(address)[2] != '"changed"':
            assert time.monotonic() < end, server.log
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("variables", "seen"), [({}, "development"), ({"COVET_ENV": "x"}, "x"), ({"FASTAPI_ENV": "production"}, "None")]
)
def test_dev_is_told_to_the_application(folder: Path, variables: dict[str, str], seen: str) -> None:
    source = (folder / "main.py").read_text("utf-8").replace('"GREETING", "hello"', '"COVET_ENV", "None"')
    (folder / "main.py").write_text(source, "utf-8")
    with running("dev", *PORT, cwd=folder, **variables) as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == f'"{seen}"'


@pytest.mark.parametrize("workers", ["1", "2"])
def test_uvicorns_variables(folder: Path, workers: str) -> None:
    source = (folder / "main.py").read_text("utf-8").replace("CovetPy()", f"CovetPy(workers={workers})")
    (folder / "main.py").write_text(source, "utf-8")
    variables = {"UVICORN_APP": "main:app", "UVICORN_PORT": "0", "UVICORN_HTTP": "h11"}
    with running("run", cwd=folder, **variables) as server:
        assert get(("127.0.0.1", server.ports[0]))[2] == '"hello"'
        assert server.log.count("WARNING:  UVICORN_HTTP: covet has no such option") == 1
