"""The API for FastAPI and for whatever takes the same names."""

# mypy: disable-error-code="untyped-decorator"
from collections.abc import AsyncIterator
from typing import Annotated, Any

from api_models import TOKENS, USERS, Order, Receipt, User, UserIn, receipt

CHUNK = b"x" * 16384


def build(fw: Any, streaming: Any) -> Any:
    """The application.

    Args:
        fw: a module with FastAPI's names.
        streaming: its StreamingResponse.
    """
    app = fw.FastAPI()
    Depends, Header, HTTPException, Query = fw.Depends, fw.Header, fw.HTTPException, fw.Query

    async def rate(x_rate: Annotated[float, Header()] = 1.1) -> float:
        return x_rate

    async def current_user(authorization: Annotated[str, Header()] = "") -> User:
        number = TOKENS.get(authorization.removeprefix("Bearer "))
        if number is None:
            raise HTTPException(401, "Not signed in")
        return USERS[number]

    Signed = Annotated[User, Depends(current_user)]

    @app.post("/priced", response_model=Receipt)
    async def priced(order: Order, factor: Annotated[float, Depends(rate)]) -> Any:
        return {"customer": order.customer, "lines": len(order.lines), "total": order.lines[0].price * factor}

    @app.get("/me")
    async def me(user: Signed) -> User:
        return user

    @app.get("/users")
    async def users(user: Signed, limit: Annotated[int, Query(ge=1, le=50)] = 10, offset: int = 0) -> list[User]:
        return USERS[offset : offset + limit]

    @app.get("/users/{user_id}")
    async def one(user: Signed, user_id: int) -> User:
        return USERS[user_id]

    @app.post("/users", status_code=201)
    async def add(user: Signed, new: UserIn) -> User:
        return User(id=99, **new.model_dump())

    @app.put("/users/{user_id}")
    async def change(user: Signed, user_id: int, new: UserIn) -> User:
        return User(id=user_id, **new.model_dump())

    @app.delete("/users/{user_id}", status_code=204)
    async def remove(user: Signed, user_id: int) -> None:
        return None

    @app.get("/items/{item_id}")
    async def item(user: Signed, item_id: int, q: str | None = None) -> dict[str, Any]:
        return {"item_id": item_id, "q": q, "by": user.id}

    @app.post("/orders")
    async def order(user: Signed, order: Order) -> Receipt:
        return receipt(order)

    @app.get("/search")
    async def search(user: Signed, q: str, tag: Annotated[list[str], Query()]) -> dict[str, Any]:
        return {"q": q, "tags": tag, "found": []}

    @app.get("/stats")
    async def stats(user: Signed) -> dict[str, int]:
        return {"users": len(USERS), "orders": 0}

    @app.get("/stream")
    async def stream() -> Any:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield CHUNK

        return streaming(chunks(), media_type="application/octet-stream")

    @app.post("/upload")
    async def upload(request: fw.Request) -> dict[str, int]:
        total = 0
        async for chunk in request.stream():
            total += len(chunk)
        return {"bytes": total}

    return app
