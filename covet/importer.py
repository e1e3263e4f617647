"""Finds an application by the name of its module and attribute."""

import importlib
import logging
import os
import sys

from covet.checks import ConfigError

logger = logging.getLogger("covet.error")

START_FAILED = 3


class ImportFailed(Exception):
    """There is no such application; the text says why."""


def import_app(name: str, *, factory: bool = False) -> object:
    """What has a name such as "main:app" or "package.module:object.app".

    Args:
        name: the module and the attribute.
        factory: the attribute is a function that returns the application.

    Raises:
        ImportFailed: the name, the module or the attribute is wrong. Errors of
            the module or the factory itself are raised as they are.
    """
    found = find(name)
    if not factory:
        return found
    if not callable(found):
        raise ImportFailed(f'"{name}" is a {type(found).__name__}, not a function that returns an application.')
    return found()


def find(name: str) -> object:
    """What a name such as "main:app" stands for. Raises ImportFailed, and what the module raises."""
    module_name, _, attributes = name.partition(":")
    if not module_name or not attributes:
        raise ImportFailed(f'Import string "{name}" must be in format "<module>:<attribute>".')
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ImportFailed(f'Could not import module "{module_name}".') from None
    for attribute in attributes.split("."):
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise ImportFailed(f'Attribute "{attributes}" not found in module "{module_name}".') from None
    return found


def load_app(name: str, *, app_dir: str | None = None, factory: bool = False) -> object:
    """As `import_app`, with a folder put at the front of the import path first.

    Raises:
        ConfigError: the module makes an application with a setting that cannot be used.
        SystemExit: with code 3 if there is no such application; the log says why.
    """
    if app_dir is not None:
        sys.path.insert(0, os.path.abspath(app_dir))  # the application may go elsewhere
    try:
        return import_app(name, factory=factory)
    except ImportFailed as error:
        logger.error("Error loading the application. %s", error)
    except ConfigError:
        raise
    except Exception as error:
        logger.error("Error loading the application.", exc_info=error)
    sys.exit(START_FAILED)
