"""Dependencies of every kind: what Depends gives has the type that the dependency gives."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, assert_type

from covet import APIRouter, CovetPy, Depends, Header, HTTPException, Inject, Request, Security
from covet.security import SecurityScopes


class Database:
    def name_of(self, key: int) -> str:
        return f"user {key}"


class Page:
    def __init__(self, page: int = 1, size: int = 10) -> None:
        self.first = (page - 1) * size


class Checker:
    def __init__(self, role: str) -> None:
        self.role = role

    def __call__(self, x_role: Annotated[str, Header()] = "") -> bool:
        return x_role == self.role


async def coroutine() -> Database:
    return Database()


def function() -> Database:
    return Database()


async def async_generator() -> AsyncGenerator[Database, None]:
    yield Database()


async def async_iterator() -> AsyncIterator[Database]:
    yield Database()


def generator() -> Generator[Database, None, None]:
    yield Database()


def iterator() -> Iterator[Database]:
    yield Database()


def optional(request: Request) -> Database | None:
    return None if request.url.path == "/" else Database()


def rows() -> list[int]:
    return [1]


async def scopes(security_scopes: SecurityScopes) -> str:
    return security_scopes.scope_str


assert_type(Depends(coroutine), Database)
assert_type(Depends(function), Database)
assert_type(Depends(async_generator), Database)
assert_type(Depends(async_iterator), Database)
assert_type(Depends(generator), Database)
assert_type(Depends(iterator), Database)
assert_type(Depends(optional), Database | None)
assert_type(Depends(rows), list[int])
assert_type(Depends(Page), Page)
assert_type(Depends(Checker("admin")), bool)
assert_type(Depends(coroutine, use_cache=False, scope="function", max_concurrency=4), Database)
assert_type(Security(scopes, scopes=["a"]), str)
assert_type(Security(async_iterator), Database)

User = Annotated[str, Security(scopes, scopes=["items:read"])]
Db = Annotated[Database, Depends(async_iterator)]


@asynccontextmanager
async def lifespan(app: CovetPy) -> AsyncGenerator[dict[str, Any]]:
    app.state.database = Database()
    yield {"database": app.state.database}


app = CovetPy(lifespan=lifespan, dependencies=[Depends(Checker("user"))])
router = APIRouter(dependencies=[Depends(Checker("admin"))])


@app.get("/defaults")
async def defaults(
    first: Database = Depends(coroutine),
    second: Database = Depends(async_generator),
    third: Database = Depends(iterator),
    page: Page = Depends(Page),
    checked: bool = Depends(Checker("admin")),
    token: str = Security(scopes, scopes=["items"]),
) -> str:
    if not checked:
        raise HTTPException(403, detail={"role": "admin"}, headers={"x-token": token})
    return first.name_of(page.first) + second.name_of(2) + third.name_of(3)


@router.get("/annotated")
async def annotated(db: Db, user: User, page: Annotated[Page, Depends()]) -> str:
    assert_type(db, Database)
    assert_type(user, str)
    assert_type(page, Page)
    return db.name_of(page.first)


@app.get("/injected")
async def injected(page: Inject[Page]) -> int:
    assert_type(page, Page)
    assert_type(page.first, int)
    return page.first


app.include_router(router)
app.dependency_overrides[coroutine] = function
app.dependency_overrides[async_iterator] = lambda: Database()
