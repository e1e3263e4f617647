"""`covet run` and `covet dev`."""

import os
import sys
from functools import partial
from typing import Any

import click

from covet.checks import ConfigError
from covet.cli.discover import NotFound, discover
from covet.cli.option import Command, add, given
from covet.cli.options import RUN_OPTIONS, version

DEVELOPMENT = {"reload": True, "debug": True}


@click.command(cls=Command)
@click.argument("app", envvar="COVET_APP", required=False)
@add(RUN_OPTIONS)
@version
@click.pass_context
def run(context: click.Context, /, app: str | None, **values: Any) -> None:
    """Serve APP, such as main:app.

    APP is a module and an attribute, or a Python file; without it, main.py, app.py, api.py and the same in the
    folder app are searched for an application called app or api. Options left out are the application's own settings.
    """
    serve(app, given(context, values), values["app_dir"])


@click.command(cls=Command)
@click.argument("app", envvar="COVET_APP", required=False)
@add(RUN_OPTIONS)
@version
@click.pass_context
def dev(context: click.Context, /, app: str | None, **values: Any) -> None:
    """Serve APP while it is being written.

    As covet run with --reload and --debug.
    """
    serve(app, {**DEVELOPMENT, **given(context, values)}, values["app_dir"])


def serve(app: str | None, options: dict[str, Any], app_dir: str) -> None:
    """Serves what the options say; wrong ones end the process with code 2."""
    from covet import running

    try:
        name, folder = discover(app, app_dir)
        running.serve(name, {**options, "app_dir": folder}, several=partial(start_again, os.getcwd()))
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
