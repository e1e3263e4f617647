"""The group of the commands."""

from importlib import import_module

import click

from covet import __version__

# In the order of --help; each is what its module calls by the same name.
NAMES = ("run", "dev", "routes", "check", "check-fastapi", "status")


class Commands(click.Group):
    """Loads a command when it is asked for: what the others would take stays in memory while the server runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        if cmd_name not in NAMES:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"covet.cli.{name}"), name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="covet", message="%(prog)s %(version)s")
def main() -> None:
    """CovetPy: a web framework and server for Python."""
