"""The group of the commands."""

import click

from covet import __version__
from covet.cli.check import check
from covet.cli.routes import routes
from covet.cli.run import dev, run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="covet", message="%(prog)s %(version)s")
def main() -> None:
    """CovetPy: a web framework and server for Python."""


for command in (run, dev, routes, check):
    main.add_command(command)
