"""Blocks that are no examples to be served: tests, commands, and files of other programs."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import httpx
import pytest
from pages import ROOT, Block, all_blocks, all_pages
from serving import Server, served

from covet.cli.commands import main

LANGUAGES = {"console", "dockerfile", "ini", "json", "log", "nginx", "py", "python", "sh", "text"}
"""Those that some test looks at: python and console blocks in test_docs.py, the others here."""

SERVED = """
import time

from covet import CovetPy

app = application = CovetPy()


@app.get("/")
async def index():
    return "served"


@app.get("/items/{item_id}")
async def item(item_id: int):
    return item_id


@app.get("/blocks")
async def blocks():
    time.sleep(3)
"""

SERVERS = {"granian", "uvicorn"}
COLLECTOR = "http://collector:4318"
INSTRUCTIONS = {"CMD", "COPY", "FROM", "RUN", "USER", "WORKDIR"}


def blocks(*languages: str) -> pytest.MarkDecorator:
    found = all_blocks(*languages)
    assert found
    return pytest.mark.parametrize("block", found, ids=lambda block: block.name)


def test_no_block_is_forgotten() -> None:
    found = all_blocks()
    assert [block.name for block in found if block.language not in LANGUAGES] == []
    for page in all_pages():
        fences = re.findall(r"^[ >]*(?:```|~~~)", page.read_text("utf-8"), re.MULTILINE)
        assert len(fences) == 2 * sum(block.page == page for block in found), f"{page}: a fence that is not read"


@blocks("py")
def test_tests_pass(block: Block, tmp_path: Path) -> None:
    modules = [each for each in all_blocks("python") if each.page == block.page and each.line < block.line]
    (tmp_path / "main.py").write_text(modules[-1].text, "utf-8")
    (tmp_path / "test_block.py").write_text(block.text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr


@blocks("sh")
def test_commands_do_what_they_are_for(block: Block, tmp_path: Path) -> None:
    syntax = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert syntax.returncode == 0, syntax.stderr
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n", "utf-8")
    environment = dict(os.environ)
    with collecting() as (url, paths):
        for command in commands_of(block.text.replace(COLLECTOR, url)):
            run_command(command, tmp_path, environment)
    if COLLECTOR in block.text:
        assert "/v1/traces" in paths


def commands_of(text: str) -> list[list[str]]:
    """The commands of a block, as words; comments are left out."""
    parts = [part for line in text.splitlines() for part in line.split("&&")]
    return [words for words in (shlex.split(part, comments=True) for part in parts) if words]


def run_command(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Runs what can be run without a network and another machine, and looks for the rest where it must be."""
    program, *arguments = words
    named = next((word.partition(":")[0] for word in words if re.fullmatch(r"[a-z.]+:[a-z]+", word)), "main")
    module = folder / (named.replace(".", "/") + ".py")
    module.parent.mkdir(exist_ok=True)
    module.write_text(SERVED, "utf-8")
    if program in SERVERS or (program == "covet" and arguments[0] in ("run", "dev")):
        serve(words, folder, environment)
    elif program == "covet":
        command = [sys.executable, "-m", *words]
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stdout + result.stderr
        if "--write" in arguments:
            assert "from covet import FastAPI" in (folder / "src" / "main.py").read_text("utf-8")
    elif program == "export":
        name, _, value = arguments[0].partition("=")
        environment[name] = value
    elif program == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        found = re.fullmatch(r"\.|covetpy(?:\[(\w+)\])?", arguments[1])
        assert found and found[1] in {None, *extras}
    elif program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    else:
        assert words in (["python3", "-m", "venv", ".venv"], [".", ".venv/bin/activate"]), words


def serve(words: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Starts a server as the page does, but on a free port; it must answer, and end when it is told to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if words[0] != "covet":
        pytest.importorskip(words[0])
    path = environment.get("COVET_UDS")
    # Of an option that is given twice the last one counts.
    address = [] if path else ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-m", *words, *address],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=path)) as client:
            while True:
                assert process.poll() is None, f"{words} has ended with exit code {process.returncode}:\n{server.log}"
                with suppress(httpx.TransportError):
                    assert client.get(f"http://127.0.0.1:{port}/").json() == "served"
                    break
                time.sleep(0.05)
        while words[0] == "covet" and "Covet running on" not in server.log:
            time.sleep(0.05)
        process.terminate()
        assert process.wait(30) == 0 or words[0] != "covet", server.log
    finally:
        process.kill()
        process.wait()


@contextmanager
def collecting() -> Iterator[tuple[str, list[str]]]:
    """The address of a collector of OpenTelemetry, and the paths that it is asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            paths.append(self.path)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The lines that a server has logged, without what is another's each time."""
    folder = tmp_path_factory.mktemp("logged")
    (folder / "main.py").write_text(SERVED, "utf-8")
    with served("main:app", app_dir=folder, options=["--workers", "3"]) as server:
        httpx.get(f"{server.url}/items/5?q=tea")
        httpx.get(f"{server.url}/blocks", timeout=30)
        while "runs again" not in server.log:
            time.sleep(0.05)
    return set(map(without_values, server.log.splitlines()))


def without_values(line: str) -> str:
    return re.sub(r"\d+", "0", re.sub(r" at /\S+", " at /file:0", line))


@blocks("log")
def test_logs_have_such_lines(block: Block, logged: set[str]) -> None:
    assert set(map(without_values, block.text.splitlines())) <= logged


@blocks("text")
def test_texts_are_drawings(block: Block) -> None:
    assert "\N{BLACK RIGHT-POINTING TRIANGLE}" in block.text, "say what it is: log, console, sh ..."


@blocks("ini")
def test_units_start_what_there_is(block: Block, tmp_path: Path) -> None:
    page = block.page.read_text("utf-8") + (ROOT / "docs" / "cli.md").read_text("utf-8")
    run = main.get_command(click.Context(main), "run")
    assert run is not None
    known = {f"COVET_{option.name}".upper() for option in run.params}
    environment = dict(os.environ)
    for line in re.findall(r"^Environment=(.*)", block.text, re.MULTILINE):
        for name, _, value in (each.partition("=") for each in shlex.split(line)):
            assert name in known if name.startswith("COVET_") else f'"{name}"' in page or f"`{name}`" in page
            environment[name] = value.replace("/run/library", str(tmp_path))
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read_string(block.text)
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "covet"
    run_command(["covet", *arguments], tmp_path, environment)
    if shutil.which("systemd-analyze"):
        file = tmp_path / "library.service"
        file.write_text(block.text.replace(program, sys.executable), "utf-8")
        result = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=60)
        assert str(file) not in result.stderr, result.stderr


@blocks("nginx")
def test_configurations_of_nginx_are_complete(block: Block, tmp_path: Path) -> None:
    for line in filter(None, map(str.strip, block.text.splitlines())):
        assert line[-1] in "{};", line
    assert block.text.count("{") == block.text.count("}")
    if shutil.which("nginx"):
        file = tmp_path / "nginx.conf"
        server = f"server {{ listen 127.0.0.1:1; {block.text} }}"
        file.write_text(f"pid {tmp_path}/pid; events {{}} http {{ {server} }}", "utf-8")
        result = subprocess.run(["nginx", "-t", "-c", str(file)], capture_output=True, text=True)
        assert "syntax is ok" in result.stderr, result.stderr


@blocks("dockerfile")
def test_images_run_what_there_is(block: Block, tmp_path: Path) -> None:
    instructions = [line.split(maxsplit=1) for line in block.text.splitlines()]
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    command = json.loads(dict(instructions)["CMD"])
    assert command[0] == "covet"
    run_command(command, tmp_path, dict(os.environ))


@blocks("json")
def test_configurations_of_logging_log(block: Block, tmp_path: Path) -> None:
    settings = json.loads(block.text)
    file = tmp_path / settings["handlers"]["file"]["filename"]
    settings["handlers"]["file"]["filename"] = str(file)
    settings["handlers"]["shown"] = {"class": "logging.StreamHandler"}  # the test wants to know the address
    settings["root"] = {"handlers": ["shown"], "level": "INFO"}
    (tmp_path / "log.json").write_text(json.dumps(settings), "utf-8")
    (tmp_path / "main.py").write_text("from covet import CovetPy\n\napp = CovetPy()\n", "utf-8")
    with served("main:app", app_dir=tmp_path, options=["--log-config", str(tmp_path / "log.json")]) as server:
        assert httpx.get(server.url + "/missing").status_code == 404
    assert re.search(r'127\.0\.0\.1:\d+ "GET /missing HTTP/1\.1" 404', file.read_text("utf-8"))
