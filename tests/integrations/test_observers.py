"""OpenTelemetry's and Sentry's ASGI middleware, added to an application and put around it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .support import client_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"

# ---- OpenTelemetry ----------------------------------------------------------------------------


def spans_of(client: httpx.Client, trace: str | None = None) -> dict[str, dict[str, Any]]:
    """The spans so far, or those of one trace, by name."""
    return {each["name"]: each for each in client.get("/spans").json() if trace in (None, each["trace"])}


@pytest.mark.parametrize("app", ["traced:app", "traced:wrapped"])
def test_spans(app: str) -> None:
    with client_of(app) as client:
        answer = client.get("/items/5?q=1", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        assert answer.json() == TRACE
        found = spans_of(client, TRACE)
        server = next(each for each in found.values() if each["kind"] == "SERVER")
        assert server["parent"] == PARENT
        assert found["look up"]["parent"] == server["id"]
        assert server["attributes"]["http.status_code"] == 200
        assert server["attributes"]["http.target"] == "/items/5"
        assert client.get("/threaded").json() == "ok"
        threaded = spans_of(client)["in a thread"]
        assert threaded["parent"] is not None  # context variables reach threads
        assert client.get("/stream").text == "ab"
        assert client.get("/items/five").status_code == 422
        assert client.get("/nowhere").status_code == 404


@pytest.mark.parametrize("app", ["traced:app", "traced:wrapped"])
def test_the_span_of_an_exception(app: str) -> None:
    with client_of(app) as client:
        assert client.get("/broken").status_code == 500
        server = next(each for each in spans_of(client).values() if each["kind"] == "SERVER")
        assert server["status"] == "ERROR"


# ---- Sentry -----------------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["watched:app", "watched:wrapped"])
def test_events(app: str) -> None:
    with client_of(app) as client:
        assert client.get("/fine").json() == "fine"
        assert client.get("/refused").status_code == 403
        assert client.get("/broken/5", headers={"x-a": "b"}).status_code == 500
        sent = client.get("/sent").json()
    errors = [each for each in sent if each.get("type") != "transaction"]
    assert len(errors) == 1
    (error,) = errors
    thrown = error["exception"]["values"][-1]
    assert (thrown["type"], thrown["value"]) == ("LookupError", "nothing here")
    assert thrown["stacktrace"]["frames"][-1]["function"] == "broken"
    assert error["request"]["url"].endswith("/broken/5")
    assert error["request"]["headers"]["x-a"] == "b"
    assert error["tags"]["number"] == 5
    assert [crumb["message"] for crumb in error["breadcrumbs"]["values"]] == ["about to break"]
    transactions = [each for each in sent if each.get("type") == "transaction"]
    statuses = [each["contexts"]["trace"]["status"] for each in transactions]
    assert statuses[:3] == ["ok", "permission_denied", "internal_error"]
    assert error["contexts"]["trace"]["trace_id"] == transactions[2]["contexts"]["trace"]["trace_id"]
