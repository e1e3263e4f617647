"""What a Python file gives names to, found without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

MAKERS = frozenset({"CovetPy", "FastAPI", "Starlette", "Litestar", "Quart", "Flask", "Sanic", "Falcon"})


def assigned_in(path: Path) -> dict[str, bool] | None:
    """The names that a file's statements give something to, and whether that is made by an application's class.

    None if it is not Python.
    """
    try:
        return dict(_assigned(ast.parse(path.read_bytes(), str(path)).body))
    except (SyntaxError, ValueError):
        return None


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[str, bool]]:
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
