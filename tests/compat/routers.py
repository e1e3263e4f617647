"""Routers within routers, mounted applications, and routes of a class of one's own."""

# ruff: noqa: B008
from typing import Annotated, Any


def build(fw: Any) -> Any:
    Depends, APIRouter = fw.Depends, fw.APIRouter
    seen: list[str] = []

    def note(name: str) -> Any:
        async def dependency():
            seen.append(name)

        return Depends(dependency)

    class Timed(fw.APIRoute):
        def get_route_handler(self) -> Any:
            original = super().get_route_handler()

            async def handler(request: fw.Request) -> Any:
                response = await original(request)
                response.headers["x-process"] = f"timed {request.url.path}"
                return response

            return handler

    class Logged(fw.APIRoute):
        def get_route_handler(self) -> Any:
            original = super().get_route_handler()

            async def handler(request: fw.Request) -> Any:
                try:
                    return await original(request)
                except fw.RequestValidationError as error:
                    body = await request.body()
                    raise fw.HTTPException(422, {"errors": len(error.errors()), "body": body.decode()}) from None

            return handler

    app = fw.FastAPI(dependencies=[note("app")], root_path="")
    users = APIRouter(prefix="/users", tags=["users"], dependencies=[note("users")])
    items = APIRouter(prefix="/items", default_response_class=fw.PlainTextResponse)
    inner = APIRouter()
    timed = APIRouter(route_class=Timed)
    logged = APIRouter(route_class=Logged)
    sub = fw.FastAPI()

    @app.get("/")
    async def root():
        return "root"

    @app.get("/seen")
    async def seen_():
        found = list(seen)
        seen.clear()
        return found

    @users.get("")
    async def all_users():
        return ["all"]

    @users.get("/")
    async def all_users_slash():
        return ["slash"]

    @users.get("/me", dependencies=[note("me")])
    async def me():
        return "me"

    @users.get("/{user_id}")
    async def one_user(user_id: int):
        return user_id

    @users.post("/{user_id}/items", status_code=201, name="add")
    async def add(user_id: int, name: Annotated[str, fw.Body(embed=True)]):
        return {"user": user_id, "name": name}

    @items.get("/{item_id}")
    async def one_item(item_id: str):
        return f"item {item_id}"

    @items.get("/{item_id}/json", response_class=fw.JSONResponse)
    async def one_item_json(item_id: str):
        return {"item": item_id}

    @inner.get("/deep/{x}")
    async def deep(x: float, request: fw.Request):
        return [x, request.url.path]

    @timed.get("/timed")
    async def timed_():
        return {"timed": True}

    @timed.get("/timed-sync/{n}")
    def timed_sync(n: int, q: int = Depends(lambda: 4)):
        return {"n": n, "q": q}

    @logged.post("/logged")
    async def logged_(numbers: list[int] = fw.Body()):
        return sum(numbers)

    @sub.get("/hello/{name}")
    async def hello(name: str, request: fw.Request):
        return {"name": name, "root": request.scope.get("root_path"), "url": str(request.url), "path": request.url.path}

    @sub.get("/fail")
    async def fail():
        raise fw.HTTPException(409, "in the sub-application")

    items.include_router(inner, prefix="/inner", tags=["inner"])
    users.include_router(items, prefix="/{user_id}", dependencies=[note("items in users")])
    app.include_router(users)
    app.include_router(items, prefix="/shop", tags=["shop"], dependencies=[note("shop")])
    app.include_router(inner, prefix="/v1/{version}", responses={404: {"description": "none"}})
    app.include_router(timed)
    app.include_router(logged, prefix="/l")
    app.mount("/sub", sub)

    class Numbers:
        def __init__(self, start: int):
            self.start = start

        async def plus(self, n: int):
            return self.start + n

    app.add_api_route("/plus/{n}", Numbers(10).plus, methods=["GET", "POST"])

    @app.get("/urls")
    async def urls(request: fw.Request):
        return [str(request.url_for("one_user", user_id=3)), str(app.url_path_for("add", user_id=4))]

    return app


SEEN = ("/seen", {})
REQUESTS: list[tuple[str, dict[str, Any]]] = []
for _path in [
    "/",
    "/users",
    "/users/",
    "/users/me",
    "/users/7",
    "/users/x",
    "/users/3/items/ab",
    "/users/3/items/ab/json",
    "/users/3/items/inner/deep/1.5",
    "/users/3/items",
    "/shop/items/q",
    "/shop/items/q/json",
    "/shop/items/inner/deep/x",
    "/v1/2/deep/3",
    "/v1/deep/3",
    "/timed",
    "/timed-sync/4",
    "/timed-sync/x",
    "/sub/hello/ann",
    "/sub/hello/ann?q=1",
    "/sub/fail",
    "/sub/none",
    "/sub/",
    "/plus/5",
    "/plus/x",
    "/urls",
    "/nowhere",
]:
    REQUESTS += [(_path, {}), SEEN]
REQUESTS += [
    ("/users/3/items", {"method": "POST", "json": {"name": "n"}}),
    ("/users/3/items", {"method": "POST", "json": {}}),
    ("/users/3/items", {"method": "DELETE"}),
    ("/l/logged", {"method": "POST", "json": [1, 2]}),
    ("/l/logged", {"method": "POST", "json": ["a", "b"]}),
    ("/l/logged", {"method": "POST", "json": {}}),
    ("/plus/5", {"method": "POST"}),
    ("/sub/hello/x", {"method": "POST"}),
    SEEN,
]
