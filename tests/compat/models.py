"""Models that the applications share."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, HttpUrl, field_validator, model_validator
from typing_extensions import TypedDict

assert EmailStr


class Colour(str, Enum):
    red = "red"
    blue = "blue"


class Level(IntEnum):
    low = 1
    high = 2


class Image(BaseModel):
    url: HttpUrl
    name: str = "none"


class Item(BaseModel):
    name: str = Field(min_length=2, max_length=20)
    price: float = Field(gt=0)
    tax: float | None = None
    tags: list[str] = []
    unique: set[int] = set()
    image: Image | None = None
    images: list[Image] = []
    when: datetime | None = None
    colour: Colour = Colour.red


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    item_id: int = Field(alias="itemId")
    kind: str = Field("plain", serialization_alias="kindOf")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    a: int
    b: str = "b"


class Checked(BaseModel):
    low: int
    high: int

    @field_validator("low")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value

    @model_validator(mode="after")
    def ordered(self) -> "Checked":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


class User(BaseModel):
    name: str
    email: str


class UserIn(User):
    password: str


class Scalars(BaseModel):
    at: datetime
    day: date
    span: timedelta
    amount: Decimal
    id: UUID
    level: Level


class Filter(BaseModel):
    limit: int = Field(10, gt=0, le=100)
    order: Literal["name", "price"] = "name"
    tags: list[str] = []


class StrictFilter(Filter):
    model_config = ConfigDict(extra="forbid")


class CommonHeaders(BaseModel):
    x_token: str
    save_data: bool = False
    x_tag: list[str] = []


class Cookies(BaseModel):
    session: str
    theme: str | None = None


class FormData(BaseModel):
    username: str
    age: int = 0
    tags: list[str] = []


@dataclass
class Point:
    x: float
    y: float = 0.0
    names: list[str] = field(default_factory=list)


class Movie(TypedDict):
    title: str
    year: int


def scalars() -> dict[str, Any]:
    """Values that JSON has no types for."""
    return {
        "at": datetime(2024, 2, 29, 12, 30, 15),
        "day": date(2024, 2, 29),
        "span": timedelta(seconds=90),
        "amount": Decimal("1.50"),
        "id": UUID(int=7),
        "level": Level.high,
    }
