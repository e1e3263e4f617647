"""`covet routes`."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from covet.checks import ConfigError
from covet.cli.loading import options_of
from covet.cli.option import APP_VARIABLES, Command, add, given
from covet.cli.options import APP_DIR, ENV_FILE, FACTORY, option
from covet.importer import START_FAILED, load_app

if TYPE_CHECKING:
    from covet.routing import Route

COLUMNS = ("methods", "path", "name", "handler")


@click.command(cls=Command)
@click.argument("app", envvar=APP_VARIABLES, required=False)
@add([FACTORY, APP_DIR, ENV_FILE, option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")])
@click.pass_context
def routes(context: click.Context, /, app: str | None, as_json: bool, **values: Any) -> None:
    """List the routes of APP, in the order in which they are tried."""
    from covet.app import CovetPy

    try:
        name, options, _ = options_of(app, given(context, values))
        application = load_app(name, app_dir=options.app_dir, factory=options.factory)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if not isinstance(application, CovetPy):
        click.echo(f"Error: {name} is not a CovetPy application; only its routes are known", err=True)
        sys.exit(START_FAILED)
    found = application.routes
    if as_json:
        click.echo(json.dumps([describe(route) for route in found], indent=2))
        return
    rows = [{**describe(route), "methods": " ".join(route.methods)} for route in found]
    for line in table([tuple(row[column] for column in COLUMNS) for row in rows]):
        click.echo(line)


def describe(route: "Route") -> dict[str, Any]:
    """What is printed of a route."""
    return {"methods": list(route.methods), "path": route.pattern, "name": route.name, "handler": handler_name(route)}


def handler_name(route: "Route") -> str:
    """Where a route's handler is, as module.function; "constant" if the engine answers."""
    if route.handler is None:
        return "constant"
    function = getattr(route.handler, "func", route.handler)
    function = function if hasattr(function, "__qualname__") else type(function)
    return f"{function.__module__}.{function.__qualname__}"


def table(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """The lines of a table with the columns' names above."""
    lines = [tuple(column.upper() for column in COLUMNS), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
