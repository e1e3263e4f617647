"""Examines files and folders."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from covet.migration.bindings import Bindings
from covet.migration.counterparts import Counterparts
from covet.migration.findings import Finding, Findings
from covet.migration.reader import Reader
from covet.migration.rewrite import Rewriter

SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass
class Report:
    """What was found.

    Attributes:
        files: how many files were read.
        findings: what was found in them, in the order of files and lines.
        written: how many files were changed.
    """

    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    written: int = 0

    def count(self, kind: str) -> int:
        """How many findings are of a kind."""
        return sum(finding.kind == kind for finding in self.findings)


def examine(path: Path, *, write: bool = False) -> Report:
    """Reads the Python files below a path.

    Args:
        path: a file, or a folder; of its folders those with a dot in front and virtual environments are left out.
        write: change the imports.

    Raises:
        OSError: a file cannot be read, or written.
    """
    report = Report()
    counterparts = Counterparts()
    for each in sorted(_files(path)):
        findings = Findings(each)
        source = each.read_bytes()
        report.files += 1
        try:
            tree = ast.parse(source, str(each))
            rewriter = Rewriter(source, tree, counterparts)
        except (SyntaxError, ValueError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None) or 1
            version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
            report.findings.append(Finding(each, line, "missing", f"{version} cannot read this: {error}"))
            continue
        Reader(Bindings(tree, counterparts), counterparts, findings).read(tree)
        rewriter.suggest(findings)
        report.findings += sorted(findings.all)
        if write and (changed := rewriter.changed()) != source:
            each.write_bytes(changed)
            report.written += 1
    return report


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for each in path.iterdir():
        if each.name.startswith(".") or each.is_symlink():
            continue
        if each.is_dir():
            if each.name not in SKIPPED and not (each / "pyvenv.cfg").exists():
                yield from _files(each)
        elif each.suffix == ".py":
            yield each
