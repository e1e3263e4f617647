"""`covet status`."""

import json
import sys

import click

from covet.cli.option import Command, Texts, add
from covet.cli.options import option
from covet.importer import START_FAILED

OPTIONS = [
    option("--control-socket", "--socket", "path", type=Texts("PATH"), help="The server's control socket."),
    option(
        "--pid-file", type=Texts("PATH"), help="The server's pid file, if its control socket is in the usual place."
    ),
    option("--json", "as_json", is_flag=True, help="Print JSON instead of a table."),
]


@click.command(cls=Command)
@add(OPTIONS)
def status(path: str | None, pid_file: str | None, as_json: bool) -> None:
    """Print the figures of a running server.

    Without an option it is the only one that this user runs. The exit code is 3 if no server answers.
    """
    from covet.status_socket import StatusError, fetch_status, only_socket, socket_of
    from covet.statustable import format_table

    try:
        if path is not None:
            found = fetch_status(path)
        else:
            found = fetch_status(socket_of(pid_file) if pid_file is not None else only_socket())
    except StatusError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(START_FAILED)
    click.echo(json.dumps(found, indent=2) if as_json else format_table(found))
