"""Writes `_engine_abi.py`: the C declarations of the engine's control functions, as cffi compiles them."""

from pathlib import Path

DECLARATIONS = """
int64_t covet_engine_new(const char *config_json, char *err, int err_len);
int covet_engine_channel(int64_t h, int place, int *fds, int n);
int covet_engine_install(int64_t h, const char *config_json, char *err, int err_len);
int covet_engine_admit(int64_t h, int place, uint32_t table, char *err, int err_len);
int covet_engine_retire(int64_t h, int place, char *err, int err_len);
int covet_engine_reclaim(int64_t h, int place, char *buf, int len);
int covet_engine_event_fd(int64_t h);
int covet_engine_events(int64_t h, char *buf, int len);
int covet_engine_start(int64_t h, char *err, int err_len);
int covet_engine_address(int64_t h, int i, char *buf, int len);
int covet_engine_drain(int64_t h);
int covet_engine_status(int64_t h, char *buf, int len);
int covet_engine_stop(int64_t h, int timeout_ms);
int covet_engine_free(int64_t h);
const char *covet_version(void);
"""
TARGET = Path(__file__).with_name("_engine_abi.py")


def write(target: Path) -> None:
    """Writes the module."""
    import cffi

    builder = cffi.FFI()
    builder.cdef(DECLARATIONS)
    builder.set_source("covet._engine_abi", None)
    builder.emit_python_code(str(target))
    code = target.read_text("utf-8").partition("\n")[2]
    target.write_text(f"# Written by covet/engine_abi.py.\n# ruff: noqa\n# fmt: off\n{code}", "utf-8")


if __name__ == "__main__":
    write(TARGET)
