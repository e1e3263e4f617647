"""Finds the application when none, or only a file, is named; without running any of its code."""

from pathlib import Path

FILES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")
NAMES = ("app", "api")


class NotFound(Exception):
    """There is no application; the text says what was looked for."""


def discover(app: str | None, app_dir: str) -> tuple[str, str]:
    """The name of the application, such as "app.main:app", and the folder to import it from.

    Args:
        app: what the user gave: a name, a Python file, or nothing.
        app_dir: where names and files are looked up.

    Raises:
        NotFound: there is none.
    """
    if app is not None and not app.endswith(".py"):
        return app, app_dir
    path = Path(app_dir, app) if app is not None else _first(Path(app_dir))
    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    module, folder = path.stem, path.parent
    while (folder / "__init__.py").is_file() and folder.resolve().name:
        folder = folder.resolve()  # the parent of "." is "."
        module, folder = f"{folder.name}.{module}", folder.parent
    name = _application_in(path)
    return f"{module.removesuffix('.__init__')}:{name}", str(folder)


def _first(folder: Path) -> Path:
    for file in FILES:
        if (folder / file).is_file():
            return folder / file
    raise NotFound(f"APP is missing, and none of {', '.join(FILES)} is there; name it, such as main:app")


def _application_in(path: Path) -> str:
    # Most servers are given a name, and need no parser.
    from covet.cli.source import assigned_in

    names = assigned_in(path)
    if names is None:
        return NAMES[0]  # importing it shows what is wrong with it
    for name in NAMES:
        if name in names:
            return name
    for name, made in names.items():
        if made:
            return name
    raise NotFound(f"{path} has neither app nor api; name the application, such as {path.stem}:application")
