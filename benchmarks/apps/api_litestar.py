# mypy: disable-error-code="import-not-found, untyped-decorator"
from typing import Annotated, Any

from api_models import TOKENS, USERS, Order, Receipt, User, UserIn, receipt
from litestar import Litestar, delete, get, post, put
from litestar.connection import Request
from litestar.di import Provide
from litestar.exceptions import NotAuthorizedException
from litestar.params import Parameter


async def current_user(request: Request[Any, Any, Any]) -> User:
    number = TOKENS.get(request.headers.get("authorization", "").removeprefix("Bearer "))
    if number is None:
        raise NotAuthorizedException("Not signed in")
    return USERS[number]


@get("/me")
async def me(user: User) -> User:
    return user


@get("/users")
async def users(user: User, limit: Annotated[int, Parameter(ge=1, le=50)] = 10, offset: int = 0) -> list[User]:
    return USERS[offset : offset + limit]


@get("/users/{user_id:int}")
async def one(user: User, user_id: int) -> User:
    return USERS[user_id]


@post("/users")
async def add(user: User, data: UserIn) -> User:
    return User(id=99, **data.model_dump())


@put("/users/{user_id:int}")
async def change(user: User, user_id: int, data: UserIn) -> User:
    return User(id=user_id, **data.model_dump())


@delete("/users/{user_id:int}")
async def remove(user: User, user_id: int) -> None:
    return None


@get("/items/{item_id:int}")
async def item(user: User, item_id: int, q: str | None = None) -> dict[str, Any]:
    return {"item_id": item_id, "q": q, "by": user.id}


@post("/orders", status_code=200)
async def order(user: User, data: Order) -> Receipt:
    return receipt(data)


@get("/search")
async def search(user: User, q: str, tag: list[str]) -> dict[str, Any]:
    return {"q": q, "tags": tag, "found": []}


@get("/stats")
async def stats(user: User) -> dict[str, int]:
    return {"users": len(USERS), "orders": 0}


app = Litestar(
    [me, users, one, add, change, remove, item, order, search, stats],
    dependencies={"user": Provide(current_user)},
    openapi_config=None,
)
