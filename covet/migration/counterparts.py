"""CovetPy's counterparts of FastAPI's and Starlette's names, as CovetPy's own modules have them."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_overloads, is_typeddict
from warnings import catch_warnings, simplefilter

ROOTS = frozenset({"fastapi", "starlette"})

HINTS = {
    "starlette.applications": "an application is a covet.CovetPy",
    "starlette.authentication": "dependencies of covet.security do the same",
    "starlette.config": "it does not depend on Starlette's classes; it can stay",
    "starlette.endpoints": "covet.Controller has methods for routes",
    "starlette.middleware.authentication": "dependencies of covet.security do the same",
    "starlette.middleware.errors": "CovetPy(debug=True) shows tracebacks",
    "starlette.routing.Route": "app.add_route(path, function, methods) registers one",
    "starlette.schemas": "app.openapi() makes the document",
}
"""What to do instead, by the name of a module or of something in one."""

OTHERWISE = frozenset({"starlette.routing.Route"})
"""Names that exist in both, for different things."""


class Counterparts:
    """What is there in CovetPy for dotted names such as "fastapi.responses.JSONResponse"."""

    def name(self, dotted: str) -> str:
        """The name in CovetPy, whether it exists or not."""
        return "covet" + dotted.removeprefix(dotted.partition(".")[0])

    def module(self, dotted: str) -> bool:
        """Whether the counterpart is a module that exists."""
        return _location(self.name(dotted)) is not None

    def has(self, dotted: str) -> bool:
        """Whether CovetPy has something under the counterpart's name, which does the same."""
        if dotted in OTHERWISE:
            return False
        if self.module(dotted):
            return True
        module, _, attribute = self.name(dotted).rpartition(".")
        location = _location(module)
        if location is None:
            return False
        loaded = _loaded(module)
        if loaded is not None:
            return _get(loaded, attribute, _NOTHING) is not _NOTHING
        return attribute in _names_in(location)  # it needs a package that is not installed

    def value(self, dotted: str) -> Any:
        """The counterpart itself; None if there is none, or if it cannot be loaded."""
        module, _, attribute = self.name(dotted).rpartition(".")
        loaded = _loaded(module) if module and dotted not in OTHERWISE else None
        return _get(loaded, attribute, None)

    def hint(self, dotted: str) -> str:
        """What to do instead, as the end of a sentence."""
        found = HINTS.get(dotted) or HINTS.get(dotted.rpartition(".")[0])
        return f"; {found}" if found else ""


_NOTHING = object()


def _get(module: ModuleType | None, name: str, default: Any) -> Any:
    with catch_warnings():  # of names that are deprecated; Starlette warns of them as well
        simplefilter("ignore")
        return getattr(module, name, default)


@cache
def _location(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except ImportError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


@cache
def _loaded(module: str) -> ModuleType | None:
    try:
        return import_module(module)
    except ImportError:
        return None


def _names_in(path: Path) -> set[str]:
    from covet.cli.source import assigned_in

    return set(assigned_in(path) or ())


# ---- classes and functions -------------------------------------------------------------


@cache
def _attributes_of(kind: type) -> frozenset[str]:
    names = set(dir(kind))
    for base in kind.__mro__[:-1]:
        names.update(getattr(base, "__annotations__", {}))
        names.update(_given_to_self(base))
    return frozenset(names)


def has_attribute(kind: type, name: str) -> bool:
    """Whether an object of a class has something of a name: by its class, or as its methods give it to `self`."""
    return hasattr(kind, "__getattr__") or name in _attributes_of(kind)


def _given_to_self(kind: type) -> Iterator[str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name


class Takes:
    """What a function can be called with.

    Args:
        function: the function, or a class.
        method: the first argument is the object.

    Attributes:
        names: the names of keyword arguments.
        others: whether there may be keyword arguments of other names.
        positions: how many arguments may be given by position; None if any number will do.
    """

    def __init__(self, function: Callable[..., Any], method: bool) -> None:
        self.names: set[str] = set()
        self.others = False
        self.positions: int | None = 0
        self._named_rest = False
        target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
        for each in get_overloads(target) or [target]:
            self._learn(each, -1 if method or isinstance(function, type) else 0)
        # One overload that names its options tells more than another one that takes anything.
        self.others = self.others and not self._named_rest

    def _learn(self, function: Callable[..., Any], positions: int) -> None:
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.positions = None
            elif parameter.kind is parameter.VAR_KEYWORD:
                self._learn_rest(parameter.annotation)
            else:
                positions += parameter.kind is not parameter.KEYWORD_ONLY
                if parameter.kind is not parameter.POSITIONAL_ONLY:
                    self.names.add(parameter.name)
        if self.positions is not None:
            self.positions = max(self.positions, positions)

    def _learn_rest(self, annotation: Any) -> None:
        options = next(iter(get_args(annotation)), None)
        if is_typeddict(options):
            self.names.update(options.__annotations__)
            self._named_rest = True
        else:
            self.others = True


@cache
def takes(function: Callable[..., Any], method: bool = False) -> Takes | None:
    """What a function, or a method of a class, can be called with; None if that is not known."""
    try:
        return Takes(function, method)
    except (TypeError, ValueError):
        return None
