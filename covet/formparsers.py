"""Reads forms piece by piece: application/x-www-form-urlencoded and multipart/form-data (RFC 7578)."""

import asyncio
import codecs
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from urllib.parse import unquote_plus

from python_multipart import MultipartParser, QuerystringParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from covet.concurrency import run_in_threadpool
from covet.datastructures import Headers
from covet.uploads import FormData, UploadFile

SPOOLED = 1024 * 1024
"""Bytes of a file that are kept in memory; larger files are on disk."""
WRITTEN_AT_ONCE = 512 * 1024
"""Bytes for files on disk that are gathered before a thread writes them."""

Items = list[tuple[str, UploadFile | str]]


class MultiPartException(Exception):
    """A form cannot be read, or is over a limit.

    Attributes:
        message: what is wrong with it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class FormParser:
    """Reads an application/x-www-form-urlencoded body.

    Args:
        headers: the request's.
        stream: the body's pieces.
        max_fields: how many fields there may be.
        max_part_size: how large a field may be, with its name, in bytes.
    """

    def __init__(
        self,
        headers: Headers,
        stream: AsyncIterable[bytes],
        *,
        max_fields: float = 1000,
        max_part_size: int = 1024 * 1024,
    ) -> None:
        self.headers = headers
        self.stream = stream
        self.max_fields = max_fields
        self.max_part_size = max_part_size
        self._name = bytearray()
        self._value = bytearray()
        self._items: Items = []

    async def parse(self) -> FormData:
        """The form. Raises MultiPartException, and what the stream raises."""
        parser = QuerystringParser(
            {
                "on_field_name": lambda data, start, end: self._add(self._name, data, start, end),
                "on_field_data": lambda data, start, end: self._add(self._value, data, start, end),
                "on_field_end": self._end,
            }
        )
        async for piece in self.stream:
            parser.write(piece)
        parser.finalize()
        return FormData(self._items)

    def _add(self, text: bytearray, data: bytes, start: int, end: int) -> None:
        if len(self._name) + len(self._value) + end - start > self.max_part_size:
            raise MultiPartException(f"Field exceeded maximum size of {int(self.max_part_size / 1024)}KB.")
        text += data[start:end]

    def _end(self) -> None:
        if len(self._items) >= self.max_fields:
            raise MultiPartException(f"Too many fields. Maximum number of fields is {self.max_fields}.")
        self._items.append((_unquoted(self._name), _unquoted(self._value)))
        self._name.clear()
        self._value.clear()


def _unquoted(text: bytearray) -> str:
    return unquote_plus(text.decode("latin-1"))


class Part:
    """The part of a multipart body that is being read."""

    __slots__ = ("data", "disposition", "fields", "file", "name")

    def __init__(self) -> None:
        self.name = ""
        self.disposition: bytes | None = None
        self.fields: list[tuple[bytes, bytes]] = []
        self.data = bytearray()
        self.file: UploadFile | None = None


class MultiPartParser:
    """Reads a multipart/form-data body. Files of more than a mebibyte go to disk while they are read.

    Args:
        headers: the request's.
        stream: the body's pieces.
        max_files: how many files there may be.
        max_fields: how many other fields there may be.
        max_part_size: how large a field that is no file may be, in bytes.
    """

    def __init__(
        self,
        headers: Headers,
        stream: AsyncIterable[bytes],
        *,
        max_files: float = 1000,
        max_fields: float = 1000,
        max_part_size: int = 1024 * 1024,
    ) -> None:
        self.headers = headers
        self.stream = stream
        self.max_files = max_files
        self.max_fields = max_fields
        self.max_part_size = max_part_size
        self._items: Items = []
        self._files: list[UploadFile] = []
        self._fields = 0
        self._charset = "utf-8"
        self._part = Part()
        self._field_name = b""
        self._field_value = b""
        self._unwritten: list[tuple[BinaryIO, memoryview]] = []
        self._unwritten_bytes = 0
        self._writing: asyncio.Future[None] | None = None

    async def parse(self) -> FormData:
        """The form; its files are at their beginnings.

        Raises:
            MultiPartException: it cannot be read, or is over a limit.
            OSError: a file cannot be written.
            Exception: what the stream raises.
        """
        parser = self._parser()
        try:
            async for piece in self.stream:
                parser.write(piece)
                if self._unwritten_bytes >= WRITTEN_AT_ONCE:
                    await self._write()
            parser.finalize()
            await self._write()
            await self._written()
            await self._rewind()
        except BaseException as error:
            self._give_up_writing()
            for file in self._files:
                file.file.close()
            if isinstance(error, FormParserError):
                raise MultiPartException("Invalid multipart data.") from error
            raise
        return FormData(self._items)

    def _parser(self) -> Any:
        _, params = parse_options_header(self.headers["content-type"])
        try:
            self._charset = codecs.lookup(params.get(b"charset", b"utf-8").decode("latin-1")).name
        except LookupError:
            self._charset = "latin-1"
        if b"boundary" not in params:
            raise MultiPartException("Missing boundary in multipart.")
        try:
            return MultipartParser(
                params[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_field_name,
                    "on_header_value": self._on_field_value,
                    "on_header_end": self._on_field_end,
                    "on_headers_finished": self._on_head,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MultiPartException("Invalid multipart data.") from error

    # ---- what the parser tells ----------------------------------------------------

    def _begin(self) -> None:
        self._part = Part()

    def _on_field_name(self, data: bytes, start: int, end: int) -> None:
        self._field_name += data[start:end]

    def _on_field_value(self, data: bytes, start: int, end: int) -> None:
        self._field_value += data[start:end]

    def _on_field_end(self) -> None:
        name = self._field_name.lower()
        if name == b"content-disposition":
            self._part.disposition = self._field_value
        self._part.fields.append((name, self._field_value))
        self._field_name = self._field_value = b""

    def _on_head(self) -> None:
        part = self._part
        _, options = parse_options_header(part.disposition)
        if b"name" not in options:
            raise MultiPartException('The Content-Disposition header field "name" must be provided.')
        part.name = self._text(options[b"name"])
        if b"filename" in options:
            if len(self._files) >= self.max_files:
                raise MultiPartException(f"Too many files. Maximum number of files is {self.max_files}.")
            part.file = self._new_file(self._text(options[b"filename"]), Headers(raw=part.fields))
        else:
            if self._fields >= self.max_fields:
                raise MultiPartException(f"Too many fields. Maximum number of fields is {self.max_fields}.")
            self._fields += 1

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.file is not None:
            self._add(part.file, memoryview(data)[start:end])
            return
        if len(part.data) + end - start > self.max_part_size:
            raise MultiPartException(f"Part exceeded maximum size of {int(self.max_part_size / 1024)}KB.")
        part.data += data[start:end]

    def _on_end(self) -> None:
        part = self._part
        self._items.append((part.name, self._text(part.data) if part.file is None else part.file))

    def _text(self, data: bytes | bytearray) -> str:
        try:
            return data.decode(self._charset)
        except (UnicodeError, LookupError):
            return data.decode("latin-1")

    # ---- files ----------------------------------------------------------------------

    def _add(self, upload: UploadFile, data: memoryview) -> None:
        assert upload.size is not None
        upload.size += len(data)
        if upload.size <= SPOOLED:
            upload.file.write(data)
        else:
            self._unwritten.append((upload.file, data))
            self._unwritten_bytes += len(data)

    def _new_file(self, filename: str, headers: Headers) -> UploadFile:
        file = SpooledTemporaryFile(max_size=SPOOLED)  # noqa: SIM115 - the form is closed after the response
        upload = UploadFile(cast(BinaryIO, file), size=0, filename=filename, headers=headers)
        self._files.append(upload)
        return upload

    async def _write(self) -> None:
        """Has a thread write what goes to disk, while more is read; one thread at a time."""
        await self._written()
        if self._unwritten:
            pieces, self._unwritten, self._unwritten_bytes = self._unwritten, [], 0
            self._writing = asyncio.ensure_future(run_in_threadpool(_write_all, pieces))

    async def _written(self) -> None:
        """Waits for the thread. Raises what it raises."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    def _give_up_writing(self) -> None:
        writing = self._writing
        if writing is not None and not writing.cancel() and not writing.cancelled():
            writing.exception()  # another error is told already

    async def _rewind(self) -> None:
        for upload in self._files:
            await upload.seek(0)


def _write_all(pieces: list[tuple[BinaryIO, memoryview]]) -> None:
    for file, data in pieces:
        file.write(data)


async def read(headers: Headers, stream: AsyncGenerator[bytes, None], limits: Mapping[str, Any]) -> FormData:
    """The form in a body; an empty one if it is none.

    Args:
        headers: the request's.
        stream: the body's pieces; it is closed.
        limits: max_files, max_fields and max_part_size, as the parsers have them.

    Raises:
        MultiPartException: it cannot be read, or is over a limit.
        Exception: what the stream raises.
    """
    kind, _ = parse_options_header(headers.get("content-type"))
    async with aclosing(stream):
        if kind == b"multipart/form-data":
            return await MultiPartParser(headers, stream, **limits).parse()
        if kind == b"application/x-www-form-urlencoded":
            of_fields = {name: value for name, value in limits.items() if name != "max_files"}
            return await FormParser(headers, stream, **of_fields).parse()
    return FormData()
