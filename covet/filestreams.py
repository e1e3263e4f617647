"""Bodies that are files, or parts of them, as they are sent."""

import os

from covet.core import Exchange
from covet.files import FileSlices
from covet.streaming import StreamingResponse


class FileStream(StreamingResponse):
    """Sends parts of a file.

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
        hand_over = getattr(x, "send_path", None)  # an ASGI server that sends files
        if hand_over is not None and self.path is not None and hand_over(self.path):
            return
        await super()._send_chunks(x)
