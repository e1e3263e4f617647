"""Converters of one's own for parameters of paths."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import served
from starlette.convertors import Convertor as StarletteConvertor
from starlette.convertors import register_url_convertor as register_with_starlette
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from covet import CovetPy, Request, WebSocket
from covet.convertors import Convertor, register_url_convertor
from covet.exceptions import DeclarationError
from covet.testclient import TestClient, WebSocketDenialResponse

HERE = Path(__file__)
MODULE = f"""
import sys

sys.path[:0] = [{str(HERE.parents[1])!r}, {str(HERE.parent)!r}]

from test_convertors import app
"""


class DayConvertor(Convertor[date]):
    regex = "[0-9]{8}"

    def convert(self, value: str) -> date:
        return datetime.strptime(value, "%Y%m%d").date()

    def to_string(self, value: date) -> str:
        return value.strftime("%Y%m%d")


class Upper(StarletteConvertor[str]):
    regex = "[A-Z]+"

    def convert(self, value: str) -> str:
        return value.lower()

    def to_string(self, value: str) -> str:
        return value.upper()


register_url_convertor("day", DayConvertor())
register_with_starlette("upper", Upper())
app, sub = CovetPy(), CovetPy()


@app.get("/days/{day:day}", name="day")
async def one_day(day: date, request: Request) -> list[Any]:
    return [day.isoformat(), type(request.path_params["day"]).__name__, request.url_for("day", day=day).path]


@app.get("/pieces/{day:day}-{n:int}.{word:upper}")
def pieces(day: date, n: int, word: str) -> list[Any]:
    return [day.isoformat(), n, word]


@app.post("/days/{day:day}")
async def without_parameters() -> str:
    return "posted"


@app.websocket("/socket/{day:day}")
async def socket(websocket: WebSocket, day: date) -> None:
    await websocket.accept()
    await websocket.send_text(repr(day))
    await websocket.close()


@sub.get("/x")
async def x(request: Request) -> list[Any]:
    return [request.path_params["day"].year, request.scope["root_path"]]


app.mount("/below/{day:day}", sub, name="below")
FOUND = {
    "/days/20240229": ["2024-02-29", "date", "/days/20240229"],
    "/pieces/20240229-7.WORD": ["2024-02-29", 7, "word"],
    "/below/20240229/x": [2024, "/below/20240229"],
}
NOT_FOUND = ("/days/2024022", "/days/20240230", "/days/x", "/pieces/20240229-7.word", "/pieces/x-7.A", "/below/x/x")


def test_over_asgi() -> None:
    client = TestClient(app)
    for path, expected in FOUND.items():
        assert client.get(path).json() == expected
    for path in NOT_FOUND:
        assert (client.get(path).status_code, client.get(path).json()) == (404, {"detail": "Not Found"})
    assert client.post("/days/20240229").json() == "posted"
    assert client.post("/days/20240230").status_code == 404
    assert app.url_path_for("below:x", day=date(2024, 2, 29)) == "/below/20240229/x"
    with client.websocket_connect("/socket/20240229") as connected:
        assert connected.receive_text() == "datetime.date(2024, 2, 29)"
    with pytest.raises(WebSocketDenialResponse) as refused, client.websocket_connect("/socket/x"):
        pass
    assert refused.value.status_code == 404


def test_behind_the_engine(tmp_path: Path) -> None:
    (tmp_path / "with_convertors.py").write_text(MODULE)
    with served("with_convertors:app", app_dir=tmp_path) as server:
        for path, expected in FOUND.items():
            assert httpx.get(server.url + path).json() == expected
        for path in NOT_FOUND:
            found = httpx.get(server.url + path)
            assert (found.status_code, found.json()) == (404, {"detail": "Not Found"})
        base = server.url.replace("http", "ws")
        with connect(base + "/socket/20240229") as connected:
            assert connected.recv() == "datetime.date(2024, 2, 29)"
        with pytest.raises(InvalidStatus, match="404"):
            connect(base + "/socket/x")


def test_what_cannot_be_used() -> None:
    with pytest.raises(DeclarationError, match="unknown type 'nothing'"):
        CovetPy().get("/{x:nothing}")(one_day)
    for name in ("int", "path", "a b", ""):
        with pytest.raises(ValueError, match="cannot be called"):
            register_url_convertor(name, DayConvertor())


def test_the_document_and_tools() -> None:
    assert set(app.openapi()["paths"]) == {"/days/{day}", "/pieces/{day}-{n}.{word}"}
    route = app.routes[0]
    assert route.path_format == "/days/{day}"
    assert route.fits("/days/20240229")
    assert not route.fits("/days/x")
