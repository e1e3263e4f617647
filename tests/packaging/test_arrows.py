"""Imports between the Go packages point one way only: the folder table of docs/architecture.md."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from building import ROOT

MODULE = "github.com/covetpy/covetpy/"
PROTOCOLS = ("http1", "http2", "http3", "websocket", "grpc")
EXCHANGE = frozenset({"libcovet/exchange"})
# A folder's own internal packages, which nobody else can import, may see all that their folder sees.
INTERNAL = "/internal/"
# What each package may import of this module; a package that is not named may import nothing of it.
ALLOWED = {
    "libcovet/uring": frozenset({"libcovet/netio/proactor"}),
    "libcovet/epoll": frozenset({"libcovet/netio/proactor"}),
    "libcovet/netio": frozenset({"libcovet/netio/proactor", "libcovet/uring", "libcovet/epoll", "libcovet/wheel"}),
    **{f"libcovet/{protocol}": EXCHANGE for protocol in PROTOCOLS},
    "libcovet/route": EXCHANGE,
    "libcovet/guard": EXCHANGE | {"libcovet/coding"},
    "libcovet/native": EXCHANGE,
    "bridge": EXCHANGE,
}
SEES_ALL = frozenset({"libcovet", "libcovet/engine"})


def packages() -> dict[str, frozenset[str]]:
    """Every Go package of the project with all that it imports, tests left out."""
    listed = subprocess.run(
        ["go", "list", "-json=ImportPath,Imports", "./..."],
        cwd=ROOT,
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    decoder, found, position = json.JSONDecoder(), {}, 0
    while position < len(listed):
        package, end = decoder.raw_decode(listed, position)
        found[package["ImportPath"].removeprefix(MODULE)] = frozenset(package.get("Imports", ()))
        position = end + len(listed[end:]) - len(listed[end:].lstrip())
    return found


def forbidden(imports: dict[str, frozenset[str]]) -> Iterator[str]:
    """Each import that points the wrong way, in words."""
    for package, imported in imports.items():
        own = {name.removeprefix(MODULE) for name in imported if name.startswith(MODULE)}
        room, internal, _ = package.partition(INTERNAL)
        allowed = frozenset(imports) - {"libcovet"} if package in SEES_ALL else ALLOWED.get(room, frozenset())
        if internal:
            allowed |= {room}
        yield from (f"{package} imports {name}" for name in sorted(own - allowed) if INTERNAL not in name)
        if package != "libcovet/uring":
            yield from (f"{package} knows giouring" for name in imported if name.endswith("/giouring"))


def test_imports_point_one_way() -> None:
    imports = packages()
    assert "libcovet/exchange" in imports
    assert list(forbidden(imports)) == []


@pytest.mark.parametrize(
    ("package", "imported"),
    [
        ("libcovet/exchange", MODULE + "libcovet/route"),
        ("libcovet/http1", MODULE + "libcovet/netio"),
        ("bridge", MODULE + "libcovet/engine"),
        ("libcovet/engine", MODULE + "libcovet"),
        ("libcovet/netio", "github.com/pawelgaczynski/giouring"),
    ],
)
def test_a_wrong_import_is_noticed(package: str, imported: str) -> None:
    assert len(list(forbidden({package: frozenset({imported}), "libcovet": frozenset()}))) == 1
