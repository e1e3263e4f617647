"""The engine's router in Python: of several patterns that match, the most specific wins.

That is decided from left to right: literal text before int, uuid, float, plain
and at last path parameters. Escapes are decoded for comparing (RFC 3986,
section 2.4), but an encoded slash is data: it never separates segments.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from covet.asgi.several import match_several
from covet.routing import PARAMETER, PATTERNS, WEBSOCKET, Route, all_methods

ENCODED_SLASH = b"\0"
"""Stands for "%2F" in a decoded path: a path with a NUL is refused and no pattern has one."""

RANKS = {"int": 1, "uuid": 2, "float": 3, "str": 4, "path": 6}
LITERAL, SEGMENT_END = 0, 5
ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")

Part = tuple[str, bytes]
"""A parameter's type and nothing, or nothing and literal text."""


class Match(NamedTuple):
    """The outcome of a lookup.

    Attributes:
        status: 0 if a route was found, or 307, 400, 404, 405.
        route: the route's number; 0 if none was found.
        params: the values of the path's parameters, decoded.
        allow: the methods that the path has, for 405.
        reason: what is wrong with the path, for 400.
    """

    status: int
    route: int = 0
    params: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class _Pattern:
    """Routes of one shape, by method."""

    prefix: bytes
    parts: Sequence[Part]
    whole: re.Pattern[bytes] | None
    methods: dict[str, int] = field(default_factory=dict)

    def match(self, path: bytes) -> Sequence[bytes] | None:
        """The values of the parameters, or None."""
        if not path.startswith(self.prefix):
            return None
        if self.whole is None:
            return match_several(self.parts, path)
        found = self.whole.fullmatch(path)
        return None if found is None else found.groups()


@dataclass(slots=True)
class _Node:
    """The patterns whose literal beginning ends in one segment, the most specific first."""

    kids: dict[bytes, "_Node"] = field(default_factory=dict)
    patterns: list[_Pattern] = field(default_factory=list)

    def add(self, pattern: _Pattern) -> None:
        node = self
        for segment in pattern.prefix.split(b"/")[1:-1]:
            node = node.kids.setdefault(segment, _Node())
        node.patterns.append(pattern)

    def along(self, path: bytes) -> list[list[_Pattern]]:
        """The patterns that may match a path, node by node; where more is literal is more specific, and comes first."""
        found, node, at = [self.patterns], self, 1
        while node.kids and (end := path.find(b"/", at)) >= 0:
            kid = node.kids.get(path[at:end])
            if kid is None:
                break
            found.append(kid.patterns)
            node, at = kid, end + 1
        found.reverse()
        return found


class Router:
    """An immutable set of routes; they are numbered from 1 in their order.

    Args:
        routes: the routes; of two with the same method and shape the first one counts.
        sockets: the routes of WebSockets are meant, whose method is WEBSOCKET; else they are left out.
        redirect_slashes: a path that is found only with its trailing slash added or taken away gets 307, not 404.

    Raises:
        ValueError: a path is no pattern.
    """

    def __init__(self, routes: Sequence[Route], *, redirect_slashes: bool = True, sockets: bool = False) -> None:
        self._redirect_slashes = redirect_slashes
        self._static: dict[bytes, dict[str, int]] = {}
        patterns: dict[tuple[object, ...], _Pattern] = {}
        for number, route in enumerate(routes, 1):
            wanted = [method for method in route.methods if (method == WEBSOCKET) is sockets]
            if not route.by_path or route.last_resort or not wanted:
                continue
            parts = parse(route.engine_path)
            if all(not kind for kind, _ in parts):
                methods = self._static.setdefault(b"".join(text for _, text in parts), {})
            else:
                methods = patterns.setdefault(_order(parts), _compiled(parts)).methods
            for method in wanted:
                methods.setdefault(method, number)
        self._root = _Node()
        for _, pattern in sorted(patterns.items(), key=lambda item: item[0]):
            self._root.add(pattern)
        self.all_methods = all_methods(routes)

    def lookup(self, path: bytes, method: str) -> Match:
        """Finds the route of a path, which is still percent-encoded."""
        decoded = path
        if b"%" in path:
            if any(found[1] is None for found in ESCAPE.finditer(path)):
                return Match(400, reason="The path has a malformed percent-encoding")
            decoded = ESCAPE.sub(_octet, path)
        if decoded.count(b"\0") != len(re.findall(b"%2[Ff]", path)):
            return Match(400, reason="Malformed percent-encoding in the path")
        match = self._walk(decoded, method)
        if match.status == 404 and self._redirect_slashes and self._matches_toggled(decoded, method):
            return Match(307)
        return match

    def _walk(self, path: bytes, method: str) -> Match:
        # A pattern without parameters is always the most specific one.
        methods: Mapping[str, int] = self._static.get(path, {})
        if method in methods:
            return Match(0, methods[method])
        offered = set(methods)
        for patterns in self._root.along(path):
            for pattern in patterns:
                values = pattern.match(path)
                if values is None:
                    continue
                if method in pattern.methods:
                    return Match(0, pattern.methods[method], tuple(_text(value) for value in values))
                offered.update(pattern.methods)
        return Match(405, allow=tuple(sorted(offered))) if offered else Match(404)

    def _matches_toggled(self, path: bytes, method: str) -> bool:
        if path and (len(path) < 2 or not path.startswith(b"/")):
            return False
        toggled = path[:-1] if path.endswith(b"/") else path + b"/"
        return self._walk(toggled, method).status != 404


def parse(path: str) -> list[Part]:
    """The parts of a pattern. Raises ValueError for stray braces and types that there are not."""
    parts: list[Part] = []
    end = 0
    for found in PARAMETER.finditer(path):
        parts.append(("", path[end : found.start()].encode()))
        kind = found[2] or "str"
        if kind not in RANKS:
            raise ValueError(f"the path {path!r}: the parameter {found[1]!r} has an unknown type {kind!r}")
        parts.append((kind, b""))
        end = found.end()
    parts.append(("", path[end:].encode()))
    if any(brace in text for _, text in parts for brace in (b"{", b"}", b"\0")):
        raise ValueError(f"the path {path!r} has a brace that is no parameter's, or a NUL")
    return [(kind, text) for kind, text in parts if kind or text]


def _compiled(parts: Sequence[Part]) -> _Pattern:
    prefix = parts[0][1] if not parts[0][0] else b""
    if _has_crowded_segment(parts):
        return _Pattern(prefix, parts, None)
    # The types' own groups do not capture, so the groups are the parameters.
    source = "".join(f"({PATTERNS[kind]})" if kind else re.escape(text.decode("latin-1")) for kind, text in parts)
    return _Pattern(prefix, parts, re.compile(source.encode("latin-1"), re.DOTALL))


def _has_crowded_segment(parts: Sequence[Part]) -> bool:
    """Whether a segment has several parameters; a path parameter's segment reaches to the end."""
    rest = list(parts)
    while rest:
        if not rest[0][0]:
            del rest[0]
            continue
        segment, _, rest = _cut_segment(rest)
        if sum(1 for kind, _ in segment if kind) > 1:
            return True
    return False


def _order(parts: Sequence[Part]) -> tuple[object, ...]:
    """What patterns are sorted by, equal for those of one shape.

    As in the engine's tree: where patterns part, the end of one comes first,
    then literal text, then what a segment has from its first parameter on.
    """
    keys: list[tuple[object, ...]] = []
    rest = list(parts)
    while rest:
        kind, text = rest[0]
        if not kind:
            keys.extend((0, octet) for octet in text)
            del rest[0]
            continue
        segment, tail, rest = _cut_segment(rest)
        keys.append((1, tail, *(_rank(part) for part in segment), (SEGMENT_END, 0, b"")))
    return tuple(keys)


def _rank(part: Part) -> tuple[int, int, bytes]:
    kind, text = part
    return (RANKS[kind], 0, b"") if kind else (LITERAL, -len(text), text)


def _cut_segment(parts: list[Part]) -> tuple[list[Part], bool, list[Part]]:
    """The parts up to the next slash, or all if a path parameter is among them; whether that is so; and the rest."""
    for i, (kind, text) in enumerate(parts):
        if kind == "path":
            return parts, True, []
        slash = text.find(b"/")
        if slash >= 0:
            segment = [*parts[:i], *([("", text[:slash])] if slash else [])]
            return segment, False, [("", text[slash:]), *parts[i + 1 :]]
    return parts, False, []


def _octet(found: re.Match[bytes]) -> bytes:
    octet = bytes.fromhex(found[1].decode("ascii"))
    return ENCODED_SLASH if octet == b"/" else octet


def _text(value: bytes) -> str:
    return value.replace(ENCODED_SLASH, b"/").decode("utf-8", "replace")
