"""The rule by which `--workers auto` grows and shrinks the number of workers; docs/scaling.md tells why it is so."""

import math
from dataclasses import dataclass

FULL = 6.0
"""Pressure at which workers are added."""
MOST_PRESSURE = 2.0
"""What one second adds to the pressure at most, and what a second without a queue takes away."""
CPU_LEFT = 0.1
"""The part of the CPUs that must be unused for more workers to be of use, …"""
CPU_LEFT_BEYOND = 0.25
"""… and that part when there is a worker for each CPU already: only if they wait do more of them help."""
EASY = 0.5
"""How busy the workers that remain may be after some have gone."""
SMOOTH_SECONDS = 20.0
"""Over how long busyness is averaged."""
PATIENCE_SECONDS = 60.0
"""How long there must be too many workers before some go."""
MOST_PATIENCE_SECONDS = 960.0
QUEUE_COSTS = 5.0
"""The seconds of rest that a second with a queue takes away."""
REGRET_SECONDS = 300.0
"""Growth so soon after workers have gone says that it was too early."""
GAP_SECONDS = 5.0
"""After so long without a sample, what was seen before says nothing about now."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment.

    Args:
        time: seconds of a clock that does not go back.
        workers: how many workers serve; neither those that start nor those that end.
        queued: requests that no worker has begun.
        cpu: CPUs that the workers kept busy since the last sample; 1.5 is one and a half.
        engine_cpu: the same of the engine's process.
        awake: workers whose event loop was not waiting for something to do.
        blocked: workers whose event loop the engine reports as blocked.
    """

    time: float
    workers: int
    queued: int
    cpu: float = 0.0
    engine_cpu: float = 0.0
    awake: int = 0
    blocked: int = 0


def worker_range(minimum: int | None, maximum: int | None, cpus: int) -> tuple[int, int]:
    """The fewest and the most workers of `auto`.

    Args:
        minimum: `--workers-min`, if it was given.
        maximum: `--workers-max`, if it was given.
        cpus: the CPUs that the server has.

    Returns:
        A number that is not given is that of the CPUs, or the other one if that leaves no other choice.
    """
    if maximum is None:
        maximum = max(minimum or 1, cpus)
    if minimum is None:
        minimum = min(cpus, maximum)
    return minimum, maximum


class Scaler:
    """Decides how many workers there should be.

    It has no clock and starts nothing: the supervisor gives it a sample each second, and only while requests are in
    flight or more workers run than the minimum, so that a server at rest has no timer.

    Args:
        minimum: the fewest workers.
        maximum: the most workers.
        cpus: the CPUs that the server has.

    Attributes:
        target: how many workers there should be, as last decided; at first one for each CPU, within the limits.
    """

    def __init__(self, minimum: int, maximum: int, cpus: int) -> None:
        if not 1 <= minimum <= maximum:
            raise ValueError(f"the limits must be 1 <= minimum <= maximum, not {minimum} and {maximum}")
        self.minimum = minimum
        self.maximum = maximum
        self.cpus = max(1, cpus)
        self.target = self._within(self.cpus)
        self._patience = PATIENCE_SECONDS
        self._shrunk_at = -math.inf
        self._time = -math.inf
        self._start_over()

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to decide, so that no samples are needed."""
        return self.minimum == self.maximum

    def move(self, by: int) -> int:
        """Changes the target by hand, within the limits, and returns it.

        Args:
            by: workers more, or less if it is negative.
        """
        self.target = self._within(self.target + by)
        self._start_over()
        return self.target

    def decide(self, sample: Sample) -> int:
        """How many workers there should be.

        Args:
            sample: what was seen now.

        Returns:
            The new target; the same as before while workers are still starting or ending.
        """
        passed = sample.time - self._time
        self._time = sample.time
        if passed > GAP_SECONDS or passed <= 0 or sample.workers != self.target:
            self._start_over()
            return self.target
        self._notice(sample, passed)
        if self._pressure >= FULL:
            self._grow(sample)
        elif self._rested >= self._patience:
            self._shrink(sample)
        return self.target

    def _start_over(self) -> None:
        """Forgets what was seen of another number of workers."""
        self._pressure = 0.0
        self._cpu = 0.0
        self._awake = 0.0
        self._seen = 0.0
        self._rested = 0.0

    def _notice(self, sample: Sample, passed: float) -> None:
        seconds = min(passed, 1.0)
        if sample.queued == 0:
            self._pressure = max(0.0, self._pressure - MOST_PRESSURE * seconds)
        else:
            each = MOST_PRESSURE if sample.blocked else sample.queued / sample.workers
            self._pressure = min(FULL, self._pressure + min(each, MOST_PRESSURE) * seconds)
        self._seen = min(self._seen + passed, SMOOTH_SECONDS)
        weight = min(1.0, passed / self._seen)
        self._cpu += (sample.cpu - self._cpu) * weight
        self._awake += (sample.awake - self._awake) * weight
        if self._needed() >= sample.workers:
            self._rested = 0.0
        else:
            change = -QUEUE_COSTS if sample.queued else 1.0
            self._rested = max(0.0, self._rested + change * passed)

    def _needed(self) -> int:
        """The number of workers that would do what was done lately without being very busy."""
        # A worker that waits within its event loop is as busy as one that computes.
        busy = max(self._cpu, self._awake)
        return max(self.minimum, math.ceil(busy / EASY))

    def _grow(self, sample: Sample) -> None:
        left = self.cpus - max(sample.cpu, self._cpu) - sample.engine_cpu
        least = CPU_LEFT if sample.workers < self.cpus else CPU_LEFT_BEYOND
        if left < least * self.cpus and not sample.blocked:
            return
        more = max(1, sample.workers // 2, sample.blocked)
        useful = max(1, math.ceil(left), sample.blocked)
        target = self._within(sample.workers + min(more, useful, sample.queued))
        if target == self.target:
            return
        regretted = sample.time - self._shrunk_at < REGRET_SECONDS
        self._patience = min(2 * self._patience, MOST_PATIENCE_SECONDS) if regretted else PATIENCE_SECONDS
        self.target = target
        self._start_over()

    def _shrink(self, sample: Sample) -> None:
        fewer = max(1, sample.workers // 4)
        self.target = max(self._needed(), sample.workers - fewer)
        self._shrunk_at = sample.time
        self._start_over()

    def _within(self, count: int) -> int:
        return min(max(count, self.minimum), self.maximum)
