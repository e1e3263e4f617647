"""Handlers that are methods."""

from collections.abc import AsyncIterator
from typing import Annotated

from covet import CovetPy, Depends, Header, HTTPException
from covet.controllers import Controller, delete, get, post, route
from covet.testclient import TestClient


class Notes(Controller):
    prefix = "/notes"
    tags = ("notes",)

    def __init__(self) -> None:
        self.notes: dict[int, str] = {}

    @get()
    async def every(self) -> dict[int, str]:
        return self.notes

    @post("", status_code=201)
    async def add(self, text: str) -> int:
        self.notes[len(self.notes)] = text
        return len(self.notes) - 1

    @get("/{number}")
    def one(self, number: int) -> str:
        if number not in self.notes:
            raise HTTPException(404, "no such note")
        return self.notes[number]

    @delete("/{number}", status_code=204)
    @route("/{number}/remove", ["POST"], status_code=204)
    async def remove(self, number: int) -> None:
        self.notes.pop(number, None)


async def tenant(x_tenant: Annotated[str, Header()] = "none") -> AsyncIterator[str]:
    yield x_tenant.upper()


class PerRequest(Controller):
    prefix = "/mine"

    def __init__(self, name: Annotated[str, Depends(tenant)], limit: int = 3) -> None:
        self.name = name
        self.limit = limit

    @get("/{item}")
    async def look(self, item: int, extra: str = "x") -> list[object]:
        return [self.name, self.limit, item, extra]

    @get("/sync/{item}")
    def look_sync(self, item: int) -> list[object]:
        return [self.name, item]

    @get("/stream/all")
    async def stream(self) -> AsyncIterator[int]:
        yield self.limit
        yield self.limit + 1


class Derived(PerRequest):
    prefix = "/derived"

    @get("/{item}")
    async def look(self, item: int, extra: str = "derived") -> list[object]:
        return [item, extra]


def client() -> TestClient:
    app = CovetPy()
    app.include_router(Notes)
    app.include_router(PerRequest, prefix="/v1")
    app.include_router(Derived)
    return TestClient(app)


def test_one_object_serves_all_requests() -> None:
    notes = client()
    assert notes.post("/notes?text=a").json() == 0
    assert notes.post("/notes?text=b").status_code == 201
    assert notes.get("/notes").json() == {"0": "a", "1": "b"}
    assert notes.get("/notes/1").json() == "b"
    assert notes.delete("/notes/0").status_code == 204
    assert notes.post("/notes/1/remove").status_code == 204
    assert notes.get("/notes/0").json() == {"detail": "no such note"}
    assert notes.get("/notes/x").status_code == 422


def test_an_object_for_each_request() -> None:
    mine = client()
    assert mine.get("/v1/mine/5?limit=7", headers={"x-tenant": "a"}).json() == ["A", 7, 5, "x"]
    assert mine.get("/v1/mine/sync/5").json() == ["NONE", 5]
    assert mine.get("/v1/mine/stream/all?limit=1").text == "1\n2\n"
    errors = mine.get("/v1/mine/x?limit=y").json()["detail"]
    assert [error["loc"] for error in errors] == [["query", "limit"], ["path", "item"]]


def test_methods_can_be_overridden() -> None:
    assert client().get("/derived/5").json() == [5, "derived"]
    assert client().get("/derived/sync/5?limit=2").json() == ["NONE", 5]
