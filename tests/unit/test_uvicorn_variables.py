"""Uvicorn's variables of the environment: where they count, and what counts more."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import covet.running
from covet.cli import uvicorn
from covet.cli.commands import main
from covet.cli.option import Option
from covet.cli.run import run

served_by_uvicorn = pytest.importorskip("uvicorn.main")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> dict[str, Any]:
    """What the command would serve."""
    found: dict[str, Any] = {}

    def serve(app: str, given: dict[str, Any], *, several: Any, warnings: Any) -> None:
        found.update(given, app=app, warnings=warnings)

    monkeypatch.setattr(covet.running, "serve", serve)
    monkeypatch.chdir(tmp_path)
    return found


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=environment)


def given(served: dict[str, Any], *arguments: str, **environment: str) -> dict[str, Any]:
    """The options that the command would serve with, its application and folder left out."""
    result = invoke("run", *arguments, **environment)
    assert result.exit_code == 0, result.output
    return {name: value for name, value in served.items() if name not in ("app", "app_dir", "warnings")}


def test_the_names_are_uvicorns() -> None:
    ignored = {"version"}
    assert {p.name for p in served_by_uvicorn.main.params} - ignored <= uvicorn.NAMES


def test_they_count(served: dict[str, Any]) -> None:
    found = given(
        served,
        UVICORN_APP="m:app",
        UVICORN_HOST="0.0.0.0",
        UVICORN_PORT="80",
        UVICORN_WORKERS="3",
        UVICORN_ACCESS_LOG="false",
        UVICORN_TIMEOUT_KEEP_ALIVE="7",
        UVICORN_RELOAD_DIRS="src:lib",
        UVICORN_RELOAD_INCLUDES="*.html *.css",
        UVICORN_HEADERS="X-A:b X-C:d",
        UVICORN_INTERFACE="asgi3",
        UVICORN_APP_DIR="",
    )
    assert served["app"] == "m:app"
    assert served["warnings"] == []
    assert found == {
        "host": "0.0.0.0",
        "port": 80,
        "workers": "3",
        "access_log": False,
        "timeout_keep_alive": "7",
        "reload_dirs": ("src", "lib"),
        "reload_includes": ("*.html", "*.css"),
        "headers": ("X-A:b", "X-C:d"),
        "interface": "asgi3",
    }
    assert covet.given.read(found, environment={})[0].interface == "asgi"


def test_every_option_that_both_have_is_read() -> None:
    theirs = {p.name for p in served_by_uvicorn.main.params}
    for option in run.params:
        if isinstance(option, Option):
            expected = f"UVICORN_{str(option.name).upper()}" if option.name in theirs else None
            assert option.uvicorn_variable == expected


def test_covets_variables_count_more_and_the_command_line_most(served: dict[str, Any]) -> None:
    environment = {"UVICORN_PORT": "1", "COVET_PORT": "2", "UVICORN_APP": "m:theirs", "COVET_APP": "m:own"}
    assert given(served, **environment) == {"port": 2}
    assert served["app"] == "m:own"
    assert given(served, "m:line", "--port", "3", **environment) == {"port": 3}
    assert served["app"] == "m:line"
    served.clear()
    assert given(served, "m:app", COVET_HEADER="X-A: b c\nX-B: d", UVICORN_HEADERS="X-E:f") == {
        "headers": ("X-A: b c", "X-B: d")
    }


@pytest.mark.parametrize(
    ("arguments", "own", "expected"),
    [
        (["--port", "80"], {}, {"host": "::", "port": 80}),
        (["--uds", "s"], {}, {"uds": "s"}),
        (["--bind", "a:1"], {}, {"bind": ("a:1",)}),
        ([], {"COVET_FD": "3"}, {"fd": 3}),
        ([], {}, {"host": "::", "port": 1}),
    ],
)
def test_an_address_of_ones_own_replaces_uvicorns(
    served: dict[str, Any], arguments: list[str], own: dict[str, str], expected: dict[str, Any]
) -> None:
    assert given(served, "m:app", *arguments, UVICORN_HOST="::", UVICORN_PORT="1", **own) == expected


def test_of_uvicorns_addresses_the_one_counts_that_uvicorn_would_take(served: dict[str, Any]) -> None:
    assert given(served, "m:app", UVICORN_HOST="::", UVICORN_UDS="s") == {"uds": "s"}
    served.clear()
    assert given(served, "m:app", UVICORN_FD="3", UVICORN_UDS="s") == {"fd": 3}


def test_limits_for_auto_replace_uvicorns_number_of_workers(served: dict[str, Any]) -> None:
    assert given(served, "m:app", "--workers-max", "4", UVICORN_WORKERS="2") == {"workers_max": 4}


def test_a_wrong_value_is_told_with_its_variable() -> None:
    result = invoke("run", "m:app", UVICORN_PORT="many")
    assert result.exit_code == 2
    assert "Invalid value for '--port' (env var: 'UVICORN_PORT')" in result.output
    result = invoke("run", "m:app", UVICORN_PORT="1", COVET_PORT="many")
    assert "Invalid value for '--port' (env var: 'COVET_PORT')" in result.output
    result = invoke("run", "m:app", "--port", "many", UVICORN_PORT="1")
    assert "UVICORN" not in result.output


def test_what_covet_does_not_have_is_ignored_with_one_line(served: dict[str, Any]) -> None:
    assert given(served, "m:app", UVICORN_WS="wsproto", UVICORN_HTTP="h11", UVICORN_VERSION="1") == {}
    (line,) = served["warnings"]
    assert line.startswith("UVICORN_HTTP, UVICORN_WS: covet has no such option")


def test_the_help_names_covets_variables() -> None:
    option = next(p for p in run.params if p.name == "port")
    record = option.get_help_record(click.Context(run))
    assert record is not None and "COVET_PORT" in record[1] and "UVICORN" not in record[1]
