"""Addresses and scopes within mounted applications: two levels, parameters in mounts, hosts, templates, middleware."""

from typing import Any

NAMES: list[tuple[str, dict[str, Any]]] = [
    ("root", {}),
    ("sub:inner", {"n": 7}),
    ("sub:deep:leaf", {}),
    ("sub:deep", {"path": "/x"}),
    ("sub", {"path": "any/thing"}),
    ("sub:static", {"path": "/a.css"}),
    ("static", {"path": "b.css"}),
    ("sub:ws", {}),
    ("top-ws", {}),
    ("shop:item", {"shop": "s1", "item": "i1"}),
    ("shop:sub", {"shop": "s1", "path": "x"}),
    ("numbered:item", {"number": 3, "item": 4}),
    ("unnamed", {"k": "k"}),
    ("later", {}),
    ("api:x", {"tenant": "t1"}),
    ("api", {"tenant": "t1", "path": "/any"}),
    ("api:below:leaf", {"tenant": "t1"}),
    ("fixed:x", {}),
    ("asgi", {"path": "x"}),
    ("single", {"name": "one"}),
    ("of-router", {}),
    ("listed:one", {}),
    ("nowhere", {}),
    ("sub:nowhere", {}),
    ("sub:inner", {}),
    ("root", {"too": "many"}),
]
MEMBERS = ("root_path", "app_root_path", "path")


class Outer:
    """A pure ASGI middleware, which tells what it finds in the scope once there is an answer."""

    def __init__(self, app: Any, told: list[Any]) -> None:
        self.app = app
        self.told = told

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
        if scope["type"] == "http" and not scope["path"].endswith("/told"):
            named = getattr(scope.get("endpoint"), "__name__", "an application")
            self.told.append([named, scope.get("path_params"), scope.get("root_path"), scope.get("app_root_path")])


def build(fw: Any, *, middleware: bool = False, hosts: bool = True) -> Any:
    Request = fw.Request
    app, sub, deep, shop = fw.FastAPI(), fw.FastAPI(), fw.FastAPI(), fw.FastAPI()
    numbered, unnamed, api, below = fw.FastAPI(), fw.FastAPI(), fw.FastAPI(), fw.FastAPI()
    router = fw.APIRouter()
    told: list[Any] = []

    import jinja2

    template = "{{ url_for('static', path='/a.css') }} {{ url_for('sub:inner', n=3) }} {{ url_for('root') }}"
    templates = fw.Jinja2Templates(env=jinja2.Environment(loader=jinja2.DictLoader({"t": template})))

    def facts(request: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, params in NAMES:
            try:
                found[f"{name} {sorted(params)}"] = str(request.url_for(name, **params))
            except Exception as error:
                found[f"{name} {sorted(params)}"] = f"{type(error).__name__}: {error}"
        scope = request.scope
        found |= {name: scope.get(name) for name in MEMBERS}
        found["url"], found["base"], found["params"] = str(request.url), str(request.base_url), request.path_params
        found["scope params"] = scope["path_params"]
        found["whose"] = [name for name, one in applications.items() if scope["app"] is one and request.app is one]
        found["router"] = scope["router"] is app.router
        found["route"] = [getattr(scope["route"], "path", None), scope["endpoint"].__name__]
        return found

    async def leaf(request: Request) -> Any:
        return facts(request)

    async def quiet() -> str:
        return "quiet"

    def leaf_in_a_thread(request: Request) -> Any:
        return facts(request)

    @app.get("/", name="root")
    def root(request: Request) -> Any:
        return facts(request)

    @app.get("/paths")
    async def paths() -> Any:
        found = []
        for name, params in NAMES:
            try:
                path = app.url_path_for(name, **params)
            except Exception as error:
                found.append(type(error).__name__)
            else:
                found.append([str(path), path.protocol, path.host])
        return found

    @app.get("/told")
    async def tell() -> Any:
        found = list(told)
        told.clear()
        return found

    sub.get("/inner/{n}", name="inner")(leaf)
    sub.get("/thread")(leaf_in_a_thread)

    @sub.get("/template")
    def page(request: Request) -> Any:
        return templates.TemplateResponse(request, "t")

    app.get("/template")(page)

    async def socket(websocket: fw.WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(facts(websocket))
        await websocket.close()

    sub.websocket("/ws", name="ws")(socket)
    app.websocket("/top", name="top-ws")(socket)
    shop.websocket("/ws/{item}")(socket)
    api.websocket("/hosted")(socket)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        told = [scope.get(name) for name in (*MEMBERS, "path_params")]
        told += [scope["app"] is app, scope["router"] is app.router, scope["endpoint"] is asgi]
        await fw.JSONResponse(told)(scope, receive, send)

    deep.get("/leaf", name="leaf")(leaf)
    shop.get("/items/{item}", name="item")(leaf)
    shop.mount("/sub", deep, name="sub")
    numbered.get("/items/{item}", name="item")(leaf)
    unnamed.get("/unnamed/{k}", name="unnamed")(leaf)
    api.get("/x", name="x")(leaf)
    api.get("/quiet")(quiet)
    sub.get("/quiet")(quiet)
    below.get("/leaf", name="leaf")(leaf)
    api.mount("/below", below, name="below")
    router.get("/of-router", name="of-router")(leaf)
    sub.mount("/deep", deep, name="deep")
    sub.mount("/static", fw.StaticFiles(directory="."), name="static")
    app.mount("/sub", sub, name="sub")
    app.mount("/shops/{shop}", shop, name="shop")
    app.mount("/numbers/{number:int}", numbered, name="numbered")
    app.mount("/without", unnamed)
    app.mount("/with/{name}", unnamed)
    app.mount("/static", fw.StaticFiles(directory="."), name="static")
    app.mount("/asgi", asgi, name="asgi")
    app.mount("/asgi-of/{n:int}", asgi)
    app.mount("/router", router)
    app.get("/later", name="later")(leaf)
    if hosts:
        app.host("{tenant}.example.com", api, name="api")
        app.host("fixed.example.org", api, name="fixed")
    applications = {
        "app": app, "sub": sub, "deep": deep, "shop": shop, "numbered": numbered, "unnamed": unnamed, "api": api,
        "below": below,
    }  # fmt: skip
    if middleware:
        app.add_middleware(Outer, told=told)
    return app


PATHS = [
    "/", "/paths", "/later", "/sub/inner/3", "/sub/thread", "/sub/quiet", "/sub/template", "/template",
    "/sub/deep/leaf",
    "/shops/a%20b/items/i", "/shops/s/sub/leaf", "/numbers/5/items/6", "/numbers/x/items/6", "/without/unnamed/1",
    "/with/it/unnamed/1", "/asgi/some/path", "/asgi-of/3/x", "/router/of-router", "/sub/none", "/sub/deep/none",
]  # fmt: skip
SOCKETS = ["/sub/ws", "/top", "/shops/s/ws/i"]
REQUESTS: list[tuple[str, dict[str, Any]]] = [(path, {}) for path in PATHS]
HOSTED: list[tuple[str, dict[str, Any]]] = [
    (path, {"headers": {"host": host}})
    for host in ("t9.example.com", "T9.example.com:81", "fixed.example.org")
    for path in ("/x", "/below/leaf", "/none", "/quiet")
]
REQUESTS = [each for request in REQUESTS for each in (request, ("/told", {}))]
HOSTED = REQUESTS + [each for request in HOSTED for each in (request, ("/told", {}))]
