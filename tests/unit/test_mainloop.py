"""What sees to it that the process ends when it was told to."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from covet import mainloop


def test_a_signal_while_the_guard_starts_does_not_start_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    class Interrupted(threading.Thread):
        def start(self) -> None:
            started.append(self)
            if len(started) == 1:
                server.on_signal()
            super().start()

    async def serve() -> None:
        server.on_signal()
        server.on_signal()

    server: Any = SimpleNamespace(
        serve=serve, force_exit=False, options=SimpleNamespace(timeout_graceful_shutdown=20.0), on_signal=None
    )
    mainloop.limit_exit()  # which has a thread of its own
    monkeypatch.setattr("covet.mainloop.threading.Thread", Interrupted)
    mainloop.run_server(server, asyncio.new_event_loop)
    assert [thread.name for thread in started] == ["covet-guard"]
    server.on_signal()
    assert len(started) == 1
