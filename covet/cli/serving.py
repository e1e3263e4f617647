"""What `covet run` and `covet dev` do with their options."""

import os
import sys
from functools import partial
from typing import Any

import click

from covet.checks import ConfigError
from covet.cli import uvicorn
from covet.cli.discover import NotFound, discover


def serve(app: str | None, options: dict[str, Any], app_dir: str) -> None:
    """Serves what the options say; wrong ones end the process with code 2."""
    from covet import running
    from covet.given import RUN_NAMES

    try:
        name, folder = discover(app, app_dir)
        running.serve(
            name,
            {**options, "app_dir": folder},
            several=partial(start_again, os.getcwd()),
            warnings=uvicorn.warnings({*RUN_NAMES, "app"}),
        )
    except (ConfigError, NotFound) as error:
        raise click.UsageError(str(error)) from None


def start_again(folder: str, workers: int | str) -> None:
    """Starts this command again for several workers: the process that now has the application's code must not go on."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.chdir(folder)  # the application may have gone elsewhere
    count = len(sys.argv) - 1
    interpreter = sys.orig_argv[: len(sys.orig_argv) - count]
    command, *rest = sys.argv[1:]
    os.execv(sys.executable, [*interpreter, command, "--workers", str(workers), *rest])
