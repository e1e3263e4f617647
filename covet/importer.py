"""Finds an application by the name of its module and attribute."""

import importlib


class ImportFailed(Exception):
    """There is no such application; the text says why."""


def import_app(name: str) -> object:
    """What has a name such as "main:app" or "package.module:object.app".

    Raises:
        ImportFailed: the name, the module or the attribute is wrong. Errors of
            the module itself are raised as they are.
    """
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
