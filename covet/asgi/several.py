"""Patterns with several parameters in one segment, in linear time.

A regular expression would take time to the power of the parameters' number
for a path that almost fits. As in the engine, it is first found from right to
left from where every part can reach the end, and then each parameter in turn
takes the longest value with which the rest still matches.
"""

import re
from collections.abc import Sequence

DIGITS = frozenset(b"0123456789")
SLASH = ord("/")
DOT = ord(".")
UUID = re.compile(rb"(?=([0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}))")
FLOAT = re.compile(rb"[0-9]+(?:\.[0-9]+)?")


def match_several(parts: Sequence[tuple[str, bytes]], path: bytes) -> list[bytes] | None:
    """The values of a pattern's parameters, or None if the path does not fit.

    Args:
        parts: the pattern's parts: a type and nothing for a parameter, nothing and the text for literal text.
        path: the whole path, decoded.
    """
    rows = [bytearray(len(path) + 1)]
    rows[0][len(path)] = 1
    for kind, text in reversed(parts):
        rows.append(_reach(kind, text, path, rows[-1]))
    rows.reverse()
    if not rows[0][0]:
        return None
    values, at = [], 0
    for (kind, text), after in zip(parts, rows[1:], strict=True):
        end = at + len(text) if not kind else _longest(kind, path, at, after)
        if kind:
            values.append(path[at:end])
        at = end
    return values


def _reach(kind: str, text: bytes, path: bytes, after: bytearray) -> bytearray:
    """The positions, as ones, from which a part leads to one in `after`."""
    here = bytearray(len(path) + 1)
    if not kind:
        at = path.find(text)
        while at >= 0:
            here[at] = after[at + len(text)]
            at = path.find(text, at + 1)
    elif kind == "uuid":
        for found in UUID.finditer(path):
            here[found.start()] = after[found.end(1)]
    elif kind == "float":
        _reach_float(path, here, after)
    else:
        _reach_run(kind, path, here, after)
    return here


def _reach_run(kind: str, path: bytes, here: bytearray, after: bytearray) -> None:
    leads = kind == "path" and after[len(path)]
    here[len(path)] = leads
    for i in range(len(path) - 1, -1, -1):
        if not _accepts(kind, path[i]):
            leads = False
        elif leads or after[i + 1] or (kind == "path" and after[i]):
            leads = here[i] = 1


def _reach_float(path: bytes, here: bytearray, after: bytearray) -> None:
    digits = fraction = number = False  # what leads on from i + 1: digits, ".digits", a float
    for i in range(len(path) - 1, -1, -1):
        if path[i] not in DIGITS:
            fraction = path[i] == DOT and digits
            digits = number = False
            continue
        number = number or fraction or bool(after[i + 1])
        digits = digits or bool(after[i + 1])
        here[i] = number


def _accepts(kind: str, octet: int) -> bool:
    if kind == "int":
        return octet in DIGITS
    return kind == "path" or octet != SLASH


def _longest(kind: str, path: bytes, at: int, after: bytearray) -> int:
    """The end of the longest value at a position from which there is one."""
    if kind == "uuid":
        found = UUID.match(path, at)
        return found.end(1) if found else at
    if kind == "float":
        found = FLOAT.match(path, at)
        end = found.end() if found else at
    else:
        end = at
        while end < len(path) and _accepts(kind, path[end]):
            end += 1
    while end > at and (not after[end] or (kind == "float" and path[end - 1] == DOT)):
        end -= 1
    return end
