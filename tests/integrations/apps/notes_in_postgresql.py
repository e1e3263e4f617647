"""Notes in PostgreSQL, by async SQLAlchemy: one session and one transaction for each request."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload

from covet import CovetPy, Depends, HTTPException, Request


class Base(DeclarativeBase):
    pass


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("notes.id"))
    name: Mapped[str]


class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)
    tags: Mapped[list[Tag]] = relationship(lazy="raise")


class TagOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str


class NoteIn(BaseModel):
    text: str
    tags: list[str] = []


class NoteOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    text: str
    tags: list[TagOut]


@asynccontextmanager
async def lifespan(app: CovetPy) -> AsyncIterator[dict[str, object]]:
    engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=5)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield {"sessions": async_sessionmaker(engine, expire_on_commit=False)}
    await engine.dispose()


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.sessions() as found, found.begin():
        yield found


Session = Annotated[AsyncSession, Depends(session, scope="function")]
app = CovetPy(lifespan=lifespan)


@app.post("/notes", status_code=201, response_model=NoteOut)
async def add(note: NoteIn, session: Session) -> Note:
    added = Note(text=note.text, tags=[Tag(name=name) for name in note.tags])
    session.add(added)
    await session.flush()
    if "forbidden" in note.tags:
        raise HTTPException(403, "This tag is forbidden")  # the transaction is rolled back
    return added


@app.get("/notes", response_model=list[NoteOut])
async def notes(session: Session) -> list[Note]:
    return list(await session.scalars(select(Note).options(selectinload(Note.tags)).order_by(Note.id)))


@app.get("/count")
async def count(session: Session) -> int:
    return await session.scalar(select(func.count(Note.id))) or 0
