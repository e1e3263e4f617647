"""Reads the command line in a child: the parser's memory goes with it, and the server begins without."""

import marshal
import os
import sys
from typing import Any, NamedTuple

INTERRUPTED = 130


class Order(NamedTuple):
    """What is to be served.

    Attributes:
        app: the application's name; None if it is to be searched for.
        options: the options that were given.
        app_dir: the folder at the front of the import path.
        usage: what error messages begin with.
    """

    app: str | None
    options: dict[str, Any]
    app_dir: str
    usage: str


def parse() -> Order:
    """The order of the command line; the process ends here after a message about it, or its help.

    Raises:
        SystemExit: with the code that click ends with.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(writer)
    os.close(writer)
    try:
        with os.fdopen(reader, "rb") as pipe:
            answer = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if not answer:
        sys.exit(code if code >= 0 else 128 - code)
    environment, order = marshal.loads(answer)
    os.environ.update(environment)
    return Order(*order)


def _answer(writer: int) -> None:
    """Parses in the child; it writes the order, and what --env-file has set, unless the process is to end."""
    from covet.cli.commands import main

    before = dict(os.environ)

    def take(order: Order) -> None:
        changed = {name: value for name, value in os.environ.items() if before.get(name) != value}
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(marshal.dumps((changed, tuple(order))))

    code = 1
    try:
        main(prog_name="covet", obj=take)
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
