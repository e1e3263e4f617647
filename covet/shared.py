"""Hands memory for the workers' own figures from the supervisor to the workers, which map it when they need it."""

import os

AREA = 1 << 20
"""Bytes for each place; pages are taken when they are used."""
PLACES = 128


class Given:
    """What this process was given: a descriptor of the memory, and its place."""

    descriptor = -1
    place = 0


def create() -> int:
    """The descriptor of memory for a server's workers. Raises OSError."""
    descriptor = os.memfd_create("covet-figures", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, AREA * PLACES)
    return descriptor


def give(descriptor: int, place: int) -> None:
    """This process is a worker, with this place."""
    Given.descriptor, Given.place = descriptor, place
