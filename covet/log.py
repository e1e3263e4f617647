"""The server's log, in uvicorn's form: the loggers are covet, covet.error and covet.access.

The engine writes the access log by itself; `covet.access` only tells whether there is one.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any

TRACE = 5
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
