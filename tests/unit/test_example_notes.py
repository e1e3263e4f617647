"""The example application, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serving import served

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with served("notes:app", app_dir=EXAMPLES) as server, httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


def test_a_notes_life(client: httpx.Client) -> None:
    answer = client.post("/notes", json={"title": "Tea", "text": "naïve", "tag": "shop"})
    assert (answer.status_code, answer.headers["location"]) == (201, "/notes/1")
    note = answer.json()
    assert client.get("/notes/1").json() == note
    assert (note["title"], note["text"], note["tag"]) == ("Tea", "naïve", "shop")
    changed = client.put("/notes/1", json={"title": "Coffee"}).json()
    assert (changed["id"], changed["title"], changed["text"], changed["tag"]) == (1, "Coffee", "", None)
    answer = client.delete("/notes/1")
    assert (answer.status_code, answer.content) == (204, b"")
    for answer in (client.get("/notes/1"), client.delete("/notes/1"), client.put("/notes/1", json={"title": "a"})):
        assert (answer.status_code, answer.json()) == (404, {"detail": "There is no note 1"})


def test_pages_and_the_export(client: httpx.Client) -> None:
    for number in range(1, 31):
        client.post("/notes", json={"title": f"Note {number}", "tag": "odd" if number % 2 else "even"})
    seen, after = [], 0
    while after is not None:
        page = client.get("/notes", params={"limit": 7, "after": after, "tag": "odd"}).json()
        seen += [note["id"] for note in page["notes"]]
        after = page["next"]
    assert seen == list(range(1, 31, 2))
    answer = client.get("/notes/export")
    assert answer.headers["content-type"] == "application/jsonl"
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == list(range(1, 31))


@pytest.mark.parametrize(
    ("body", "kind", "place", "message"),
    [
        (b"{", "json_invalid", ["body", 1], "JSON decode error"),
        (b"{}", "missing", ["body", "title"], "Field required"),
        (b'{"title":""}', "string_too_short", ["body", "title"], "String should have at least 1 character"),
        (b'{"title":"a","colour":"red"}', "extra_forbidden", ["body"], "Object contains unknown field 'colour'"),
    ],
)
def test_bad_notes(client: httpx.Client, body: bytes, kind: str, place: list[str | int], message: str) -> None:
    answer = client.post("/notes", content=body, headers={"content-type": "application/json"})
    (error,) = answer.json()["detail"]
    assert (answer.status_code, error["type"], error["loc"], error["msg"]) == (422, kind, place, message)


def test_what_is_refused_before_the_handler(client: httpx.Client) -> None:
    (error,) = client.get("/notes?limit=0").json()["detail"]
    assert (error["type"], error["loc"], error["ctx"]) == ("greater_than_equal", ["query", "limit"], {"ge": 1})
    assert client.get("/notes/x").status_code == 404
    for path in (f"/notes/{2**63}", f"/notes?after={2**63}"):  # more than SQLite can hold
        assert client.get(path).status_code == 422
    assert client.patch("/notes/1").headers["allow"] == "DELETE, GET, PUT"
    assert client.post("/notes", content=b"x" * (1 << 20 | 1)).status_code == 413
    assert client.get("/health").text == "ok"


def test_a_named_database_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_DATABASE", str(tmp_path / "notes.db"))
    with served("notes:app", app_dir=EXAMPLES) as server:
        httpx.post(server.url + "/notes", json={"title": "kept"})
    with served("notes:app", app_dir=EXAMPLES) as server:
        assert httpx.get(server.url + "/notes/1").json()["title"] == "kept"
