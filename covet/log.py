"""The server's log, in uvicorn's form."""

import logging
import sys

TRACE = 5


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelname + ':':<10}{super().format(record)}"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what sys.stderr is at the time."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self):  # type: ignore[no-untyped-def]
        return sys.stderr


def configure(level: str) -> None:
    """Sets the level of the logger `covet`, and has it write to standard error unless it has a handler already.

    Args:
        level: critical, error, warning, info, debug or trace.
    """
    logging.addLevelName(TRACE, "TRACE")
    logger = logging.getLogger("covet")
    logger.setLevel(TRACE if level == "trace" else level.upper())
    if not logger.handlers:
        handler = _Handler()
        handler.setFormatter(_Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
