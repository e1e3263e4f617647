"""What scopes hold as bytes, as an exchange tells it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from covet.core import BAD

INT = re.compile(r"-?[0-9]{1,18}", re.ASCII)
FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
BOOLS = {
    **dict.fromkeys(("true", "1", "on", "yes", "t", "y"), True),
    **dict.fromkeys(("false", "0", "off", "no", "f", "n"), False),
}

Pairs = list[tuple[bytes, bytes]]


def raw_paths_of(scope: Mapping[str, Any], root_path: str) -> tuple[bytes, bytes]:
    """`root_path`, if the path begins with it, and the path below it, percent-encoded.

    By the specification `path` begins with `root_path`; some servers leave it out, here or in `raw_path`.
    """
    raw: bytes | None = scope.get("raw_path")
    path: str = scope["path"]
    if raw and not root_path:
        raw = raw.partition(b"?")[0]
        # Middleware often changes the path alone.
        return b"", raw if raw == path.encode() or unquote(raw.decode("latin-1")) == path else _quoted(path)
    raw = (raw or _quoted(path)).partition(b"?")[0]
    if not root_path or not (path == root_path or path.startswith(root_path + "/")):
        return b"", raw
    root, below = quote(root_path).encode(), path[len(root_path) :]
    for candidate in (raw[len(root) :], raw):
        if unquote(candidate.decode("latin-1")) == below:
            return root, candidate
    return root, quote(below).encode()


def _quoted(path: str) -> bytes:
    return quote(path, safe="/:@!$&'()*+,;=~*").encode()


def length_of(headers: Iterable[Sequence[bytes]]) -> int:
    """The Content-Length; -1 if there is none."""
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() else -1
    return -1


def query_pairs(query: bytes) -> list[tuple[str, str]]:
    """The parameters of a query, decoded as application/x-www-form-urlencoded."""
    pairs = (pair.partition(b"=") for pair in query.split(b"&") if pair)
    return [(_form_text(name), _form_text(value)) for name, _, value in pairs]


def _form_text(text: bytes) -> str:
    if b"+" in text or b"%" in text:
        text = unquote_to_bytes(text.replace(b"+", b" "))
    return text.decode("utf-8", "replace")


def to_int(text: str) -> Any:
    """-?[0-9]{1,18} as a number; anything else is BAD."""
    return int(text) if INT.fullmatch(text) else BAD


def to_float(text: str) -> Any:
    """-?[0-9]+(.[0-9]+)? as a number; anything else is BAD."""
    return float(text) if FLOAT.fullmatch(text) and len(text) < 64 else BAD


def to_bool(text: str) -> Any:
    """A word for true or false; anything else is BAD."""
    return BOOLS.get(text.lower(), BAD) if text.isascii() else BAD


def address_of(pair: Any) -> tuple[str, int] | None:
    """Host and port of a scope's client or server; None for a Unix socket."""
    return (str(pair[0]), int(pair[1])) if pair and pair[1] is not None else None


def unpack_fields(packed: bytes) -> Pairs:
    """The header fields that `pack_fields` has packed."""
    fields, at = [], 0
    while at < len(packed):
        name = at + 4 + int.from_bytes(packed[at : at + 2], "little")
        value = name + int.from_bytes(packed[at + 2 : at + 4], "little")
        fields.append((packed[at + 4 : name], packed[name:value]))
        at = value
    return fields
