"""What the supervisor is told by the command line."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from covet.checks import ConfigError
from covet.cpus import available_cpus
from covet.options import MOST_WORKERS, ServeOptions
from covet.scaling import worker_range

ROOM = 4


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """How several workers serve an application.

    Attributes:
        app: the application's name, such as "main:app".
        serve: where and how to serve. Its numbers of workers are not read: those here have no "auto" and no None.
        settings: settings of `CovetPy(...)`, instead of the application's own.
        workers: how many workers serve at first.
        workers_min: the fewest that scaling and SIGTTOU leave.
        workers_max: the most that scaling and SIGTTIN start; None is the number of CPUs, or room for a few more than
            `workers` if that is more.
        autoscale: change the number of workers between those two as the load asks for it.
        timeout_worker_startup: the seconds that a worker's start-up may take once the application is imported; None
            is no limit.
    """

    app: str
    serve: ServeOptions = field(default_factory=ServeOptions)
    settings: Mapping[str, Any] = field(default_factory=dict)
    workers: int = 1
    workers_min: int = 1
    workers_max: int | None = None
    autoscale: bool = False
    timeout_worker_startup: float | None = 600.0

    def __post_init__(self) -> None:
        for name in ("workers", "workers_min", "workers_max"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MOST_WORKERS:
                raise ConfigError(f"{name} must be from 1 to {MOST_WORKERS}, not {value}")
        if not self.workers_min <= self.workers <= self.most:
            raise ConfigError(f"workers must be from {self.workers_min} to {self.most}, not {self.workers}")

    @property
    def most(self) -> int:
        """The most workers that may serve at a time."""
        return self.workers_max or min(MOST_WORKERS, max(2 * self.workers, self.workers + ROOM, os.cpu_count() or 1))

    @property
    def recycles(self) -> bool:
        """Whether a worker is replaced when it reaches some limit."""
        return any((self.serve.limit_max_requests, self.serve.workers_lifetime, self.serve.workers_max_rss))


def options_for(app: str, serve: ServeOptions, settings: Mapping[str, Any]) -> SupervisorOptions:
    """The supervisor's options for those of the command line.

    Args:
        app: the application's name.
        serve: the options; "auto" for `workers`, or a `workers_min` or `workers_max`, asks for scaling.
        settings: settings instead of the application's own.

    Raises:
        ConfigError: a number of workers cannot be used.
    """
    if serve.workers != "auto" and serve.workers_min is None and serve.workers_max is None:
        return SupervisorOptions(app, serve, settings, workers=int(serve.workers or 1))
    cpus = available_cpus()
    least, most = worker_range(serve.workers_min, serve.workers_max, min(MOST_WORKERS, cpus))
    return SupervisorOptions(
        app,
        serve,
        settings,
        workers=min(max(cpus, least), most),
        workers_min=least,
        workers_max=most,
        autoscale=most > least,
    )
