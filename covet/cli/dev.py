"""`covet dev`."""

import os
from typing import Any

import click

from covet.cli.option import APP_VARIABLES, Command, add, given
from covet.cli.options import RUN_OPTIONS, version
from covet.cli.serving import place

DEVELOPMENT = {"reload": True, "debug": True}


@click.command(cls=Command)
@click.argument("app", envvar=APP_VARIABLES, required=False)
@add(RUN_OPTIONS)
@version
@click.pass_context
def dev(context: click.Context, /, app: str | None, **values: Any) -> None:
    """Serve APP while it is being written.

    As covet run with --reload and --debug.
    """
    if "FASTAPI_ENV" not in os.environ:
        os.environ.setdefault("COVET_ENV", "development")
    place(context, app, {**DEVELOPMENT, **given(context, values)}, values["app_dir"])
