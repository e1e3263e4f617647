"""`covet openapi`."""

import json
import sys
from typing import Any

import click

from covet.checks import ConfigError
from covet.cli.loading import options_of
from covet.cli.option import APP_VARIABLES, Command, add, given
from covet.cli.options import APP_DIR, ENV_FILE, FACTORY, option
from covet.importer import START_FAILED, load_app

OUTPUT = option("--output", "-o", type=click.Path(dir_okay=False), help="Write to this file instead of the terminal.")
FORMAT = option("--format", "form", type=click.Choice(["json", "yaml"]), default="json", help="The document's form.")


@click.command(cls=Command)
@click.argument("app", envvar=APP_VARIABLES, required=False)
@add([FACTORY, APP_DIR, ENV_FILE, OUTPUT, FORMAT])
@click.pass_context
def openapi(context: click.Context, /, app: str | None, output: str | None, form: str, **values: Any) -> None:
    """Print the OpenAPI document of APP."""
    from covet.app import CovetPy

    try:
        name, options, _ = options_of(app, given(context, values))
        application = load_app(name, app_dir=options.app_dir, factory=options.factory)
        if not isinstance(application, CovetPy):
            click.echo(f"Error: {name} is not a CovetPy application; only they describe themselves", err=True)
            sys.exit(START_FAILED)
        text = _written(application.openapi(), form)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        with open(output, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        click.echo(f"Error: {output}: {error.strerror}", err=True)
        sys.exit(START_FAILED)


def _written(document: dict[str, Any], form: str) -> str:
    if form == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        import yaml
    except ImportError:
        raise ConfigError("--format yaml needs PyYAML, which is not installed: pip install PyYAML") from None
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text
