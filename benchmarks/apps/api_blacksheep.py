# mypy: disable-error-code="import-not-found, untyped-decorator"
from typing import Any

from api_models import TOKENS, USERS, Order, Receipt, User, UserIn, receipt
from blacksheep import Application, FromJSON, FromQuery, Request, Response, delete, get, json, no_content, post, put
from blacksheep.exceptions import Unauthorized

app = Application()


def signed(request: Request) -> User:
    value = request.get_first_header(b"authorization") or b""
    number = TOKENS.get(value.decode().removeprefix("Bearer "))
    if number is None:
        raise Unauthorized("Not signed in")
    return USERS[number]


@get("/me")
async def me(request: Request) -> Any:
    return json(signed(request).model_dump())


@get("/users")
async def users(request: Request, limit: int = 10, offset: int = 0) -> Any:
    signed(request)
    return json([user.model_dump() for user in USERS[offset : offset + limit]])


@get("/users/{user_id}")
async def one(request: Request, user_id: int) -> Any:
    signed(request)
    return json(USERS[user_id].model_dump())


@post("/users")
async def add(request: Request, new: FromJSON[UserIn]) -> Response:
    signed(request)
    return json(User(id=99, **new.value.model_dump()).model_dump(), 201)


@put("/users/{user_id}")
async def change(request: Request, user_id: int, new: FromJSON[UserIn]) -> Any:
    signed(request)
    return json(User(id=user_id, **new.value.model_dump()).model_dump())


@delete("/users/{user_id}")
async def remove(request: Request, user_id: int) -> Response:
    signed(request)
    return no_content()


@get("/items/{item_id}")
async def item(request: Request, item_id: int, q: str = "") -> Any:
    return json({"item_id": item_id, "q": q, "by": signed(request).id})


@post("/orders")
async def order(request: Request, new: FromJSON[Order]) -> Any:
    signed(request)
    found: Receipt = receipt(new.value)
    return json(found.model_dump())


@get("/search")
async def search(request: Request, q: str, tag: FromQuery[list[str]]) -> Any:
    signed(request)
    return json({"q": q, "tags": tag.value, "found": []})


@get("/stats")
async def stats(request: Request) -> Any:
    signed(request)
    return json({"users": len(USERS), "orders": 0})
