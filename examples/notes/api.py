"""The routes."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec

from covet import (
    CovetPy,
    HTTPException,
    JSONResponse,
    PlainTextResponse,
    Request,
    StreamingResponse,
    run_in_threadpool,
)
from notes.store import Note, Store

MAX_PAGE = 100


class NoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    text: str = ""
    tag: str | None = None


@asynccontextmanager
async def lifespan(app: CovetPy) -> AsyncIterator[None]:
    app.state.store = await run_in_threadpool(Store, os.environ.get("NOTES_DATABASE"))
    yield
    await run_in_threadpool(app.state.store.close)


app = CovetPy(title="Notes", lifespan=lifespan, max_body_size="1MB")
app.get("/health", constant=PlainTextResponse("ok"))


class NoSuchNote(Exception):
    """There is no note of this number."""

    def __init__(self, note_id: int) -> None:
        super().__init__(note_id)
        self.note_id = note_id


@app.exception_handler(NoSuchNote)
async def no_such_note(request: Request, error: NoSuchNote) -> JSONResponse:
    return JSONResponse({"detail": f"There is no note {error.note_id}"}, 404)


def store() -> Store:
    found: Store = app.state.store
    return found


async def body_of(request: Request) -> NoteBody:
    """The note that the request carries; a bad one is answered with 422."""
    try:
        return msgspec.json.decode(await request.body(), type=NoteBody)
    except msgspec.DecodeError as error:
        raise HTTPException(422, str(error)) from None


@app.get("/notes")
def list_notes(
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 20, after: int = 0, tag: str | None = None
) -> dict[str, Any]:
    # A plain function runs in a thread, so it may wait for the database.
    notes = store().page(limit + 1, after, tag)
    more = len(notes) > limit
    return {"notes": notes[:limit], "next": notes[limit - 1]["id"] if more else None}


@app.post("/notes")
async def add_note(request: Request) -> tuple[Note, int, dict[str, str]]:
    body = await body_of(request)
    note = await run_in_threadpool(store().add, body.title, body.text, body.tag)
    return note, 201, {"location": f"/notes/{note['id']}"}


@app.get("/notes/export")
def export() -> StreamingResponse:
    def lines() -> Iterator[bytes]:
        for note in store().all():
            yield msgspec.json.encode(note) + b"\n"

    headers = {"content-disposition": 'attachment; filename="notes.jsonl"'}
    return StreamingResponse(lines(), headers=headers, media_type="application/jsonl")


@app.get("/notes/{note_id:int}")
def get_note(note_id: int) -> Note:
    note = store().get(note_id)
    if note is None:
        raise NoSuchNote(note_id)
    return note


@app.put("/notes/{note_id:int}")
async def change_note(note_id: int, request: Request) -> Note:
    body = await body_of(request)
    note = await run_in_threadpool(store().change, note_id, body.title, body.text, body.tag)
    if note is None:
        raise NoSuchNote(note_id)
    return note


@app.delete("/notes/{note_id:int}", status_code=204)
def remove_note(note_id: int) -> None:
    if not store().remove(note_id):
        raise NoSuchNote(note_id)
