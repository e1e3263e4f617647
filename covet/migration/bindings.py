"""What the names in a file stand for, as far as its imports, assignments and annotations say."""

import ast
from collections.abc import Iterator
from typing import Any

from covet.migration.counterparts import ROOTS, Counterparts


class Bindings:
    """The names of one file that stand for something of FastAPI or Starlette.

    Args:
        tree: the file.
        counterparts: what there is in CovetPy.

    Attributes:
        imported: what names stand for, such as {"Router": "fastapi.APIRouter"}.
        objects: names that stand for an object of a class, such as {"app": CovetPy}, at any place in the file.
    """

    def __init__(self, tree: ast.Module, counterparts: Counterparts) -> None:
        self._counterparts = counterparts
        self.imported = dict(_imported(tree))
        self.objects: dict[str, type] = {}
        other: set[str] = set()
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    made = self.kind(value) if isinstance(value, ast.Call) else None
                    if made is None or self.objects.setdefault(name, made) is not made:
                        other.add(name)
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                    self._remember(name, annotation)
        for name in other:
            self.objects.pop(name, None)
        self._of_files = dict(self.objects)

    def enter(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Takes a function's parameters for what they are annotated with."""
        arguments = function.args
        self.objects = dict(self._of_files)
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            self.objects.pop(argument.arg, None)
            if argument.annotation is not None:
                self._remember(argument.arg, argument.annotation)

    def leave(self) -> None:
        """Forgets a function's parameters."""
        self.objects = dict(self._of_files)

    def dotted(self, node: ast.expr) -> str | None:
        """What an expression stands for, such as "fastapi.responses.JSONResponse"; None if it is nothing of theirs."""
        match node:
            case ast.Name(id=name):
                return self.imported.get(name)
            case ast.Attribute(value=value, attr=name):
                parent = self.dotted(value)
                return f"{parent}.{name}" if parent else None
        return None

    def value(self, node: ast.expr) -> Any:
        """The counterpart of what an expression stands for; None if there is none."""
        dotted = self.dotted(node)
        return self._counterparts.value(dotted) if dotted else None

    def kind(self, node: ast.expr) -> type | None:
        """The class of CovetPy whose object an expression is; None if that is not known."""
        match node:
            case ast.Name(id=name):
                return self.objects.get(name)
            case ast.Call(func=function):
                found = self.value(function)
                return found if isinstance(found, type) else None
        return None

    def _remember(self, name: str, node: ast.expr) -> None:
        for each in _alternatives(node):
            found = self.value(each)
            if isinstance(found, type):
                self.objects[name] = found


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    root = alias.name.partition(".")[0]
                    if root in ROOTS:
                        yield (alias.asname, alias.name) if alias.asname else (root, root)
            case ast.ImportFrom(module=str(module), names=aliases, level=0) if module.partition(".")[0] in ROOTS:
                yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in aliases)


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """The types in `T`, `T | None`, `Optional[T]` and `Annotated[T, ...]`, or written as text."""
    match node:
        case ast.BinOp(left=left, right=right):
            yield from _alternatives(left)
            yield from _alternatives(right)
        case ast.Subscript(value=ast.Name(id="Optional") | ast.Attribute(attr="Optional"), slice=inner):
            yield from _alternatives(inner)
        case ast.Subscript(
            value=ast.Name(id="Annotated") | ast.Attribute(attr="Annotated"), slice=ast.Tuple(elts=[first, *_])
        ):
            yield from _alternatives(first)
        case ast.Constant(value=str(text)):
            try:
                yield from _alternatives(ast.parse(text, mode="eval").body)
            except SyntaxError:
                return
        case ast.Name() | ast.Attribute():
            yield node
