"""Forms that are one of several models: the same requests under both frameworks."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from .frameworks import framework
from .test_details import client_of


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["dog"]
    tricks: list[str] = []


FORMS = (
    "kind=cat",
    "kind=cat&lives=3",
    "kind=cat&lives=many",
    "kind=dog&tricks=sit",
    "kind=dog&tricks=sit&tricks=roll",
    "kind=dog&other=1",
    "kind=bird",
    "lives=1",
    "",
)


def application(package: str) -> Any:
    f = framework(package)
    app = f.FastAPI()

    @app.post("/either")
    async def either(pet: Annotated[Cat | Dog, f.Form()]) -> Any:
        return [type(pet).__name__, pet]

    @app.post("/told")
    async def told(pet: Annotated[Cat | Dog, Field(discriminator="kind"), f.Form()]) -> Any:
        return [type(pet).__name__, pet]

    @app.post("/maybe")
    async def maybe(pet: Annotated[Cat | Dog | None, f.Form()] = None) -> Any:
        return [type(pet).__name__, pet]

    return app


@pytest.mark.parametrize("path", ["/either", "/told", "/maybe"])
@pytest.mark.parametrize("form", FORMS)
def test_same_answer(path: str, form: str) -> None:
    answers = []
    for package in ("fastapi", "covet"):
        client = client_of(application(package), package)
        fields = {"content-type": "application/x-www-form-urlencoded"}
        response = client.post(path, content=form.encode(), headers=fields)
        answers.append((response.status_code, response.json()))
    assert answers[0] == answers[1]
