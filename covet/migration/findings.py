"""What is found in a file."""

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["missing", "differs", "import"]


@dataclass(frozen=True, order=True)
class Finding:
    """Something that a reader of the file should know.

    Attributes:
        path: the file.
        line: the line, from 1.
        kind: "missing" for what CovetPy does not have, "differs" for what does something else there, "import" for an
            import to change.
        text: what is to be said of it.
    """

    path: Path
    line: int
    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind}: {self.text}"


class Findings:
    """The findings of one file, each of them once.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.all: dict[Finding, None] = {}

    def add(self, node: ast.AST, kind: Kind, text: str) -> None:
        """Remembers what was found at a place."""
        self.all[Finding(self.path, getattr(node, "lineno", 1), kind, text)] = None
