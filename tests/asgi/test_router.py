"""The Python router finds what the engine's finds, for patterns and paths that nobody would think of."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from serving import served

from covet.asgi.router import Router, parse
from covet.routing import Route

SEED = 20260101
PIECES = ("a", "b", "ab", "1", "-", ".", "/", "/", "/a", "{int}", "{float}", "{uuid}", "{str}", "{str}", "{path}")
TEXTS = ("a", "b", "ab", "1", "23", "-", ".", "1.5", "/", "/", "/a", "%2F", "%61", "%C3%A9", "0" * 32, "00000000-" * 4)
APP = """
import json
from covet import CovetPy, Request
app = CovetPy()
def add(number, method, path):
    async def handler(request: Request):
        return [number, list(request.path_params.values())]
    app.add_route(path, handler, [method])
for number, (method, path) in enumerate(json.loads(open(__file__[:-3] + ".json").read()), 1):
    add(number, method, path)
"""


def pattern(source: random.Random) -> str:
    path = source.choice(("/a", "/b", "/{first}/", "/1", "/{first:int}", "/a/b"))  # not everything matches
    for number in range(source.randint(0, 5)):
        piece = source.choice(PIECES)
        path += f"{{p{number}:{piece[1:]}" if piece.startswith("{") else piece
    return path


def values(route: Route, params: Sequence[str]) -> list[Any]:
    """What `path_params` has for them, in JSON."""
    convert = route.converters()
    made = [convert.get(name, str)(text) for name, text in zip(route.param_names, params, strict=True)]
    return [value if isinstance(value, (int, float)) else str(value) for value in made]


def test_as_the_engine_matches(tmp_path: Path) -> None:
    source = random.Random(SEED)
    routes = [(source.choice(("GET", "GET", "POST")), pattern(source)) for _ in range(70)]
    paths = ["/" + "".join(source.choices(TEXTS, k=source.randint(0, 7))) for _ in range(1500)]
    (tmp_path / "made.py").write_text(APP, "utf-8")
    (tmp_path / "made.json").write_text(json.dumps(routes), "utf-8")
    declared = [Route(path, (method,)) for method, path in routes]
    router = Router(declared)
    outcomes = set()
    with served("made:app", app_dir=tmp_path) as server, socket.create_connection(("127.0.0.1", server.port), 20) as c:
        reader = c.makefile("rb")
        for path in paths:
            c.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            status = int(reader.readline().split()[1])
            fields = dict(line.rstrip().split(b": ", 1) for line in iter(reader.readline, b"\r\n"))
            body = reader.read(int(fields[b"content-length"]))
            match = router.lookup(path.encode(), "GET")
            outcomes.add(match.status)
            if status == 200:
                assert [match.route, values(declared[match.route - 1], match.params)] == json.loads(body), path
            else:
                assert match.status == status, path
                assert ", ".join(match.allow).encode() == fields.get(b"allow", b""), path
    assert outcomes == {0, 307, 404, 405}


@pytest.mark.parametrize("path", ["/{a", "/a}", "/{a:word}", "/{1}", "/{}"])
def test_paths_that_are_no_patterns(path: str) -> None:
    with pytest.raises(ValueError, match="the path"):
        parse(path)


def test_a_path_that_almost_fits_takes_no_time() -> None:
    """A regular expression would take minutes; the suite's own limit is the measure."""
    router = Router([Route("/{a}-{b}-{c}-{d}.json", ("GET",)), Route("/x{n:int}{m:int}{p:path}y", ("GET",))])
    assert router.lookup(b"/" + b"-" * 20_000, "GET").status == 404
    assert router.lookup(b"/x" + b"1" * 20_000, "GET").status == 404


def test_thousands_of_routes_are_not_tried_one_by_one() -> None:
    router = Router([Route(f"/api/v1/kind{number}/{{item}}/end", ("GET",)) for number in range(2000)])
    tried = [pattern for patterns in router._root.along(b"/api/v1/kind1999/x/end") for pattern in patterns]
    assert [pattern.methods for pattern in tried] == [{"GET": 2000}]
    assert router.lookup(b"/api/v1/kind1999/x/end", "GET").route == 2000
    assert router.lookup(b"/api/v1/kind2000/x/end", "GET").status == 404
