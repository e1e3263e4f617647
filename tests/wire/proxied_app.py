"""An application that tells where a request seems to come from."""

from covet import CovetPy, PlainTextResponse, Request

app = CovetPy()
app.get("/constant", constant=PlainTextResponse("constant"))


@app.get("/origin")
async def origin(request: Request) -> dict[str, object]:
    client = request.client
    return {
        "client": None if client is None else client.host,
        "port": None if client is None else client.port,
        "scheme": request.url.scheme,
    }


@app.get("/server")
async def server(request: Request) -> dict[str, object]:
    return {"server": request.scope["server"], "url": str(request.url), "base": str(request.base_url)}
