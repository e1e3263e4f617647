"""Blocks that are no examples to be served: tests, commands, and files of other programs."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import httpx
import pytest
from pages import ROOT, Block, all_blocks
from serving import served

from covet.cli.commands import main

LANGUAGES = {"", "console", "dockerfile", "ini", "json", "nginx", "py", "python", "sh"}
"""Those that some test looks at; a block without one shows what something prints."""

PROGRAMS = {".", "covet", "export", "granian", "make", "pip", "python3", "uvicorn"}
INSTRUCTIONS = {"CMD", "COPY", "FROM", "RUN", "USER", "WORKDIR"}


def blocks(*languages: str) -> pytest.MarkDecorator:
    found = all_blocks(*languages)
    assert found
    return pytest.mark.parametrize("block", found, ids=lambda block: block.name)


def check_command(arguments: list[str]) -> None:
    """Has the real parser read what follows `covet`."""
    group = main.make_context("covet", list(arguments))
    assert isinstance(main, click.Group)
    name, command, rest = main.resolve_command(group, list(arguments))
    assert command is not None
    command.make_context(name, rest, parent=group)


def test_no_block_is_forgotten() -> None:
    assert {block.language for block in all_blocks()} <= LANGUAGES


@blocks("py")
def test_tests_pass(block: Block, tmp_path: Path) -> None:
    modules = [each for each in all_blocks("python") if each.page == block.page and each.line < block.line]
    (tmp_path / "main.py").write_text(modules[-1].text, "utf-8")
    (tmp_path / "test_block.py").write_text(block.text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", ".", "."]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr


@blocks("sh")
def test_commands_can_be_typed(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    syntax = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert syntax.returncode == 0, syntax.stderr
    for line in block.text.splitlines():
        for command in shlex.split(line, comments=True) and re.split("&&", line.partition("#")[0]):
            program, *arguments = shlex.split(command)
            assert program in PROGRAMS
            if program == "covet":
                check_command(arguments)
            elif program == "make":
                assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@blocks("ini")
def test_units_start_what_there_is(block: Block) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment]
    unit.read_string(block.text)
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "covet"
    check_command(arguments)
    run = main.get_command(click.Context(main), "run")
    assert run is not None
    known = {f"COVET_{option.name}".upper() for option in run.params}
    assert set(re.findall(r"\bCOVET_\w+", block.text)) <= known


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
def test_images_run_what_there_is(block: Block) -> None:
    instructions = [line.split(maxsplit=1) for line in block.text.splitlines()]
    assert {name for name, _ in instructions} <= INSTRUCTIONS
    program, *arguments = json.loads(dict(instructions)["CMD"])
    assert program == "covet"
    check_command(arguments)


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
