"""What a form has: fields and uploaded files, in Starlette's shapes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from covet.concurrency import run_in_threadpool
from covet.datastructures import Headers
from covet.multidict import ImmutableMultiDict

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


class UploadFile:
    """An uploaded file. As the type of a parameter it has FastAPI's meaning.

    Its methods run in a thread once the file is on disk, so that they do not block the event loop; plain
    functions read `file` itself.

    Args:
        file: where the contents are: a `tempfile.SpooledTemporaryFile` if it came with a request.
        size: the size in bytes.
        filename: the name that the client gave; it may be anything, so it is no path to write to.
        headers: the header fields of the part of the form.
    """

    def __init__(
        self, file: BinaryIO, *, size: int | None = None, filename: str | None = None, headers: Headers | None = None
    ) -> None:
        self.file = file
        self.size = size
        self.filename = filename
        self.headers = Headers() if headers is None else headers

    @property
    def content_type(self) -> str | None:
        """What the client says that the file is."""
        return self.headers.get("content-type")

    @property
    def _in_memory(self) -> bool:
        return not getattr(self.file, "_rolled", True)

    def _stays_in_memory(self, more: int) -> bool:
        """Whether the file is in memory still when as many bytes are written."""
        if not self._in_memory:
            return False
        most = getattr(self.file, "_max_size", 0)
        return not most or self.file.tell() + more <= most

    async def write(self, data: bytes) -> None:
        """Writes at the file's position. Raises OSError."""
        if self.size is not None:
            self.size += len(data)
        if self._stays_in_memory(len(data)):
            self.file.write(data)
        else:
            await run_in_threadpool(self.file.write, data)

    async def read(self, size: int = -1) -> bytes:
        """As many bytes from the file's position on, or what there is. Raises OSError."""
        return self.file.read(size) if self._in_memory else await run_in_threadpool(self.file.read, size)

    async def seek(self, offset: int) -> None:
        """Goes to a position, in bytes from the beginning. Raises OSError."""
        if self._in_memory:
            self.file.seek(offset)
        else:
            await run_in_threadpool(self.file.seek, offset)

    async def close(self) -> None:
        """Closes the file, which removes it if it is on disk."""
        if self._in_memory:
            self.file.close()
        else:
            await run_in_threadpool(self.file.close)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(filename={self.filename!r}, size={self.size!r}, headers={self.headers!r})"

    # ---- for pydantic ------------------------------------------------------------

    @classmethod
    def _validate(cls, value: Any, _: Any) -> "UploadFile":
        # Other frameworks' classes are taken too, as they were checked for by name before.
        if not any(kind.__name__ == "UploadFile" for kind in type(value).__mro__):
            raise ValueError(f"Expected UploadFile, received: {type(value)}")
        return cast(UploadFile, value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> "CoreSchema":
        from pydantic_core.core_schema import with_info_plain_validator_function

        return with_info_plain_validator_function(cls._validate)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return {"type": "string", "contentMediaType": "application/octet-stream"}


class FormData(ImmutableMultiDict[str, UploadFile | str]):
    """The fields and files of a form; the last value of a repeated name counts, `getlist` has all."""

    async def close(self) -> None:
        """Closes the files."""
        for _, value in self._list:
            if isinstance(value, UploadFile):
                await value.close()
