"""Security schemes and what they give."""

from typing import Annotated, assert_type

from covet import APIRouter, CovetPy, Depends, HTTPException, Security
from covet.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    HTTPDigest,
    OAuth2,
    OAuth2AuthorizationCodeBearer,
    OAuth2PasswordBearer,
    OpenIdConnect,
    SecurityScopes,
)
from covet.security.base import HTTPConnection

oauth2 = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "Read me"})
code = OAuth2AuthorizationCodeBearer(authorizationUrl="authorize", tokenUrl="token")
basic = HTTPBasic(realm="typed")
bearer = HTTPBearer(auto_error=False)
sure_bearer = HTTPBearer(auto_error=True)
digest_scheme = HTTPDigest()
header = APIKeyHeader(name="X-Key")
query = APIKeyQuery(name="key")
cookie = APIKeyCookie(name="key", auto_error=False)

app = CovetPy()
router = APIRouter(dependencies=[Security(header, scopes=["keys"])])


class CookieBearer(OAuth2):
    """One of one's own, as FastAPI's users write them."""

    def __init__(self, auto_error: bool = True) -> None:
        super().__init__(flows={"password": {"tokenUrl": "token", "scopes": {}}}, auto_error=auto_error)

    async def __call__(self, request: HTTPConnection) -> str | None:
        return request.cookies.get("token") or await super().__call__(request)


class Numbered(OAuth2PasswordBearer):
    async def __call__(self, request: HTTPConnection) -> int | None:
        return len(request.headers)


class User:
    def __init__(self, name: str, disabled: bool = False) -> None:
        self.name = name
        self.disabled = disabled


async def current_user(scopes: SecurityScopes, token: Annotated[str, Depends(oauth2)]) -> User:
    if not token:
        raise HTTPException(401, headers={"WWW-Authenticate": f'Bearer scope="{scopes.scope_str}"'})
    assert_type(scopes.scopes, list[str])
    return User(token)


async def active_user(user: Annotated[User, Security(current_user, scopes=["me"])]) -> User:
    if user.disabled:
        raise HTTPException(400, "Inactive user")
    return user


@app.get("/me")
async def me(user: Annotated[User, Depends(active_user)]) -> str:
    return user.name


@app.get("/basic")
def by_password(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]) -> str:
    assert_type(credentials.password, str)
    return credentials.username


@router.get("/bearer")
def by_token(found: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
    return found.credentials if found else ""


@router.get("/keys")
def by_key(
    first: Annotated[str | None, Depends(query)],
    second: Annotated[str | None, Depends(cookie)],
    third: Annotated[str | None, Depends(code)],
) -> list[str | None]:
    return [first, second, third]


@router.get("/defaults")
def by_defaults(
    token: str = Depends(oauth2),
    maybe: str | None = Depends(OAuth2PasswordBearer(tokenUrl="token", auto_error=False)),
    granted: str = Security(code, scopes=["me"]),
    user: HTTPBasicCredentials = Depends(basic),
    found: HTTPAuthorizationCredentials | None = Depends(bearer),
    sure: HTTPAuthorizationCredentials = Depends(sure_bearer),
    digest: HTTPAuthorizationCredentials = Depends(digest_scheme),
    key: str = Depends(header),
    crumb: str | None = Depends(cookie),
    field: str = Depends(OpenIdConnect(openIdConnectUrl="metadata")),
    flow: str = Depends(OAuth2(flows={})),
    own: int | None = Depends(Numbered("token")),
    cookie_or_header: str | None = Depends(CookieBearer()),
) -> list[str | None]:
    assert_type(oauth2, OAuth2PasswordBearer[str])
    assert_type(bearer, HTTPBearer[HTTPAuthorizationCredentials | None])
    return [token, maybe, granted, user.username, sure.scheme, digest.scheme, key, crumb, field, flow, cookie_or_header]


app.include_router(router)
