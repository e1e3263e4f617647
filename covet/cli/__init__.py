"""The `covet` command. Every option can also be set as COVET_<OPTION> in the environment."""

import sys

SERVING = ("run", "dev")


def main() -> None:
    """Does what the command line says."""
    if sys.argv[1:2] and sys.argv[1] in SERVING:
        from covet.cli.parsing import parse
        from covet.cli.serving import serve

        serve(parse())
        return
    from covet.cli.commands import main as group

    group(prog_name="covet")
