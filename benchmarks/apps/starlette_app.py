# mypy: disable-error-code="import-not-found, untyped-decorator"
# The peers are installed only where the suite runs.
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def read_item(request: Request) -> JSONResponse:
    return JSONResponse({"item_id": int(request.path_params["item_id"]), "q": request.query_params.get("q")})


app = Starlette(routes=[Route("/items/{item_id}", read_item)])
