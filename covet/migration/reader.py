"""Reads a file and finds what CovetPy lacks, or does otherwise."""

import ast
import re
from collections.abc import Callable
from typing import Any

from covet.migration.bindings import Bindings
from covet.migration.counterparts import ROOTS, Counterparts, Takes, has_attribute, takes
from covet.migration.findings import Findings
from covet.migration.handlers import Handlers

MADE_OF_THEIRS = {
    "strawberry.fastapi": "its router is made of FastAPI's classes; mount strawberry.asgi.GraphQL instead",
    "fastapi_users": "its routers are made of FastAPI's classes",
    "slowapi": "it looks for Starlette's classes",
    "uvicorn.workers": "`covet run --workers N` starts workers itself",
}
"""Packages that cannot take CovetPy's objects for FastAPI's, and why."""
LIMITER = frozenset({"current_default_thread_limiter", "_default_thread_limiter"})
"""What AnyIO's limit of threads is got by."""
DOTTED = re.compile(r"(fastapi|starlette)(\.[A-Za-z_]\w*)+")
FOR_THEM = ("fastapi_", "starlette_", "prometheus_fastapi_")


class Reader(ast.NodeVisitor):
    """Goes through one file.

    Args:
        bindings: what its names stand for.
        counterparts: what there is in CovetPy.
        findings: where to put what is found.
    """

    def __init__(self, bindings: Bindings, counterparts: Counterparts, findings: Findings) -> None:
        self._bindings = bindings
        self._counterparts = counterparts
        self._findings = findings
        self._handlers = Handlers(bindings, findings)

    def read(self, tree: ast.Module) -> None:
        """Reads the whole file."""
        self.visit(tree)
        self._handlers.compare_paths()

    # ---- imports ---------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        """`import fastapi.responses`."""
        for alias in node.names:
            self._check_package(node, alias.name)
            if alias.name.partition(".")[0] in ROOTS and not self._counterparts.module(alias.name):
                self._report_missing(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """`from fastapi.responses import JSONResponse`."""
        if node.level or node.module is None:
            return
        self._check_package(node, node.module)
        for alias in node.names:
            self._check_limiter(alias, alias.name)
        if node.module.partition(".")[0] not in ROOTS:
            return
        if not self._counterparts.module(node.module):
            for alias in node.names:
                self._report_missing(alias, f"{node.module}.{alias.name}")
            return
        for alias in node.names:
            if alias.name != "*" and not self._counterparts.has(f"{node.module}.{alias.name}"):
                self._report_missing(alias, f"{node.module}.{alias.name}")

    def _check_package(self, node: ast.AST, module: str) -> None:
        for name, reason in MADE_OF_THEIRS.items():
            if module == name or module.startswith(name + "."):
                self._findings.add(node, "missing", f"{name}: {reason}")
                return
        package = module.partition(".")[0]
        if package.startswith(FOR_THEM):
            self._findings.add(
                node, "differs", f"{package} is made for FastAPI; try whether it takes CovetPy's objects"
            )

    def _report_missing(self, node: ast.AST, dotted: str) -> None:
        self._findings.add(node, "missing", f"{dotted} has no counterpart{self._counterparts.hint(dotted)}")

    # ---- uses ------------------------------------------------------------------------

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """`fastapi.responses.JSONResponse`, `app.openapi_version`."""
        self._check_limiter(node, node.attr)
        dotted = self._bindings.dotted(node)
        parent = self._bindings.dotted(node.value)
        if dotted is not None and parent is not None and self._counterparts.module(parent):
            if not self._counterparts.has(dotted):
                self._report_missing(node, dotted)
            return  # what the attribute belongs to exists as well
        kind = self._bindings.kind(node.value)
        if kind is not None and isinstance(node.ctx, ast.Load) and not has_attribute(kind, node.attr):
            self._findings.add(node, "missing", f"{kind.__name__} has no {node.attr}")
        self.generic_visit(node)

    def _check_limiter(self, node: ast.AST, name: str) -> None:
        if name in LIMITER:
            text = "AnyIO's limiter does not count CovetPy's threads: CovetPy(threads=...) sets their number"
            self._findings.add(node, "differs", text)

    def visit_Call(self, node: ast.Call) -> None:
        """`FastAPI(title="x")`, `app.get("/", status_code=201)`."""
        self.generic_visit(node)
        function, name, is_method = self._called(node.func)
        if function is None:
            return
        if name.endswith(".add_middleware") or name == "Middleware":
            self._check_options(node, name)
            return
        found = takes(function, is_method)
        if found is not None:
            self._check_arguments(node, name, found)

    def _check_arguments(self, node: ast.Call, name: str, found: Takes) -> None:
        for keyword in node.keywords:
            if keyword.arg is None or keyword.arg in found.names:
                continue
            if not found.others:
                self._findings.add(keyword.value, "missing", f"{name}() has no argument {keyword.arg}")
        given = len(node.args)
        starred = any(isinstance(argument, ast.Starred) for argument in node.args)
        if not starred and found.positions is not None and given > found.positions:
            self._findings.add(node, "missing", f"{name}() takes {found.positions} arguments by position, not {given}")

    def _called(self, node: ast.expr) -> tuple[Callable[..., Any] | None, str, bool]:
        """The function that is called, what it is called in a message, and whether it is a method."""
        found = self._bindings.value(node)
        if found is None and isinstance(node, ast.Attribute):
            kind = self._bindings.kind(node.value)
            method = getattr(kind, node.attr, None) if kind is not None else None
            if kind is not None and callable(method):
                return method, f"{kind.__name__}.{node.attr}", True
        return (found, found.__name__, False) if callable(found) and hasattr(found, "__name__") else (None, "", False)

    def _check_options(self, node: ast.Call, name: str) -> None:
        """Options that `add_middleware` hands on to a class."""
        kind = self._bindings.value(node.args[0]) if node.args else None
        found = takes(kind) if isinstance(kind, type) else None
        if found is None or found.others or kind is None:
            return
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in found.names:
                self._findings.add(keyword.value, "missing", f"{kind.__name__} has no option {keyword.arg}")

    def visit_Constant(self, node: ast.Constant) -> None:
        """Text such as "fastapi.routing.run_in_threadpool", which `mock.patch` takes."""
        if isinstance(node.value, str):
            self._check_limiter(node, node.value)
        if isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            name = self._counterparts.name(node.value)
            self._findings.add(node, "differs", f"the text {node.value!r} may name what is {name} now")

    # ---- functions -------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function, which may be a handler."""
        for each in [*node.decorator_list, node.args, *([node.returns] if node.returns else ())]:
            self.visit(each)
        self._handlers.look_at(node)
        self._bindings.enter(node)
        for statement in node.body:
            self.visit(statement)
        self._bindings.leave()

    visit_AsyncFunctionDef = visit_FunctionDef
