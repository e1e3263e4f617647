"""The engine's figures, as an application in one of its workers sees them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covet.core import Runner


class Figures:
    """What the engine has counted for all workers together; zero and empty while there is none.

    The engine keeps these figures in the memory that it shares with the workers, so they are the same in each.
    """

    __slots__ = ("_runner",)

    def __init__(self) -> None:
        self._runner: Runner | None = None

    def attach(self, runner: "Runner") -> None:
        """Takes the figures from a worker's runner from now on."""
        self._runner = runner

    def detach(self, runner: "Runner") -> None:
        """Does not use a runner any more, which is about to be closed."""
        if self._runner is runner:
            self._runner = None

    def totals(self) -> dict[str, int | float]:
        """The totals by name, as `Runner.figures` tells them; empty without an engine."""
        runner = self._runner
        return {} if runner is None else runner.figures()

    def count(self, name: str) -> int:
        """One total that is a whole number."""
        return int(self.totals().get(name, 0))

    def seconds(self, name: str) -> float:
        """One total that is a time."""
        return float(self.totals().get(name, 0.0))

    def workers(self) -> list[dict[str, Any]]:
        """The workers, as `Runner.workers` tells them."""
        runner = self._runner
        return [] if runner is None else runner.workers()


class Observed:
    """The engine's figures as attributes: the same in each worker, zero or empty outside of serving."""

    figures: Figures

    @property
    def uptime(self) -> float:
        """For how many seconds the engine has been running; workers that were replaced meanwhile do not count."""
        return self.figures.seconds("uptime")

    @property
    def connection_count(self) -> int:
        """Connections that are open now."""
        return self.figures.count("connections")

    @property
    def request_count(self) -> int:
        """Requests that have come since the engine's start, those that it answers by itself included."""
        return self.figures.count("requests")

    @property
    def queue_depth(self) -> int:
        """Requests that no worker has begun."""
        return self.figures.count("queued")

    @property
    def worker_states(self) -> list[dict[str, Any]]:
        """The workers, by number.

        Each is a dict with worker (the number in the log), pid, state ("starting", "admitted" or "retired"), waiting
        (requests that it has not begun), begun, finished, in_flight, sleeping (it waits for something to do) and
        blocked (for how many seconds its event loop has been blocked; 0 if it is not).
        """
        return self.figures.workers()
