"""What `covet run` and `covet dev` do with their options."""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from covet.checks import ConfigError
from covet.cli import uvicorn
from covet.cli.discover import NotFound, discover
from covet.cli.parsing import Order

if TYPE_CHECKING:
    import click

USAGE_ERROR = 2


def place(context: "click.Context", app: str | None, options: dict[str, Any], app_dir: str) -> None:
    """Hands an order to whoever waits for it; serves it if nobody does."""
    usage = f"{context.get_usage()}\nTry '{context.command_path} {max(context.help_option_names, key=len)}' for help.\n"
    (context.obj or serve)(Order(app, options, app_dir, usage))


def serve(order: Order) -> None:
    """Serves what is ordered; wrong options end the process with code 2."""
    from covet import running
    from covet.given import RUN_NAMES

    try:
        name, folder = discover(order.app, order.app_dir)
        running.serve(
            name,
            {**order.options, "app_dir": folder},
            several=partial(start_again, os.getcwd()),
            warnings=uvicorn.warnings({*RUN_NAMES, "app"}),
        )
    except (ConfigError, NotFound) as error:
        print(f"{order.usage}\nError: {error}", file=sys.stderr)
        sys.exit(USAGE_ERROR)


def start_again(folder: str, workers: int | str) -> None:
    """Starts this command again for several workers: the process that now has the application's code must not go on."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.chdir(folder)  # the application may have gone elsewhere
    count = len(sys.argv) - 1
    interpreter = sys.orig_argv[: len(sys.orig_argv) - count]
    command, *rest = sys.argv[1:]
    os.execv(sys.executable, [*interpreter, command, "--workers", str(workers), *rest])
