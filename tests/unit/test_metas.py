"""Constraints written as `msgspec.Meta` hold, and are documented, whichever library validates."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from covet import CovetPy, Header
from covet.metas import for_pydantic
from covet.testclient import TestClient

Age = Annotated[int, msgspec.Meta(ge=18, le=99, description="In years")]
Word = Annotated[str, msgspec.Meta(pattern="^[a-z]+$", max_length=5)]


def plain(age: Age = 20, word: Word | None = None) -> dict[str, Any]:
    return {"age": age, "word": word}


# A header is not for the fast path: pydantic validates all parameters.
def validated(age: Age = 20, word: Word | None = None, agent: str = Header("a")) -> dict[str, Any]:
    return {"age": age, "word": word}


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = CovetPy()
    app.get("/plain")(plain)
    app.get("/validated")(validated)
    return TestClient(app)


@pytest.mark.parametrize("path", ["/plain", "/validated"])
@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("age=17", "greater_than_equal"),
        ("age=100", "less_than_equal"),
        ("word=ABC", "string_pattern_mismatch"),
        ("word=abcdef", "string_too_long"),
    ],
)
def test_they_hold(client: TestClient, path: str, query: str, kind: str) -> None:
    answer = client.get(f"{path}?{query}")
    assert (answer.status_code, [error["type"] for error in answer.json()["detail"]]) == (422, [kind])


@pytest.mark.parametrize("path", ["/plain", "/validated"])
def test_what_is_allowed(client: TestClient, path: str) -> None:
    assert client.get(f"{path}?age=18&word=abcde").json() == {"age": 18, "word": "abcde"}


@pytest.mark.parametrize("path", ["/plain", "/validated"])
def test_they_are_documented(client: TestClient, path: str) -> None:
    age, word, *_ = client.get("/openapi.json").json()["paths"][path]["get"]["parameters"]
    assert {key: age["schema"].get(key) for key in ("minimum", "maximum")} == {"minimum": 18, "maximum": 99}
    assert word["schema"]["anyOf"][0] == {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}


def test_they_are_found_at_any_depth() -> None:
    found = for_pydantic(dict[str, list[Annotated[int, msgspec.Meta(ge=1)] | None]])
    from pydantic import TypeAdapter, ValidationError

    adapter: TypeAdapter[Any] = TypeAdapter(found)
    assert adapter.validate_python({"a": [1, None]}) == {"a": [1, None]}
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        adapter.validate_python({"a": [0]})
    for untouched in (int, list[int], int | None, Annotated[int, "text"]):
        assert for_pydantic(untouched) is untouched
