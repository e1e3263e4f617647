"""Schemes as dependencies: the same applications under FastAPI and CovetPy."""

from __future__ import annotations

import base64
from types import ModuleType
from typing import Any

import fastapi
import fastapi.security
import pytest

import covet
import covet.security
from covet.testclient import TestClient

PLACES = ((covet, covet.security), (fastapi, fastapi.security))


def application(framework: Any, security: ModuleType) -> Any:
    app = (framework.CovetPy if framework is covet else framework.FastAPI)()
    s: Any = security
    schemes = {
        "basic": s.HTTPBasic(realm="here"),
        "bearer": s.HTTPBearer(),
        "digest": s.HTTPDigest(),
        "password": s.OAuth2PasswordBearer(tokenUrl="token"),
        "code": s.OAuth2AuthorizationCodeBearer(authorizationUrl="allow", tokenUrl="token"),
        "header": s.APIKeyHeader(name="X-Key"),
        "query": s.APIKeyQuery(name="key"),
        "cookie": s.APIKeyCookie(name="key"),
        "optional": s.HTTPBearer(auto_error=False),
    }
    wanted = {name: framework.Depends(scheme) for name, scheme in schemes.items()}
    for name in schemes:

        async def root(credentials: Any = wanted[name]) -> Any:
            return credentials if credentials is None or isinstance(credentials, str) else vars(credentials)

        app.get(f"/{name}")(root)

    def scoped(scopes, token=wanted["password"]):  # type: ignore[no-untyped-def]
        return [token, scopes.scopes, scopes.scope_str]

    scoped.__annotations__ = {"scopes": s.SecurityScopes, "token": str}

    inner = framework.Security(scoped, scopes=["inner"])

    def user(found: Any = inner) -> Any:
        return found

    outer = framework.Security(user, scopes=["outer", "third"])

    async def nested(found: Any = outer) -> Any:
        return found

    app.get("/nested")(nested)
    return app


REQUESTS: list[dict[str, Any]] = [
    {},
    {"headers": {"Authorization": "Bearer token"}},
    {"headers": {"Authorization": "Digest x"}},
    {"headers": {"Authorization": "Basic " + base64.b64encode(b"me:secret").decode()}},
    {"headers": {"Authorization": "Basic ?"}},
    {"headers": {"X-Key": "k", "Cookie": "key=c"}, "params": {"key": "q"}},
]
PATHS = ("basic", "bearer", "digest", "password", "code", "header", "query", "cookie", "optional", "nested")


@pytest.mark.parametrize("path", PATHS)
def test_the_answers_are_fastapis(path: str) -> None:
    found = []
    for place in PLACES:
        with TestClient(application(*place)) as client:
            answers = [client.get(f"/{path}", **request) for request in REQUESTS]
            found.append([(each.status_code, each.content, each.headers.get("www-authenticate")) for each in answers])
    assert found[0] == found[1]
    assert {200} <= {each[0] for each in found[0]}
