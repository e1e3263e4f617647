"""Takes the engine's access lines to Python's logging.

That costs as much as logging by Python does, so it is done only if the logger `covet.access` has a handler of its
own. Engine and loops do not wait for it: lines that come too fast are left out and counted, as with every slow reader.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from covet import log
from covet.options import ServeOptions

logger = logging.getLogger("covet.access")

# Of uvicorn's records: client, method, path with query, version of HTTP, status.
MESSAGE = '%s - "%s %s HTTP/%s" %d'
# None of its parts has a blank inside.
FORMAT = "%(client)s %(s)s %(r)s"
PIECE_BYTES = 65536
JOIN_SECONDS = 5.0
LEFT_OUT = "WARNING:"


@contextmanager
def routed(options: ServeOptions) -> Iterator[dict[str, Any]]:
    """What the engine's configuration needs for its access lines to go through Python's logging, if they are to.

    Args:
        options: with `access_log_fmt`, each line is a record's message; else records are like uvicorn's.
    """
    if not (options.access_log and log.access_handled()):
        yield {}
        return
    reading, writing = os.pipe()
    whole = options.access_log_fmt is not None
    reader = threading.Thread(target=_read, args=(reading, whole), name="covet-access", daemon=True)
    reader.start()
    try:
        yield {"access_log_fd": writing, **({} if whole else {"access_log_format": FORMAT})}
    finally:
        os.close(writing)
        reader.join(JOIN_SECONDS)


def _read(descriptor: int, whole: bool) -> None:
    rest = b""
    with open(descriptor, "rb", buffering=0) as pipe:
        while piece := pipe.read(PIECE_BYTES):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                _log(line.decode("utf-8", "backslashreplace"), whole)


def _log(line: str, whole: bool) -> None:
    if line.startswith(LEFT_OUT):
        logger.warning("%s", line.removeprefix(LEFT_OUT).strip())
    elif whole:
        logger.info(line)  # without arguments, logging takes it as it is
    else:
        client, status, method, target, protocol = line.split(" ", 4)
        logger.info(MESSAGE, client, method, target, protocol.removeprefix("HTTP/"), int(status))
