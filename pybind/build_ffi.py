"""Builds `covet._worker`, the worker's native module, with cffi in API mode.

setup.py names `ffibuilder` in cffi_modules; `python pybind/build_ffi.py` builds it in
place by itself.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SOURCES = (
    "port.c",
    "exchange.c",
    "request.c",
    "params.c",
    "fields.c",
    "socket.c",
    "messages.c",
    "asgi.c",
    "respond.c",
    "outcome.c",
    "plain.c",
    "pieces.c",
    "arrival.c",
    "driver.c",
    "lane.c",
    "drain.c",
    "figures.c",
    "runner.c",
    "module.c",
)

ffibuilder = FFI()
ffibuilder.cdef("int covet_bind(uintptr_t dict);")
ffibuilder.set_source(
    "covet._worker",
    '#include "binding.h"',
    sources=[f"pybind/{name}" for name in SOURCES],
    include_dirs=["bridge", "pybind"],
    depends=["bridge/channel.h", "pybind/port.h", "pybind/worker.h", "pybind/binding.h"],
    define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", None)],
    extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-cast-function-type"],
    py_limited_api=True,
)

if __name__ == "__main__":
    import os

    os.chdir(ROOT)
    ffibuilder.compile(tmpdir=".", verbose=True)
