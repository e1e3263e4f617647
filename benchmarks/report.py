"""The results as Markdown, SVG and JSON."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from peers import PYTHON, all_peers
from rows import Row

UNITS = {
    "rps": "requests/s",
    "messages": "messages/s",
    "deliveries": "deliveries/s",
    "cpu_us": "CPU µs/request",
    "message_us": "CPU µs/message",
    "busy": "load generator's CPU, %",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "p999_us": "p99.9 µs",
    "max_us": "max µs",
    "start_s": "seconds",
    "rss_mb": "RSS MB",
    "pss_mb": "PSS MB",
    "idle_rss": "RSS bytes/connection",
    "idle_pss": "PSS bytes/connection",
    "failed": "failed requests",
    "asked": "requests",
    "reopened": "connections closed by the server",
    "replaced": "workers replaced",
}
RATES = ("rps", "messages", "deliveries")
WIDTH, LABELS, BARS = 760, 150, 420
OURS, THEIRS = "#2b6cb0", "#a0aec0"


@dataclass(frozen=True)
class About:
    """What is true of a whole run: when, how, where and of what."""

    date: str
    command: str
    rounds: int
    seconds: int
    machine: str
    versions: Mapping[str, str]


def machine() -> str:
    """The machine in one line, with how busy it was before."""
    info = Path("/proc/cpuinfo").read_text("utf-8")
    model = re.search(r"model name\s*: (.*)", info)
    name = model[1].strip() if model else platform.machine()
    python = f"CPython {platform.python_version()}"
    return f"{os.cpu_count()} x {name}, Linux {platform.release()}, {python}, load average {os.getloadavg()[0]:.2f}"


def _cell(values: Sequence[float]) -> str:
    middle = statistics.median(values)
    form = ",.0f" if middle >= 100 else ",.1f" if middle >= 10 else ",.2f"
    return f"{middle:{form}}" + (f" ({min(values):{form}} to {max(values):{form}})" if len(values) > 1 else "")


def _cells(row: Row, figure: str, name: str) -> list[str]:
    values = row.figures[figure].get(name)
    if not values:
        return ["", ""]
    ours, theirs = row.median(figure, row.ours), row.median(figure, name)
    ratio = f"{ours / theirs:.2f}" if ours and theirs and theirs > 0 and name != row.ours else ""
    return [_cell(values), ratio]


def table(row: Row) -> str:
    """A row as a Markdown table: the median of the runs, their spread, and covet's ratio to each peer."""
    shown = [figure for figure in UNITS if figure in row.figures]
    what = {name: peer.what for name, peer in all_peers(PYTHON).items()}
    lines = [f"## {row.title}", "", f"`{row.name}`", ""]
    if shown:
        lines.append("| server | what runs | " + " | ".join(f"{UNITS[figure]} | covet ÷ it" for figure in shown) + " |")
        lines.append("| --- | --- |" + " ---: | ---: |" * len(shown))
    names = dict.fromkeys(name for figure in shown for name in row.figures[figure] if name not in row.failures)
    for name in names:
        cells = [cell for figure in shown for cell in _cells(row, figure, name)]
        lines.append(f"| {name} | {what[name]} | " + " | ".join(cells) + " |")
    lines += [f"\n{name} failed: {_one_line(why)}" for name, why in row.failures.items()]
    return "\n".join([*lines, ""])


def _one_line(why: str) -> str:
    return escape(" ".join(why.split())[:300], quote=False)


def markdown(rows: Sequence[Row], about: About) -> str:
    """The whole report."""
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    lines = [
        f"# Benchmark of {about.date}",
        "",
        f"`{about.command}`",
        "",
        f"{about.machine}.",
        f"{versions}.",
        "",
        f"Each figure is the median of {about.rounds} runs of {about.seconds} s, servers in turn, with the least and"
        " the most behind it; memory is read once. Only ratios mean something on another machine.",
        "",
    ]
    return "\n".join([*lines, *(table(row) for row in rows)])


def svg(rows: Sequence[Row]) -> str:
    """Bars of the rate for each row that has one, with whiskers from the least to the most run."""
    parts: list[str] = []
    y = 12
    for row in rows:
        rate = next((figure for figure in RATES if figure in row.figures), "rps")
        measured = {name: runs for name, runs in row.figures.get(rate, {}).items() if name not in row.failures}
        if not measured:
            continue
        parts.append(f'<text x="10" y="{y + 13}" font-weight="bold">{escape(row.title)}: {UNITS[rate]}</text>')
        y += 24
        scale = BARS / max(max(runs) for runs in measured.values())
        for name, runs in measured.items():
            parts += _bar(name, runs, scale, y)
            y += 19
        y += 14
    size = f'width="{WIDTH}" height="{y}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect {size} fill="white"/>', *parts, "</svg>\n"])


def _bar(name: str, runs: Sequence[float], scale: float, y: int) -> list[str]:
    middle, least, most = statistics.median(runs), min(runs), max(runs)
    x, colour = LABELS + 8, OURS if name.startswith("covet") else THEIRS
    return [
        f'<text x="{LABELS}" y="{y + 12}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{x}" y="{y}" width="{middle * scale:.1f}" height="15" fill="{colour}"/>',
        f'<path d="M{x + least * scale:.1f} {y + 7.5}H{x + most * scale:.1f}" stroke="#1a202c"/>',
        f'<text x="{x + most * scale + 8:.1f}" y="{y + 12}">{middle:,.0f}</text>',
    ]


def write(rows: Sequence[Row], folder: Path, about: About) -> None:
    """Writes latest.md, latest.svg and latest.json with every run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.md").write_text(markdown(rows, about), "utf-8")
    (folder / "latest.svg").write_text(svg(rows), "utf-8")
    runs = asdict(about) | {"rows": [asdict(row) for row in rows]}
    (folder / "latest.json").write_text(json.dumps(runs, indent=1) + "\n", "utf-8")
