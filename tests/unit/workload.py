"""A simulated server: requests arrive, workers take them one by one, a Scaler decides how many workers there are."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from covet.scaling import Sample, Scaler

START_SECONDS = 1.5
BLOCKED_SECONDS = 1.0


@dataclass(frozen=True)
class Request:
    """What one request does to the event loop of its worker.

    Args:
        cpu: seconds of CPU time.
        wait: seconds in which it keeps the event loop waiting, without a CPU.
        idle: seconds that it waits for something else, while the event loop does other things.
    """

    cpu: float = 0.0
    wait: float = 0.0
    idle: float = 0.0


@dataclass
class Worker:
    """A worker process: what it does now, and whether it is to end."""

    began: float | None = None
    computing: bool = False
    leaving: bool = False


@dataclass
class Simulation:
    """Runs a load against a scaler.

    Args:
        scaler: the rule.
        cpus: the CPUs that the workers share.
        make: a new request, as often as one arrives.
        rate: arrivals a second at a time; no arrivals by themselves if it is None.
        clients: clients that ask again as soon as they have their answer.
        engine_cpu: CPUs that the engine takes.
    """

    scaler: Scaler
    cpus: int
    make: Callable[[], Request]
    rate: Callable[[float], float] | None = None
    clients: int = 0
    engine_cpu: float = 0.0
    seed: int = 1
    now: float = 0.0
    finished: int = 0
    slowest: float = 0.0
    targets: list[tuple[float, int]] = field(default_factory=list)
    """When the target was changed, and to what."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._queue: deque[tuple[float, Request]] = deque()
        self._workers = [Worker() for _ in range(self.scaler.target)]
        self._starting = 0
        self._used = 0.0
        self.targets.append((0.0, self.scaler.target))
        self._at(1.0, self._sample)
        for _ in range(self.clients):
            self._arrive()
        if self.rate is not None:
            self._at(0.0, self._arrivals)

    @property
    def workers(self) -> int:
        """The workers that serve."""
        return sum(not worker.leaving for worker in self._workers)

    @property
    def queued(self) -> int:
        """Requests that no worker has begun."""
        return len(self._queue)

    def changes(self, since: float) -> list[int]:
        """The targets that were chosen after a time."""
        return [target for time, target in self.targets if time > since]

    def run(self, until: float) -> None:
        """Goes on to a time in seconds."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), event))

    def _arrivals(self) -> None:
        assert self.rate is not None
        rate = self.rate(self.now)
        if rate > 0:
            self._arrive()
        self._at(self.now + (self.random.expovariate(rate) if rate > 0 else 0.1), self._arrivals)

    def _arrive(self) -> None:
        self._queue.append((self.now, self.make()))
        self._dispatch()

    def _dispatch(self) -> None:
        for worker in self._workers:
            if not self._queue:
                return
            if worker.began is None and not worker.leaving:
                self._begin(worker, *self._queue.popleft())

    def _begin(self, worker: Worker, arrived: float, request: Request) -> None:
        worker.began, worker.computing = self.now, request.cpu > 0
        computing = sum(w.computing for w in self._workers)
        slowness = max(1.0, computing / max(0.1, self.cpus - self.engine_cpu))
        self._at(self.now + request.cpu * slowness + request.wait, lambda: self._loop_free(worker, arrived, request))

    def _loop_free(self, worker: Worker, arrived: float, request: Request) -> None:
        worker.began, worker.computing = None, False
        self._used += request.cpu
        if worker.leaving:
            self._workers.remove(worker)
        self._at(self.now + request.idle, lambda: self._finish(arrived))
        self._dispatch()

    def _finish(self, arrived: float) -> None:
        self.finished += 1
        self.slowest = max(self.slowest, self.now - arrived)
        if self.clients:
            self._arrive()

    def _sample(self) -> None:
        serving = [worker for worker in self._workers if not worker.leaving]
        awake = [self.now - worker.began for worker in serving if worker.began is not None]
        before = self.scaler.target
        target = self.scaler.decide(
            Sample(
                time=self.now,
                workers=len(serving),
                queued=len(self._queue),
                cpu=min(self._used, self.cpus - self.engine_cpu),
                engine_cpu=self.engine_cpu,
                awake=len(awake),
                blocked=sum(since > BLOCKED_SECONDS for since in awake),
            )
        )
        self._used = 0.0
        if target != before:
            self.targets.append((self.now, target))
        self._follow(target)
        self._at(self.now + 1.0, self._sample)

    def _follow(self, target: int) -> None:
        """What the supervisor does."""
        for _ in range(target - self.workers - self._starting):
            self._starting += 1
            self._at(self.now + START_SECONDS, self._started)
        for worker in [worker for worker in self._workers if not worker.leaving][: max(0, self.workers - target)]:
            worker.leaving = True
            if worker.began is None:
                self._workers.remove(worker)

    def _started(self) -> None:
        self._starting -= 1
        self._workers.append(Worker())
        self._dispatch()
