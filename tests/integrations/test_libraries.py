"""scikit-learn in threads, prometheus_client's metrics, Strawberry's GraphQL, Mangum's events."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from mangum import Mangum
from sklearn.datasets import load_iris
from websockets.sync.client import connect

from covet import CovetPy, HTTPException, Request

from .support import client_of

# ---- scikit-learn -----------------------------------------------------------------------------


def test_predictions() -> None:
    data = load_iris()
    rows = {"rows": data.data[::10].tolist()}
    expected = [str(data.target_names[number]) for number in data.target[::10]]
    with client_of("flowers:app") as client:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.post("/predict", json=rows).json(), range(40)))
        right = sum(found == wanted for found, wanted in zip(answers[0], expected, strict=True))
        assert right / len(expected) > 0.9
        assert all(answer == answers[0] for answer in answers)
        sums = [sum(each) for each in client.post("/probabilities", json=rows).json()]
        assert sums == pytest.approx([1.0] * len(sums))
        assert client.post("/predict", json={"rows": [[1, 2]]}).status_code == 422


# ---- prometheus_client ------------------------------------------------------------------------


def metric(text: str, name: str) -> float:
    """The value of a metric in the text form."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("workers", [1, 2])
def test_metrics(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if workers > 1:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with client_of("measured:app", "--workers", str(workers)) as client:
        for pieces in range(1, 31):
            client.post("/orders/tea", params={"pieces": pieces}, headers={"connection": "close"})
        client.post("/orders/coffee", params={"pieces": 5})
        answer = client.get("/metrics/")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert metric(answer.text, 'shop_orders_total{kind="tea"}') == 30
    assert metric(answer.text, 'shop_orders_total{kind="coffee"}') == 1
    assert metric(answer.text, 'shop_order_size_bucket{le="10.0"}') == 11
    assert metric(answer.text, "shop_order_size_sum") == sum(range(1, 31)) + 5


# ---- Strawberry -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def books() -> Iterator[httpx.Client]:
    with client_of("books:app") as client:
        yield client


def ask(client: httpx.Client, query: str, headers: dict[str, str] | None = None, **variables: Any) -> Any:
    answer = client.post("/graphql/", json={"query": query, "variables": variables}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_graphql(books: httpx.Client) -> None:
    added = ask(books, 'mutation($y: Int!) { add(title: "Dubliners", year: $y) { title } }', y=1914)
    assert added["data"] == {"add": {"title": "Dubliners"}}
    found = ask(books, "{ books(since: 1900) { title year } user }", {"x-user": "ada"})
    assert found["data"] == {"books": [{"title": "Dubliners", "year": 1914}], "user": "ada"}
    wrong = ask(books, "{ nothing }")
    assert "Cannot query field 'nothing'" in wrong["errors"][0]["message"]
    assert books.get("/").json() == "books"
    assert books.post("/graph", json={"query": "{ user }"}).json()["data"] == {"user": "nobody"}


def test_graphiql(books: httpx.Client) -> None:
    page = books.get("/graphql/", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "GraphiQL" in page.text


def test_graphql_over_a_websocket(books: httpx.Client) -> None:
    address = str(books.base_url.join("/graphql/")).replace("http", "ws", 1)
    with connect(address, subprotocols=["graphql-transport-ws"]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(20)) == {"type": "connection_ack"}
        query = {"query": "subscription { count(to: 3) }"}
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": query}))
        messages = [json.loads(socket.recv(20)) for _ in range(4)]
    assert [each["payload"]["data"]["count"] for each in messages[:3]] == [0, 1, 2]
    assert messages[3] == {"id": "1", "type": "complete"}


# ---- Mangum -----------------------------------------------------------------------------------


def event(method: str, path: str, query: str = "", body: str | None = None, **headers: str) -> dict[str, Any]:
    """A request as AWS' HTTP API gives it to a function (payload format 2.0)."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "api.example.com", **headers},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def test_lambda_events() -> None:
    stages: list[str] = []
    app = CovetPy(on_startup=[lambda: stages.append("up")], on_shutdown=[lambda: stages.append("down")])

    @app.post("/items/{item_id}", status_code=201)
    async def add(request: Request, item_id: int, q: str) -> dict[str, Any]:
        if q == "no":
            raise HTTPException(403, "no")
        client = request.client
        return {"id": item_id, "q": q, "body": await request.json(), "client": client and client.host}

    handler = Mangum(app, lifespan="auto")
    made = handler(event("POST", "/items/5", "q=%C3%A4", '{"a":1}', **{"content-type": "application/json"}), {})
    assert made["statusCode"] == 201
    assert json.loads(made["body"]) == {"id": 5, "q": "ä", "body": {"a": 1}, "client": "192.0.2.1"}
    assert handler(event("POST", "/items/5", "q=no"), {})["statusCode"] == 403
    assert handler(event("POST", "/items/five", "q="), {})["statusCode"] == 422
    assert json.loads(handler(event("GET", "/nowhere"), {})["body"]) == {"detail": "Not Found"}
    assert stages[:2] == ["up", "down"]
