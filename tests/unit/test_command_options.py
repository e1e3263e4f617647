"""Options of the command line: their names everywhere, the environment, the documentation."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import covet.running
from covet.cli.commands import main
from covet.cli.option import Option
from covet.cli.run import run
from covet.given import RUN_NAMES
from covet.options import ServeOptions
from covet.run_options import RunOptions

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
ROW = re.compile(r"^\| (`-[^|]*) \| ([^|]*?)\s*\|", re.MULTILINE)


def options() -> list[Option]:
    return [parameter for parameter in run.params if isinstance(parameter, Option)]


def flags(option: Option) -> frozenset[str]:
    return frozenset((*option.opts, *option.secondary_opts))


def shown(option: Option) -> str:
    """An option's default as the documentation has it."""
    if option.default in (None, "") or not isinstance(option.default, (str, int)):
        return ""
    if option.is_flag:
        return "on" if option.default else "off"
    return f"`{option.default}`"


def test_the_command_line_has_every_option_of_run() -> None:
    names = {option.name for option in options()}
    assert names == RUN_NAMES - {"title", "version", "keepalive_timeout"}


def test_type_checkers_know_every_option_of_run() -> None:
    assert RunOptions.__optional_keys__ == RUN_NAMES


def test_defaults_are_the_same_in_python() -> None:
    own = ServeOptions()
    for option in options():
        # Python code has no business with the working folder.
        if shown(option) and option.name != "app_dir":
            value = getattr(own, str(option.name))
            text = f"{value:g}" if isinstance(value, float) else str(value)
            assert shown(option) == (("on" if value else "off") if option.is_flag else f"`{text}`"), option.name


def test_every_option_has_its_variable() -> None:
    for option in options():
        flag = next(name for name in option.opts if name.startswith("--"))
        assert option.envvar == "COVET_" + flag.removeprefix("--").replace("-", "_").upper()


def test_the_documentation_lists_every_option() -> None:
    rows = {frozenset(re.findall(r"`(-[^`]+)`", names)): default for names, default in ROW.findall(PAGE.read_text())}
    assert rows.keys() == {flags(option) for option in options()}
    for option in options():
        assert rows[flags(option)] == shown(option), option.name


def test_help_has_every_option() -> None:
    printed = CliRunner().invoke(main, ["run", "--help"], terminal_width=200).output
    for option in options():
        assert flags(option) <= set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", printed)), option.name
        assert f"COVET_{str(option.envvar)[6:]}" in printed


def test_dev_takes_the_options_of_run() -> None:
    from covet.cli.dev import dev

    assert [p.name for p in dev.params] == [p.name for p in run.params]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What the command would serve."""
    found: dict[str, Any] = {}

    def serve(app: str, given: dict[str, Any], *, several: Any, warnings: Any) -> None:
        found.update(given, app=app)

    monkeypatch.setattr(covet.running, "serve", serve)
    monkeypatch.chdir(tmp_path)
    return found


def invoke(*arguments: str, **environment: str) -> Any:
    return CliRunner().invoke(main, list(arguments), env=environment)


def test_only_what_was_given_is_passed_on(served: dict[str, Any]) -> None:
    assert invoke("run", "main:app").exit_code == 0
    assert served == {"app": "main:app", "app_dir": "."}


def test_values_from_the_command_line(served: dict[str, Any]) -> None:
    invoke(
        *("run", "m:app", "-b", "a:1", "--bind", "unix:/s", "--header", "X-A:b c", "--header", "X-B:d", "-w", "auto"),
        *("--reload-dir", "src", "--reload-dir", "lib", "--no-server-header", "--workers-lifetime", "6h", "--factory"),
    )
    assert served == {
        "app": "m:app",
        "app_dir": ".",
        "bind": ("a:1", "unix:/s"),
        "headers": ("X-A:b c", "X-B:d"),
        "workers": "auto",
        "reload_dirs": ("src", "lib"),
        "server_header": False,
        "workers_lifetime": "6h",
        "factory": True,
    }


def test_values_from_the_environment(served: dict[str, Any]) -> None:
    invoke(
        "run",
        COVET_APP="m:app",
        COVET_BIND="a:1 [::1]:2",
        COVET_HEADER="X-A: b c\nX-B: d\n",
        COVET_RELOAD_DIR="src:lib",
        COVET_ACCESS_LOG="0",
        COVET_WORKERS="3",
    )
    assert served == {
        "app": "m:app",
        "app_dir": ".",
        "bind": ("a:1", "[::1]:2"),
        "headers": ("X-A: b c", "X-B: d"),
        "reload_dirs": ("src", "lib"),
        "access_log": False,
        "workers": "3",
    }


def test_the_command_line_counts_more_than_the_environment(served: dict[str, Any]) -> None:
    invoke("run", "m:app", "--port", "1", COVET_PORT="2")
    assert served["port"] == 1


def test_dev_reloads_and_debugs(served: dict[str, Any]) -> None:
    invoke("dev", "m:app")
    assert (served["reload"], served["debug"]) == (True, True)
    invoke("dev", "m:app", "--no-reload", COVET_DEBUG="0")
    assert (served["reload"], served["debug"]) == (False, False)


def test_an_environment_file_sets_options(
    served: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COVET_PORT", "COVET_HOST", "COVET_APP"):
        monkeypatch.setenv(name, "")  # what the file sets is taken back after the test
        monkeypatch.delenv(name)
    (tmp_path / "settings").write_text("COVET_PORT=4711\nCOVET_HOST=from-file\nCOVET_APP=file:app\n", "utf-8")
    monkeypatch.setenv("COVET_HOST", "from-environment")
    assert invoke("run", "--env-file", "settings").exit_code == 0
    assert (served["app"], served["host"], served["port"]) == ("file:app", "from-environment", 4711)


def test_an_environment_file_that_is_not_there(served: dict[str, Any]) -> None:
    result = invoke("run", "m:app", "--env-file", "none")
    assert (result.exit_code, result.stderr) == (3, "Error: env_file: none: No such file or directory\n")
    assert served == {}


def test_commands_have_help() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None and inspect.getdoc(command.callback)
        assert invoke(name, "--help").exit_code == 0
    assert invoke("nonsense").exit_code == 2
