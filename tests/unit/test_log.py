"""Configuring the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from covet.log import TRACE, AccessFormatter, Formatter, LogConfigError, access_wanted, configure

NAMES = ("covet", "covet.error", "covet.access")


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """The loggers as they are before anybody configures them, and afterwards as they were."""
    root = logging.getLogger()
    found = [logging.getLogger(name) for name in NAMES]
    kept = [(one.level, one.handlers[:], one.propagate, one.disabled) for one in found]
    root_kept = (root.level, root.handlers[:])
    for one in found:
        one.setLevel(logging.NOTSET)
        one.handlers, one.propagate, one.disabled = [], True, False
    yield
    for one, (level, handlers, propagate, disabled) in zip(found, kept, strict=True):
        one.setLevel(level)
        one.handlers, one.propagate, one.disabled = handlers, propagate, disabled
    root.setLevel(root_kept[0])
    root.handlers = root_kept[1]


def as_dictionary(level: str = "INFO", access: str = "INFO") -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"()": "covet.log.Formatter", "fmt": "<%(message)s>", "use_colors": False}},
        "handlers": {"err": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
        "loggers": {
            "covet": {"handlers": ["err"], "level": level, "propagate": False},
            "covet.access": {"level": access},
        },
    }


INI = """[loggers]
keys=root,covet
[handlers]
keys=err
[formatters]
keys=plain
[logger_root]
level=WARNING
handlers=
[logger_covet]
level=INFO
handlers=err
qualname=covet
propagate=0
[handler_err]
class=StreamHandler
formatter=plain
args=(sys.stderr,)
[formatter_plain]
format=%(levelname)s:     <%(message)s>
"""


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    configure("trace", use_colors=False)
    logging.getLogger("covet.error").log(TRACE, "fine")
    configure("error", use_colors=False)
    logging.getLogger("covet.error").warning("not shown")
    logging.getLogger("covet.error").error("shown")
    assert capsys.readouterr().err == "TRACE:    fine\nERROR:    shown\n"


def test_colours(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", use_colors=True)
    logging.getLogger("covet").info("in green")
    assert capsys.readouterr().err == "\x1b[32mINFO\x1b[0m:     in green\n"
    assert Formatter().use_colors is False  # captured output is no terminal


@pytest.mark.parametrize("form", ["dict", "json", "yaml", "yml", "ini"])
def test_configurations(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    path = tmp_path / f"log.{form}"
    path.write_text(INI if form == "ini" else json.dumps(as_dictionary()), "utf-8")  # JSON is YAML too
    configure("error", config=as_dictionary() if form == "dict" else str(path))
    logging.getLogger("covet.error").info("text")
    assert capsys.readouterr().err == "INFO:     <text>\n"
    assert access_wanted()


def test_the_access_log_follows_its_logger() -> None:
    configure("info", config=as_dictionary(access="WARNING"))
    assert not access_wanted()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.json", None, "none.json: No such file or directory"),
        ("none.ini", None, "none.ini"),
        ("none.yaml", None, "none.yaml: No such file or directory"),
        ("bad.json", "{", "bad.json: Expecting property name"),
        ("bad.yaml", "a: [", "bad.yaml: while parsing"),
        ("bad.ini", "[loggers]\n", "bad.ini: "),
        ("empty.yaml", "", "empty.yaml: "),
        ("wrong.json", '{"version": 2}', "wrong.json: Unsupported version: 2"),
    ],
)
def test_configurations_that_cannot_be_used(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(LogConfigError) as caught:
        configure("info", config=str(tmp_path / name))
    assert str(caught.value).startswith("log_config: ") and message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "arguments", "expected"),
    [
        ('%s - "%s %s HTTP/%s" %d', ("a:1", "GET", "/x?y", "1.1", 200), "INFO:     a:1 GET /x?y HTTP/1.1 200"),
        ("a line", (), "INFO:     - - -"),
        ("%s", ("lines were left out",), "INFO:     - - -"),
    ],
)
def test_access_lines(message: str, arguments: tuple[Any, ...], expected: str) -> None:
    formatter = AccessFormatter("%(client_addr)s %(request_line)s %(status_code)s", use_colors=False)
    record = logging.LogRecord("covet.access", logging.INFO, "", 0, message, arguments, None)
    assert formatter.format(record) == expected
