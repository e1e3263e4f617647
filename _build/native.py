"""setuptools commands that build the engine (Go) and the worker module (C)."""

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from setuptools import Extension
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import ExecError

from _build import toolchain
from _build.toolchain import ROOT

# giouring links to names of the standard library that the linker refuses by default.
LDFLAGS = "-s -w -checklinkname=0"
ENGINE_SOURCES = ("libcovet", "bridge")
WORKER_SOURCES = ("pybind", "bridge")


class GoLibrary(Extension):
    """A Go main package that becomes a C shared library inside the Python package.

    Args:
        name: where it goes, dotted: "covet.libcovet" becomes covet/libcovet.so.
        package: the Go package, relative to the project's root.
    """

    def __init__(self, name: str, package: str) -> None:
        super().__init__(name, sources=[])
        self.package = package


class BuildExt(build_ext):
    """build_ext that also builds GoLibrary extensions, each only when its sources have changed."""

    def run(self) -> None:
        toolchain.require_compiler()
        super().run()

    def get_ext_filename(self, fullname: str) -> str:
        extension = self.ext_map.get(fullname)
        if isinstance(extension, GoLibrary):
            return str(Path(*fullname.split(".")).with_suffix(".so"))
        return str(super().get_ext_filename(fullname))  # type: ignore[no-untyped-call]

    def build_extension(self, ext: Extension) -> None:
        if isinstance(ext, GoLibrary):
            target = Path(self.get_ext_fullpath(ext.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            library = build_go_library(ext.package, target.name, force=bool(self.force))
            self.copy_file(str(library), str(target))
            return
        ext.depends = [*ext.depends, *map(str, files_under(WORKER_SOURCES, (".c", ".h", ".py")))]
        super().build_extension(ext)


class BuildPy(build_py):
    """build_py that does not carry modules over which the sources no longer have."""

    def run(self) -> None:
        if not self.editable_mode:
            for package in self.packages or ():
                shutil.rmtree(Path(self.build_lib, *package.split(".")), ignore_errors=True)
        super().run()


def files_under(folders: tuple[str, ...], suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The files with one of `suffixes` in the project's `folders`, in a fixed order."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def build_go_library(package: str, name: str, *, force: bool) -> Path:
    """Builds `package` as a C shared library, unless that has been done from these very sources.

    Args:
        package: the Go package, relative to the project's root.
        name: the library's file name.
        force: build even if nothing has changed.

    Returns:
        The library, in the project's build folder.
    """
    go = toolchain.require_go()
    library = ROOT / "build" / "engine" / name
    stamp = library.with_suffix(".digest")
    command = [go, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", f"-ldflags={LDFLAGS}"]
    digest = source_digest([toolchain.go_version(go) or "", *command])
    if not force and library.exists() and stamp.exists() and stamp.read_text("utf-8") == digest:
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    command += ["-o", str(library), package]
    print("building the engine:", *command, flush=True)
    result = subprocess.run(command, cwd=ROOT, env=toolchain.go_environment(), check=False)
    if result.returncode:
        raise ExecError(f"the engine could not be built: go build exited with {result.returncode}")
    stamp.write_text(digest, "utf-8")
    return library


def source_digest(command: list[str]) -> str:
    """A hash over the engine's sources and the command that builds them."""
    digest = hashlib.sha256("\0".join(command).encode())
    for path in [ROOT / "go.mod", ROOT / "go.sum", *files_under(ENGINE_SOURCES, (".go", ".s", ".h"))]:
        if path.name.endswith("_test.go"):
            continue
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
