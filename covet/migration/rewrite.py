"""Imports of FastAPI and Starlette, as imports of CovetPy."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from covet.migration.counterparts import ROOTS, Counterparts
from covet.migration.findings import Findings

WIDTH = 88
MODULE = re.compile(r"from\s+([\w.]+)")


@dataclass(frozen=True)
class Change:
    """Text that takes the place of other text.

    Attributes:
        start: the line, from 1, and the column, in bytes, where the old text begins.
        end: where it ends.
        text: the new text.
        summary: the same in one line, if it is not that already.
    """

    start: tuple[int, int]
    end: tuple[int, int]
    text: str
    summary: str = ""


class Rewriter:
    """Changes the imports of one file, for names that CovetPy has; the others stay where they are.

    Args:
        source: the file's content.
        tree: the same, parsed.
        counterparts: what there is in CovetPy.
    """

    def __init__(self, source: bytes, tree: ast.Module, counterparts: Counterparts) -> None:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        self._encoding = encoding
        self._text = source.decode(encoding)
        self._tree = tree
        self._counterparts = counterparts

    def suggest(self, findings: Findings) -> None:
        """Adds a finding for each import that is to be changed."""
        for node, change in self._imports():
            findings.add(node, "import", change.summary or change.text)

    def changed(self) -> bytes:
        """The file's content with the changes."""
        lines = [line.encode() for line in self._text.splitlines(keepends=True)]
        changes = [change for _, change in self._imports()] + list(self._renamed_uses())
        for change in sorted(changes, key=lambda each: each.start, reverse=True):
            first, last = change.start[0] - 1, change.end[0] - 1
            head, tail = lines[first][: change.start[1]], lines[last][change.end[1] :]
            lines[first : last + 1] = [head + change.text.encode() + tail]
        return b"".join(lines).decode().encode(self._encoding)

    def _imports(self) -> Iterator[tuple[ast.stmt, Change]]:
        for node in ast.walk(self._tree):
            match node:
                case ast.Import(names=aliases) if any(self._can_change(alias.name) for alias in aliases):
                    text = "import " + ", ".join(self._plain(alias) for alias in aliases)
                    yield node, _instead(node, text)
                case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] in ROOTS:
                    yield from self._from(node, module)

    def _can_change(self, module: str) -> bool:
        return module.partition(".")[0] in ROOTS and self._counterparts.module(module)

    # ---- import a.b --------------------------------------------------------------------

    def _plain(self, alias: ast.alias) -> str:
        if not self._can_change(alias.name):
            return _written(alias)
        name = self._counterparts.name(alias.name)
        if alias.asname:
            return f"{name} as {alias.asname}"
        root = alias.name.partition(".")[0]
        if root in self._renamed():
            return name
        return f"covet as {root}" if name == "covet" else f"{name}, covet as {root}"

    def _renamed(self) -> set[str]:
        """The roots whose uses can all be renamed: nothing else has the name, and nothing is missing."""
        found = set()
        for root in ROOTS:
            modules = [
                alias.name
                for node in ast.walk(self._tree)
                if isinstance(node, ast.Import)
                for alias in node.names
                if alias.name.partition(".")[0] == root and not alias.asname
            ]
            if modules and all(map(self._can_change, modules)) and not self._is_bound(root):
                found.add(root)
        return found

    def _is_bound(self, name: str) -> bool:
        for node in ast.walk(self._tree):
            match node:
                case ast.Name(id=found, ctx=ast.Store() | ast.Del()) | ast.arg(arg=found) if found in (name, "covet"):
                    return True
        return False

    def _renamed_uses(self) -> Iterator[Change]:
        renamed = self._renamed()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name) and node.id in renamed:
                yield _instead(node, "covet")

    # ---- from a.b import c ------------------------------------------------------------

    def _from(self, node: ast.ImportFrom, module: str) -> Iterator[tuple[ast.stmt, Change]]:
        if not self._counterparts.module(module):
            return
        name = self._counterparts.name(module)
        there: list[ast.alias] = []
        missing: list[ast.alias] = []
        for alias in node.names:
            exists = alias.name == "*" or self._counterparts.has(f"{module}.{alias.name}")
            (there if exists else missing).append(alias)
        if there and not missing:
            # Only the module's name changes, so comments among the names stay.
            segment = ast.get_source_segment(self._text, node) or ""
            text = MODULE.sub(lambda found: found[0].replace(found[1], name), segment, count=1)
        elif there:
            text = f"{_from_text(name, there)}\n{' ' * node.col_offset}{_from_text(module, missing)}"
        else:
            return
        yield node, _instead(node, text, f"from {name} import {', '.join(map(_written, there))}")


def _from_text(module: str, aliases: list[ast.alias]) -> str:
    names = ", ".join(map(_written, aliases))
    line = f"from {module} import {names}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {_written(alias)},\n" for alias in aliases) + ")"


def _written(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _instead(node: ast.stmt | ast.expr, text: str, summary: str = "") -> Change:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return Change((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset), text, summary)
