"""Prints the seconds that it takes to register 1,000 routes and make what answers them: start_1000.py FRAMEWORK."""

# mypy: disable-error-code="untyped-decorator"
import sys
import time
from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel


class Item(BaseModel):
    name: str
    price: float


def page(offset: int = 0, limit: int = 10) -> tuple[int, int]:
    return offset, limit


def register(fw: Any) -> Any:
    """250 of each of four kinds."""
    app = fw.FastAPI()
    for number in range(250):

        @app.get(f"/plain{number}/{{item_id}}")
        async def plain(item_id: int, q: str | None = None) -> dict[str, Any]:
            return {"item_id": item_id, "q": q}

        @app.post(f"/body{number}", response_model=Item)
        async def body(item: Item) -> Any:
            return item

        @app.get(f"/dependency{number}")
        async def dependency(found: Annotated[tuple[int, int], fw.Depends(page)]) -> list[int]:
            return list(found)

        @app.put(f"/both{number}/{{item_id}}")
        async def both(item_id: int, item: Item) -> Item:
            return item

    return app


def main(name: str) -> None:
    fw = import_module(name)
    fw.FastAPI, fw.Depends  # noqa: B018 - what is imported late is not counted either
    import_module(f"{name}.routing")
    begin = time.perf_counter()
    app = register(fw)
    if name == "covet":
        from covet.interfaces.native import CovetApplication

        served = CovetApplication(app)
        served.engine()
        served.calls(app.settings, {})
    print(time.perf_counter() - begin)


if __name__ == "__main__":
    main(sys.argv[1])
