# mypy: disable-error-code="import-not-found, untyped-decorator"
# The peers are installed only where the suite runs.
import sys

from robyn import Request, Robyn

app = Robyn(__file__)


@app.get("/items/:item_id")
async def read_item(request: Request) -> dict[str, object]:
    return {"item_id": int(request.path_params["item_id"]), "q": request.query_params.get("q", None)}


if __name__ == "__main__":
    port = int(sys.argv.pop())
    app.start(host="127.0.0.1", port=port)
