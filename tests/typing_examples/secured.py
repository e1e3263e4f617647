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
    OAuth2AuthorizationCodeBearer,
    OAuth2PasswordBearer,
    SecurityScopes,
)

oauth2 = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "Read me"})
code = OAuth2AuthorizationCodeBearer(authorizationUrl="authorize", tokenUrl="token")
basic = HTTPBasic(realm="typed")
bearer = HTTPBearer(auto_error=False)
header = APIKeyHeader(name="X-Key")
query = APIKeyQuery(name="key")
cookie = APIKeyCookie(name="key", auto_error=False)

app = CovetPy()
router = APIRouter(dependencies=[Security(header, scopes=["keys"])])


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


app.include_router(router)
