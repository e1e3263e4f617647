"""The routes."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec

from covet import (
    CovetPy,
    JSONResponse,
    PlainTextResponse,
    Request,
    Response,
    StreamingResponse,
    run_in_threadpool,
)
from notes.store import LAST_ID, Note, Store

MAX_PAGE = 100

NoteId = Annotated[int, msgspec.Meta(ge=1, le=LAST_ID)]


class NoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """What a client sends."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    text: str = ""
    tag: str | None = None


class Page(msgspec.Struct):
    """Some of the notes; `next` is what to send as `after` to get more."""

    notes: list[Note]
    next: int | None


class Problem(msgspec.Struct):
    """Why there is no result."""

    detail: str


Answers = dict[int | str, dict[str, Any]]
MISSING: Answers = {404: {"model": Problem, "description": "There is no such note"}}
UNREADABLE: Answers = {400: {"model": Problem, "description": "The body is not UTF-8"}}


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


@app.get("/notes")
def list_notes(
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 20,
    after: Annotated[int, msgspec.Meta(ge=0, le=LAST_ID)] = 0,
    tag: str | None = None,
) -> Page:
    # A plain function runs in a thread, so it may wait for the database.
    notes = store().page(limit + 1, after, tag)
    more = len(notes) > limit
    return Page(notes[:limit], notes[limit - 1].id if more else None)


@app.post("/notes", status_code=201, responses=UNREADABLE)
async def add_note(body: NoteBody, response: Response) -> Note:
    note = await run_in_threadpool(store().add, body.title, body.text, body.tag)
    response.headers["location"] = f"/notes/{note.id}"
    return note


class Lines(StreamingResponse):
    media_type = "application/jsonl"


@app.get("/notes/export", response_class=Lines)
def export() -> Lines:
    def lines() -> Iterator[bytes]:
        for note in store().all():
            yield msgspec.json.encode(note) + b"\n"

    headers = {"content-disposition": 'attachment; filename="notes.jsonl"'}
    return Lines(lines(), headers=headers)


@app.get("/notes/{note_id:int}", responses=MISSING)
def get_note(note_id: NoteId) -> Note:
    note = store().get(note_id)
    if note is None:
        raise NoSuchNote(note_id)
    return note


@app.put("/notes/{note_id:int}", responses=MISSING | UNREADABLE)
async def change_note(note_id: NoteId, body: NoteBody) -> Note:
    note = await run_in_threadpool(store().change, note_id, body.title, body.text, body.tag)
    if note is None:
        raise NoSuchNote(note_id)
    return note


@app.delete("/notes/{note_id:int}", status_code=204, responses=MISSING)
def remove_note(note_id: NoteId) -> None:
    if not store().remove(note_id):
        raise NoSuchNote(note_id)
