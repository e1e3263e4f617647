"""The table that `covet status` prints."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TOTALS = ("connections", "accepted", "requests", "in_flight", "queued", "refused")


def format_table(status: Mapping[str, Any]) -> str:
    """A server's figures as text: its totals, and a line for each worker.

    Args:
        status: what `describe` makes and `fetch_status` gives.

    Returns:
        Lines for people to read; what is not known is "-".
    """
    totals = "   ".join(f"{name.replace('_', ' ')} {_number(status.get(name))}" for name in TOTALS)
    lines = [_heading(status), *_addresses(status), "", totals]
    if status.get("failure"):
        lines.append(f"the engine has failed: {status['failure']}")
    workers = status.get("workers") or []
    rows = [[title for title, _, _ in COLUMNS]]
    rows += [[show(worker.get(key)) for _, key, show in COLUMNS] for worker in workers]
    return "\n".join([*lines, "", *_aligned(rows)])


def _heading(status: Mapping[str, Any]) -> str:
    parts = [
        f"covet {status.get('version', '-')}",
        f"process {status.get('pid', '-')}",
        f"{status.get('state', '-')} for {_duration(status.get('uptime'))}",
        _text(status.get("backend")),
        f"memory {_bytes(status.get('rss'))}",
        f"CPU {_seconds(status.get('cpu'))}",
    ]
    return ", ".join(parts)


def _addresses(status: Mapping[str, Any]) -> list[str]:
    address = status.get("address")
    return [str(address)] if address else []


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = [title == "state" for title in rows[0]]
    for row in rows:
        cells = zip(row, widths, left, strict=True)
        yield "  ".join(cell.ljust(width) if name else cell.rjust(width) for cell, width, name in cells).rstrip()


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _number(value: Any) -> str:
    return "-" if value is None else f"{value:,}"


def _bytes(value: Any) -> str:
    return "-" if value is None else f"{value / 1024**2:.1f} MiB"


def _seconds(value: Any) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _blocked(value: Any) -> str:
    return _seconds(value or None)


def _duration(value: Any) -> str:
    """A time in the two largest units that it has."""
    if value is None:
        return "-"
    whole = int(value)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    while len(parts) > 1 and parts[0][0] == 0:
        parts.pop(0)
    return " ".join(f"{count} {unit}" for count, unit in parts[:2])


COLUMNS = (
    ("worker", "worker", _text),
    ("pid", "pid", _text),
    ("state", "state", _text),
    ("waiting", "waiting", _number),
    ("begun", "begun", _number),
    ("finished", "finished", _number),
    ("in flight", "in_flight", _number),
    ("memory", "rss", _bytes),
    ("CPU", "cpu", _seconds),
    ("blocked", "blocked", _blocked),
)
