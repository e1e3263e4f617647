"""`covet check`."""

import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from covet.checks import ConfigError
from covet.cli.loading import options_of
from covet.cli.option import APP_VARIABLES, Command, add, given
from covet.cli.options import RUN_OPTIONS
from covet.cli.routes import handler_name
from covet.importer import START_FAILED, load_app
from covet.log import LogConfigError

if TYPE_CHECKING:
    from covet.options import ServeOptions
    from covet.routing import Route

PROBLEMS = 1


@click.command(cls=Command)
@click.argument("app", envvar=APP_VARIABLES, required=False)
@add(RUN_OPTIONS)
@click.pass_context
def check(context: click.Context, /, app: str | None, **values: Any) -> None:
    """Check that covet run could serve APP with the same options.

    APP is imported and the engine reads its configuration, but nothing is bound and the application's start-up does
    not run. The exit code is 0 if all is well, 1 if there are problems, 2 if an option is wrong, and 3 if APP cannot
    be imported.
    """
    try:
        name, options, settings = options_of(app, given(context, values))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except LogConfigError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(START_FAILED)
    problems = list(problems_of(name, options, settings))
    for problem in problems:
        click.echo(f"problem: {problem}")
    if problems:
        sys.exit(PROBLEMS)
    click.echo(f"{name}: no problems")


def problems_of(name: str, options: "ServeOptions", settings: dict[str, Any]) -> Iterator[str]:
    """What would keep an application from being served, and what is hardly meant; ends the process as `load_app`."""
    from covet.app import CovetPy
    from covet.running import servable

    try:
        application = load_app(name, app_dir=options.app_dir, factory=options.factory)
        own = servable(application, options).settings
        yield from engine_problems(application, options, replace(own, **settings))
    except ConfigError as error:
        yield str(error)
        return
    if isinstance(application, CovetPy):
        yield from hidden_routes(application.routes)


def engine_problems(app: object, options: "ServeOptions", settings: Any) -> Iterator[str]:
    """What the engine does not take of the configuration."""
    from covet.engine import Engine, EngineError
    from covet.server import Server

    with socket.socket() as unbound:  # takes the place of the addresses, which another server may be using
        listeners = [{"network": "fd", "address": str(unbound.fileno())}]
        config = {**Server(app, options, settings).engine_config(), "listeners": listeners, "access_log": False}
        try:
            Engine(config).free()
        except EngineError as error:
            yield str(error)


def hidden_routes(routes: Sequence["Route"]) -> Iterator[str]:
    """Routes that no request reaches, as an earlier one has the same method and shape."""
    seen: dict[tuple[str, str], Route] = {}
    for route in routes:
        for method in route.methods:
            first = seen.setdefault((method, route.shape), route)
            if first is not route:
                yield (
                    f"{method} {route.pattern} ({handler_name(route)}) is never reached: "
                    f"{first.path} ({handler_name(first)}) comes before it"
                )
