"""What the commands that look at an application without serving it have in common."""

from dataclasses import replace
from typing import Any

import click

from covet import log
from covet.cli.discover import NotFound, discover
from covet.given import read
from covet.options import ServeOptions


def options_of(app: str | None, given: dict[str, Any]) -> tuple[str, ServeOptions, dict[str, Any]]:
    """The application's name, the options and the settings. Raises ConfigError, LogConfigError, click.UsageError."""
    folder = given.pop("app_dir", ".")
    options, settings = read(given)
    log.configure(options.log_level, use_colors=options.use_colors, config=options.log_config)
    try:
        name, folder = discover(app, folder)
    except NotFound as error:
        raise click.UsageError(str(error)) from None
    return name, replace(options, app_dir=folder), settings
