"""An application that exports as the environment says."""

from covet import CovetPy

app = CovetPy()


@app.get("/items/{item_id}")
async def read(item_id: int) -> dict[str, int]:
    return {"item": item_id}


@app.get("/odd")
async def odd() -> None:
    raise LookupError("nobody knows")
