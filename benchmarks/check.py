"""The floors of floors.toml against measured rows."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rows import Plan, Row


@dataclass(frozen=True)
class Floor:
    """One floor.

    Attributes:
        what: in words.
        row, figure: what is looked at.
        against: the peers, the best of whom covet's figure is divided by; none for the figure itself.
        least, most: the bound; one of them is None.
        ours: whose figure it is.
    """

    what: str
    row: str
    figure: str
    against: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    ours: str = "covet"


@dataclass(frozen=True)
class Verdict:
    """Whether a floor held, and the line that says so."""

    held: bool
    line: str


def floors(path: Path) -> list[Floor]:
    """The floors in a file. Raises ValueError for one without exactly one bound."""
    found = []
    for entry in tomllib.loads(path.read_text("utf-8"))["floor"]:
        floor = Floor(**entry | {"against": tuple(entry["against"])})
        if (floor.least is None) == (floor.most is None):
            raise ValueError(f"{path.name}: {floor.what}: needs `least` or `most`")
        found.append(floor)
    return found


def verdicts(rows: Sequence[Row], wanted: Sequence[Floor], plan: Plan) -> list[Verdict]:
    """One for each floor of a row that was asked for. A figure that is missing has not held."""
    by_name = {row.name: row for row in rows}
    return [_verdict(floor, by_name.get(floor.row)) for floor in wanted if plan.has(floor.row)]


def _verdict(floor: Floor, row: Row | None) -> Verdict:
    ours = row.median(floor.figure, floor.ours) if row else None
    theirs = {name: row.median(floor.figure, name) if row else None for name in floor.against}
    missing = [name for name, value in ({floor.ours: ours} | theirs).items() if value is None]
    if ours is None or missing:
        return Verdict(False, f"FAILED  {floor.what}: not measured: {', '.join(missing)}")
    values = [value for value in theirs.values() if value is not None]
    if floor.least is not None:
        best = max(values, default=1.0)
        held, bound = ours / best >= floor.least, f"at least {floor.least:g}"
    else:
        best = min(values, default=1.0)
        held, bound = ours / best <= (floor.most or 0.0), f"at most {floor.most:g}"
    figure = f"{ours / best:,.2f}" if values else f"{ours:,.0f}"
    return Verdict(held, f"{'ok    ' if held else 'FAILED'}  {floor.what}: {figure} ({bound})")
