"""A GraphQL schema by Strawberry, mounted."""

from collections.abc import AsyncGenerator

import strawberry
from strawberry.asgi import GraphQL
from strawberry.types import Info

from covet import CovetPy


@strawberry.type
class Book:
    title: str
    year: int


BOOKS = [Book(title="Emma", year=1815)]


@strawberry.type
class Query:
    @strawberry.field
    async def books(self, since: int = 0) -> list[Book]:
        return [book for book in BOOKS if book.year >= since]

    @strawberry.field
    def user(self, info: Info) -> str:
        return info.context["request"].headers.get("x-user", "nobody")


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def add(self, title: str, year: int) -> Book:
        BOOKS.append(Book(title=title, year=year))
        return BOOKS[-1]


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int, None]:
        for number in range(to):
            yield number


app = CovetPy()
graphql = GraphQL(strawberry.Schema(Query, Mutation, Subscription))
app.mount("/graphql", graphql)
app.add_route("/graph", graphql)


@app.get("/")
async def root() -> str:
    return "books"
