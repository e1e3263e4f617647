"""The `covet` command. Every option can also be set as COVET_<OPTION> in the environment."""

from covet.cli.commands import main as main

__all__ = ["main"]
