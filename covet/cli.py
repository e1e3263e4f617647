"""The `covet` command. Every option of `covet run` can also be set as COVET_<OPTION> in the environment."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from covet import __version__
from covet.config import LOG_LEVELS, LOOPS, ConfigError

Command = TypeVar("Command", bound=Callable[..., Any])


def _option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    """An option that is also read from the environment."""
    variable = names[0].partition("/")[0].removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=f"COVET_{variable}", show_envvar=True, **attributes)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="covet", message="%(prog)s %(version)s")
def main() -> None:
    """CovetPy: a web framework and server for Python."""


@main.command()
@click.argument("app", envvar="COVET_APP")
@_option("--host", default="127.0.0.1", show_default=True, help="Address or name to listen on.")
@_option("--port", type=int, default=8000, show_default=True, help="TCP port; 0 takes a free one.")
@_option("--workers", type=int, help="Worker processes; only 1 so far.")
@_option("--log-level", type=click.Choice(LOG_LEVELS), default="info", show_default=True)
@_option("--access-log/--no-access-log", default=True, show_default=True, help="One line for each request.")
@_option("--app-dir", default=".", show_default=True, help="Folder to put at the front of the import path.")
@_option("--loop", type=click.Choice(LOOPS), default="auto", show_default=True, help="The event loop.")
@_option("--backlog", type=int, default=2048, show_default=True, help="Connections that may wait to be accepted.")
@_option("--timeout-keep-alive", type=float, help="Seconds that an idle connection stays open.")
@_option(
    "--timeout-graceful-shutdown",
    type=float,
    default=10.0,
    show_default=True,
    help="Seconds that requests may take to finish when the server stops.",
)
@_option("--request-timeout", type=float, help="Seconds for one request, head and answer.")
@_option("--worker-connections", type=int, help="Connections open at a time.")
@_option("--connection-pool-size", type=int, help="Closed connections kept for reuse.")
@_option("--max-exchanges", type=int, help="Requests in work at a time; further ones wait.")
@_option("--backpressure", type=int, help="Requests that may wait; further ones get 503.")
@_option("--request-buffer-size", help="Largest request head, such as 64KB.")
@_option("--response-buffer-size", help="Output gathered for one connection.")
@_option("--max-body-size", help="Largest request body, such as 100MB.")
@_option("--memory-pool-size", help="Memory between engine and worker, such as 1GB.")
@_option("--enable-io-uring/--no-enable-io-uring", default=None, help="io_uring where the kernel allows it.")
@_option("--enable-simd/--no-enable-simd", default=None, help="Wide compares in the parser.")
@_option("--enable-jit/--no-enable-jit", default=None, help="Code made at start-up for each route.")
@_option("--debug/--no-debug", default=None, help="500 answers show the traceback.")
def run(app: str, **given: Any) -> None:
    """Serve APP, such as main:app.

    Options left out are the application's own settings.
    """
    from covet import server

    options = {name: _size_or_number(value) for name, value in given.items() if value is not None}
    try:
        server.run(app, **options)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _size_or_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


if __name__ == "__main__":
    sys.exit(main())
