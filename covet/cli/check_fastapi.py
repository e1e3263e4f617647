"""`covet check-fastapi`."""

import sys
from pathlib import Path

import click

from covet.cli.option import Command

NOT_COVERED = 1


@click.command("check-fastapi", cls=Command)
@click.argument("path", type=click.Path(exists=True, path_type=Path), default=".")
@click.option("--write", is_flag=True, help="Change the imports in the files.")
def check_fastapi(path: Path, write: bool) -> None:
    """List what in a FastAPI or Starlette application CovetPy does not cover.

    The Python files below PATH are read, not run. Each line of the output has a place and one of three kinds: missing
    for what CovetPy does not have, differs for what it does otherwise, import for an import to change. The exit code
    is 0 if nothing is missing, 1 if something is.
    """
    from covet.migration import examine

    try:
        report = examine(path, write=write)
    except OSError as error:
        click.echo(f"Error: {error.filename}: {error.strerror}", err=True)
        sys.exit(3)
    for finding in report.findings:
        click.echo(str(finding))
    click.echo(summary(report.files, report.count("missing"), report.count("differs")), nl=False)
    imports = report.count("import")
    if write:
        click.echo(f", imports changed in {counted(report.written, 'file')}")
    else:
        click.echo(f", {counted(imports, 'import')} to change{' (--write changes them)' if imports else ''}")
    sys.exit(NOT_COVERED if report.count("missing") else 0)


def summary(files: int, missing: int, differing: int) -> str:
    """The beginning of the last line."""
    differ = "1 differs" if differing == 1 else f"{differing} differ"
    return f"{counted(files, 'file')}: {missing} missing, {differ}"


def counted(number: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
