"""Finds the application when none, or only a file, is named; without running any of its code."""

import ast
from collections.abc import Iterator
from pathlib import Path

FILES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py")
NAMES = ("app", "api")
MAKERS = frozenset({"CovetPy", "FastAPI", "Starlette", "Litestar", "Quart", "Flask", "Sanic", "Falcon"})


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
    while (folder / "__init__.py").is_file():
        module, folder = f"{folder.resolve().name}.{module}", folder.parent
    name = _application_in(path)
    return f"{module.removesuffix('.__init__')}:{name}", str(folder)


def _first(folder: Path) -> Path:
    for file in FILES:
        if (folder / file).is_file():
            return folder / file
    raise NotFound(f"APP is missing, and none of {', '.join(FILES)} is there; name it, such as main:app")


def _application_in(path: Path) -> str:
    try:
        names = dict(_assigned(ast.parse(path.read_bytes(), str(path)).body))
    except (SyntaxError, ValueError):
        return NAMES[0]  # importing it shows what is wrong with it
    for name in NAMES:
        if name in names:
            return name
    for name, made in names.items():
        if made:
            return name
    raise NotFound(f"{path} has neither app nor api; name the application, such as {path.stem}:application")


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
    """The names that a module's statements give something to, and whether that is made by an application's class."""
    for statement in body:
        match statement:
            case ast.Assign(targets=targets, value=value):
                yield from ((t.id, _makes(value)) for t in targets if isinstance(t, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, _makes(value)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname or alias.name, False) for alias in aliases)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, False
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from _assigned(inner)
                yield from _assigned(other)
            case ast.With(body=inner):
                yield from _assigned(inner)


def _makes(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in MAKERS
    return False
