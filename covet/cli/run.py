"""`covet run`."""

from typing import Any

import click

from covet.cli.option import APP_VARIABLES, Command, add, given
from covet.cli.options import RUN_OPTIONS, version
from covet.cli.serving import place


@click.command(cls=Command)
@click.argument("app", envvar=APP_VARIABLES, required=False)
@add(RUN_OPTIONS)
@version
@click.pass_context
def run(context: click.Context, /, app: str | None, **values: Any) -> None:
    """Serve APP, such as main:app.

    APP is a module and an attribute, or a Python file; without it, main.py, app.py, api.py and the same in the
    folder app are searched for an application called app or api. Options left out are the application's own settings.
    """
    place(context, app, given(context, values), values["app_dir"])
