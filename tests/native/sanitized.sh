#!/bin/bash
# Builds the worker module with AddressSanitizer and UndefinedBehaviorSanitizer in a folder of its own and runs the
# native tests and the table of wire cases under them: tests/native/sanitized.sh [arguments of pytest]
# The engine (covet/libcovet.so) must have been built; the interpreter is $PYTHON, by default python.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=$(command -v "${PYTHON:-python}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$root"
cp -r bridge covet pybind tests pyproject.toml "$folder"
cd "$folder"
rm -rf covet/_worker.* pybind/*.o

"$python" - <<'BUILD'
import sys

sys.path.insert(0, "pybind")
from build_ffi import ffibuilder

sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
options = ffibuilder._assigned_source[3]
options["extra_compile_args"] += ["-O1", "-g", "-fno-omit-frame-pointer", *sanitize]
options["extra_link_args"] = sanitize
ffibuilder.compile(tmpdir=".")
BUILD

export LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc PYTHONPATH=$folder
(($#)) || set -- tests/native tests/wire/test_cases.py
"$python" -m pytest -q -p no:cacheprovider "$@"
