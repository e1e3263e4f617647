"""Looks at the functions that answer requests: their paths and what they return."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from covet.asgi.router import Router, parse
from covet.convertors import BUILT_IN
from covet.migration.bindings import Bindings
from covet.migration.findings import Findings
from covet.routers import RouteMethods
from covet.routing import PARAMETER, PATTERNS, Route

METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "trace"})
SAMPLES = {"int": "1", "float": "1.5", "uuid": "00000000-0000-0000-0000-000000000000", "path": "a/b"}


@dataclass(frozen=True)
class Registered:
    """A route of the file: of which object, with which methods and path, and where."""

    owner: str
    methods: frozenset[str]
    path: str
    place: ast.expr


class Handlers:
    """The handlers of one file.

    Args:
        bindings: what its names stand for.
        findings: where to put what is found.
    """

    def __init__(self, bindings: Bindings, findings: Findings) -> None:
        self._bindings = bindings
        self._findings = findings
        self._routes: list[Registered] = []

    def look_at(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Looks at a function and its decorators."""
        options: list[ast.keyword] = []
        handles = False
        for decorator in function.decorator_list:
            match decorator:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=owner) as value, attr=attribute), keywords=keywords):
                    kind = self._bindings.kind(value)
                    if kind is None or not issubclass(kind, RouteMethods):
                        continue
                    methods = _methods(attribute, keywords)
                    if methods:
                        handles = True
                        options += keywords
                        self._remember(owner, methods, decorator)
        if handles and not any(option.arg in ("response_model", "response_class") for option in options):
            self._look_at_results(function)

    def _remember(self, owner: str, methods: frozenset[str], call: ast.Call) -> None:
        paths = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "path")]
        for place in paths:
            match place:
                case ast.Constant(value=str(path)) if path and "{$" not in path:  # which callbacks may have
                    own = [kind for _, kind in PARAMETER.findall(path) if kind and kind not in BUILT_IN]
                    if own:  # FastAPI too knows none that is not registered
                        text = "matches within a segment, and what it does not match is not found"
                        self._findings.add(place, "differs", f"the converter {own[0]!r} {text}")
                        continue
                    try:
                        parse(path)
                    except ValueError as error:
                        self._findings.add(place, "missing", str(error))
                    else:
                        self._routes.append(Registered(owner, methods, path, place))

    def _look_at_results(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if function.returns is None:
            for returned in _returned(function):
                match returned:
                    case ast.Tuple(elts=[_, _] | [_, _, _]):
                        text = "a tuple is the body, the status and the header fields; return a list if it is data"
                        self._findings.add(returned, "differs", text)
                    case ast.Constant(value=bytes()):
                        self._findings.add(returned, "differs", "bytes are the body as it is, not text in JSON")
        elif isinstance(function.returns, ast.Name) and function.returns.id == "bytes":
            self._findings.add(function.returns, "differs", "bytes are the body as it is, not text in JSON")

    def compare_paths(self) -> None:
        """Finds paths where FastAPI takes the route that is written first, and CovetPy the more specific one."""
        for index, first in enumerate(self._routes):
            for second in self._routes[index + 1 :]:
                same = first.owner == second.owner and first.methods & second.methods
                if same and _fits(first.path, _sample(second.path)) and _comes_first(second.path, first.path):
                    self._findings.add(
                        second.place,
                        "differs",
                        f"FastAPI answers {_sample(second.path)} by {first.path} (line {first.place.lineno}), "
                        f"which comes first; CovetPy by {second.path}, which is more specific",
                    )


def _methods(attribute: str, keywords: list[ast.keyword]) -> frozenset[str]:
    if attribute in METHODS:
        return frozenset({attribute.upper()})
    if attribute not in ("api_route", "route"):
        return frozenset()
    for keyword in keywords:
        if keyword.arg == "methods" and isinstance(keyword.value, ast.List | ast.Tuple | ast.Set):
            texts = [each.value for each in keyword.value.elts if isinstance(each, ast.Constant)]
            return frozenset(text.upper() for text in texts if isinstance(text, str))
    return frozenset({"GET"})


def _returned(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """What the function itself returns, not those within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        waiting += ast.iter_child_nodes(node)


def _sample(path: str) -> str:
    """A path that fits a pattern; a parameter without a converter stands for any text."""
    return PARAMETER.sub(lambda found: SAMPLES.get(found[2] or "str", "x"), path)


def _fits(pattern: str, path: str) -> bool:
    """Whether a path fits a pattern as FastAPI reads it."""
    expression = ""
    end = 0
    for found in PARAMETER.finditer(pattern):
        expression += re.escape(pattern[end : found.start()]) + PATTERNS.get(found[2] or "str", "[^/]+")
        end = found.end()
    return re.fullmatch(expression + re.escape(pattern[end:]), path) is not None


def _comes_first(second: str, first: str) -> bool:
    """Whether CovetPy's router prefers the second pattern for a path that fits both."""
    router = Router([Route(first, ("GET",)), Route(second, ("GET",))])
    return router.lookup(_sample(second).encode(), "GET").route == 2
