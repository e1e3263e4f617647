"""Security schemes take, refuse and describe what FastAPI's do."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import subprocess
import sys
from typing import Any

import fastapi.openapi.models
import fastapi.security
import pytest
from fastapi.encoders import jsonable_encoder
from starlette.requests import Request as StarletteRequest

import covet.security
import covet.security.models
from covet.datastructures import Headers, QueryParams
from covet.security.utils import get_authorization_scheme_param

SCHEMES: list[tuple[str, dict[str, Any]]] = [
    ("OAuth2PasswordBearer", {"tokenUrl": "token"}),
    ("OAuth2PasswordBearer", {"tokenUrl": "token", "refreshUrl": "again", "scopes": {"me": "Read me"}}),
    ("OAuth2AuthorizationCodeBearer", {"authorizationUrl": "allow", "tokenUrl": "token"}),
    ("OAuth2", {}),
    ("OAuth2", {"flows": {"implicit": {"authorizationUrl": "allow"}, "clientCredentials": {"tokenUrl": "token"}}}),
    ("OpenIdConnect", {"openIdConnectUrl": "/openid"}),
    ("HTTPBasic", {}),
    ("HTTPBasic", {"realm": "here"}),
    ("HTTPBearer", {}),
    ("HTTPBearer", {"bearerFormat": "JWT"}),
    ("HTTPDigest", {}),
    ("APIKeyHeader", {"name": "X-Key"}),
    ("APIKeyQuery", {"name": "key"}),
    ("APIKeyCookie", {"name": "key"}),
]
COMMON: list[dict[str, Any]] = [
    {},
    {"auto_error": False},
    {"scheme_name": "Mine", "description": "What it is"},
]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


REQUESTS: list[tuple[dict[str, str], str]] = [
    ({}, ""),
    ({"authorization": ""}, ""),
    ({"authorization": "Bearer"}, ""),
    ({"authorization": "Bearer "}, ""),
    ({"authorization": "Bearer  some token "}, ""),
    ({"authorization": "bearer token"}, ""),
    ({"authorization": "Digest username=me"}, ""),
    ({"authorization": f"Basic {encoded('me:secret')}"}, ""),
    ({"authorization": f"BASIC {encoded('me:se:cret')}"}, ""),
    ({"authorization": f"Basic {encoded('me')}"}, ""),
    ({"authorization": f"Basic {encoded('mé:secret')}"}, ""),
    ({"authorization": "Basic not-base64!"}, ""),
    ({"authorization": "Basic"}, ""),
    ({"x-key": "secret"}, ""),
    ({"x-key": ""}, ""),
    ({}, "key=secret&other=1"),
    ({}, "key="),
    ({"cookie": "key=secret; other=1"}, ""),
    ({"cookie": "other=1"}, ""),
]


class Connection:
    """The parts of a request that schemes look at."""

    def __init__(self, headers: dict[str, str], query: str) -> None:
        self.headers = Headers(headers)
        self.query_params = QueryParams(query)
        from covet.requests import parse_cookies

        self.cookies = parse_cookies(headers.get("cookie", ""))


def starlette_request(headers: dict[str, str], query: str) -> StarletteRequest:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return StarletteRequest({"type": "http", "headers": raw, "query_string": query.encode()})


def outcome(scheme: Any, request: Any) -> Any:
    """What the scheme gives, or how it refuses."""
    try:
        value = asyncio.run(scheme(request))
    except Exception as error:
        refused: Any = error
        return "HTTPException", refused.status_code, refused.detail, dict(refused.headers)
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)  # type: ignore[arg-type]
    return value.model_dump() if hasattr(value, "model_dump") else value


@pytest.mark.parametrize("common", COMMON)
@pytest.mark.parametrize(("name", "options"), SCHEMES)
def test_they_do_what_fastapis_do(name: str, options: dict[str, Any], common: dict[str, Any]) -> None:
    ours = getattr(covet.security, name)(**options, **common)
    theirs = getattr(fastapi.security, name)(**options, **common)
    given = [outcome(ours, Connection(*request)) for request in REQUESTS]
    assert given == [outcome(theirs, starlette_request(*request)) for request in REQUESTS]
    assert len({str(each) for each in given}) > 1  # some requests are let in, or not all are
    assert ours.scheme_name == theirs.scheme_name
    document = jsonable_encoder(theirs.model, by_alias=True, exclude_none=True)
    assert list(ours.model.openapi().items()) == list(document.items())


def test_a_scheme_of_ones_own() -> None:
    class Mine(covet.security.HTTPBearer):
        def make_not_authenticated_error(self) -> covet.HTTPException:
            return covet.HTTPException(403, "Go away")

    with pytest.raises(covet.HTTPException) as refused:
        asyncio.run(Mine()(Connection({}, "")))
    assert (refused.value.status_code, refused.value.detail) == (403, "Go away")
    assert Mine().scheme_name == "Mine"


def test_flows_given_as_models_of_dicts() -> None:
    ours = covet.security.models.OAuthFlows(password={"tokenUrl": "token", "scopes": {"a": "b"}})  # type: ignore[arg-type]
    theirs = fastapi.openapi.models.OAuthFlows(password={"tokenUrl": "token", "scopes": {"a": "b"}})  # type: ignore[arg-type]
    assert ours.openapi() == jsonable_encoder(theirs, exclude_none=True)
    with pytest.raises(TypeError, match="tokenUrl"):
        covet.security.models.OAuthFlows(password={})  # type: ignore[arg-type]


def test_scopes() -> None:
    assert (covet.security.SecurityScopes().scopes, covet.security.SecurityScopes().scope_str) == ([], "")
    assert covet.security.SecurityScopes(["a", "b:c"]).scope_str == "a b:c"


def test_the_authorization_field() -> None:
    for value in (None, "", "Bearer", "Bearer a b", "Bearer   a "):
        assert get_authorization_scheme_param(value) == fastapi.security.utils.get_authorization_scheme_param(value)


def test_schemes_do_not_load_pydantic() -> None:
    names = "HTTPBasic, OAuth2PasswordBearer, APIKeyHeader, OpenIdConnect, SecurityScopes"
    code = f"import sys; from covet.security import {names}; print('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
    with pytest.raises(AttributeError, match="nonsense"):
        _ = covet.security.nonsense
