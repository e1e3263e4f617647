"""Bodies that are files, or parts of them, as they are sent."""

import os

from covet.core import Exchange
from covet.files import FileSlices
from covet.requests import news_of
from covet.streaming import StreamingResponse


class FileStream(StreamingResponse):
    """Sends parts of a file: by the engine, by the server's own means, or else in pieces that threads read.

    Args:
        slices: the parts, in pieces; the file is closed with it.
        path: where the file is, if all of it is sent.
        status_code: from 200 to 599.
    """

    def __init__(self, slices: FileSlices, path: str | os.PathLike[str] | None, status_code: int) -> None:
        super().__init__(slices, status_code)
        self.slices = slices
        self.path = path

    async def _send_chunks(self, x: Exchange) -> None:
        if self.body_iterator is not self.slices:  # a middleware has put itself between
            await super()._send_chunks(x)
            return
        hand_over = getattr(x, "send_path", None)  # over an ASGI server
        if hand_over is not None:
            if self.path is not None and hand_over(self.path):
                return
        elif await self._taken_by_engine(x):
            return
        await super()._send_chunks(x)

    async def _taken_by_engine(self, x: Exchange) -> bool:
        """Hands the file to the engine; whether nothing more is to be done."""
        piece = self.slices.only
        if piece is None:
            return False
        start, end = piece
        while not x.send_file(self.slices.file, start, end - start):
            if x.lost:
                x.abort()
                return True
            await news_of(x)
        while (taken := x.file_taken) is None:
            if x.lost:
                x.abort()
                return True
            await news_of(x)
        return taken
