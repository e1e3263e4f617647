"""The server's log, in uvicorn's form: the loggers are covet, covet.error and covet.access.

The engine writes the access log by itself, unless `covet.access` has a handler of its own; see `covet.accesslog`.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any

TRACE = 5
ACCESS_ARGUMENTS = 5
COLOURS = {
    TRACE: "34",
    logging.DEBUG: "36",
    logging.INFO: "32",
    logging.WARNING: "33",
    logging.ERROR: "31",
    logging.CRITICAL: "91",
}


class LogConfigError(Exception):
    """A log configuration cannot be used; the text says why."""


class Formatter(logging.Formatter):
    """Puts the level's name before the message, as uvicorn does.

    Args:
        fmt: the format of the rest of the line.
        datefmt: the format of times.
        style: how `fmt` is written.
        use_colors: whether the level's name is coloured; None asks whether standard error is a terminal.
    """

    def __init__(
        self, fmt: str | None = None, datefmt: str | None = None, style: Any = "%", use_colors: bool | None = None
    ) -> None:
        super().__init__(fmt, datefmt, style)
        self.use_colors = sys.stderr.isatty() if use_colors is None else use_colors

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        name, room = record.levelname, " " * max(0, 9 - len(record.levelname))
        if self.use_colors and record.levelno in COLOURS:
            name = f"\x1b[{COLOURS[record.levelno]}m{name}\x1b[0m"
        return f"{name}:{room}{super().format(record)}"


class AccessFormatter(Formatter):
    """Formats the records of `covet.access`, with the names of uvicorn's formatter.

    Besides what every record has, the format may name client_addr (address and port), request_line (method, target and
    protocol) and status_code. They are dashes in a record that has only a message, as --access-log-fmt makes them.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record as text, without the level's name."""
        members: dict[str, object] = dict.fromkeys(("client_addr", "request_line", "status_code"), "-")
        if isinstance(record.args, tuple) and len(record.args) == ACCESS_ARGUMENTS:
            client, method, target, version, status = record.args
            line = f"{method} {target} HTTP/{version}"
            members = {"client_addr": client, "request_line": line, "status_code": status}
        record.__dict__.update(members)
        return super().formatMessage(record)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what sys.stderr is at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self):  # type: ignore[no-untyped-def]
        return sys.stderr


def configure(level: str, *, use_colors: bool | None = None, config: "str | Mapping[str, Any] | None" = None) -> None:
    """Sets the level of the logger `covet`, and has it write to standard error unless it has a handler already.

    Args:
        level: critical, error, warning, info, debug or trace.
        use_colors: whether the names of levels are coloured; None asks whether standard error is a terminal.
        config: a file or dictionary that configures logging in place of that.

    Raises:
        LogConfigError: the configuration cannot be read or used.
    """
    logging.addLevelName(TRACE, "TRACE")
    if config is not None:
        _apply(config)
        return
    logger = logging.getLogger("covet")
    logger.setLevel(TRACE if level == "trace" else level.upper())
    if not logger.handlers:
        handler = _Handler()
        handler.setFormatter(Formatter("%(message)s", use_colors=use_colors))
        logger.addHandler(handler)
        logger.propagate = False


def access_wanted() -> bool:
    """Whether the logger `covet.access` lets the access log through."""
    return logging.getLogger("covet.access").isEnabledFor(logging.INFO)


def access_handled() -> bool:
    """Whether the access log is to go through Python's logging: `covet.access` has handlers of its own."""
    return bool(logging.getLogger("covet.access").handlers)


def _apply(config: "str | Mapping[str, Any]") -> None:
    # logging.config is only needed by those who ask for it, and takes a while to import.
    from logging.config import dictConfig, fileConfig

    try:
        if not isinstance(config, str):
            dictConfig(dict(config))
        elif config.endswith((".json", ".yaml", ".yml")):
            dictConfig(_load(config))
        else:
            fileConfig(config, disable_existing_loggers=False)
    except LogConfigError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError) as error:
        name = config if isinstance(config, str) else "the dictionary"
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise LogConfigError(f"log_config: {name}: {reason}") from error


def _load(path: str) -> Any:
    with open(path, encoding="utf-8") as file:
        if path.endswith(".json"):
            import json

            return json.load(file)
        try:
            import yaml
        except ImportError:
            raise LogConfigError(
                f"log_config: {path} needs PyYAML, which is not installed: pip install PyYAML"
            ) from None
        try:
            return yaml.safe_load(file)
        except yaml.YAMLError as error:
            raise LogConfigError(f"log_config: {path}: {' '.join(str(error).split())}") from None
