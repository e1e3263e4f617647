"""The models and the data of the API that the frameworks are compared by."""

from pydantic import BaseModel, Field

TOKENS = {f"token-{number}": number for number in range(8)}


class UserIn(BaseModel):
    name: str = Field(min_length=2, max_length=40)
    email: str = Field(pattern=r".+@.+")
    age: int = Field(ge=0, le=150)


class User(UserIn):
    id: int


class Line(BaseModel):
    item: str
    count: int = Field(ge=1)
    price: float = Field(gt=0)


class Order(BaseModel):
    customer: int
    lines: list[Line]
    note: str | None = None


class Receipt(BaseModel):
    customer: int
    lines: int
    total: float


USERS = [
    User(id=number, name=f"user {number}", email=f"u{number}@example.com", age=20 + number) for number in range(50)
]


def receipt(order: Order) -> Receipt:
    """What an order comes to."""
    total = sum(line.count * line.price for line in order.lines)
    return Receipt(customer=order.customer, lines=len(order.lines), total=total)
