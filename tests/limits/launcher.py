"""Runs a command as nobody, with a seccomp filter that refuses io_uring: `launcher.py COMMAND ...`.

Nobody may read every file, as the interpreter may be in a home folder, but has no other privilege.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NOBODY = 65534
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_READ_SEARCH = 2
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000
BPF_LOAD_WORD = 0x20
BPF_JUMP_IF_AT_LEAST = 0x35
BPF_JUMP_IF_GREATER = 0x25
BPF_RETURN = 0x06
# io_uring_setup, io_uring_enter and io_uring_register have the same numbers on every architecture since Linux 5.1.
FIRST_REFUSED, LAST_REFUSED = 425, 427


class Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter of linux/filter.h."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def refuse_io_uring() -> None:
    """io_uring's system calls fail with EPERM from now on, in this process and those that it starts."""
    instructions = [
        instruction(BPF_LOAD_WORD, 0),  # the number of the system call
        instruction(BPF_JUMP_IF_AT_LEAST, FIRST_REFUSED, if_false=1),
        instruction(BPF_JUMP_IF_GREATER, LAST_REFUSED, if_false=1),
        instruction(BPF_RETURN, SECCOMP_RET_ALLOW),
        instruction(BPF_RETURN, SECCOMP_RET_ERRNO | errno.EPERM),
    ]
    program = Program(len(instructions), b"".join(instructions))
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def drop_privileges() -> None:
    """Root becomes nobody; anybody else stays who it is."""
    if os.geteuid() != 0:
        return
    call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    wanted = 1 << CAP_DAC_READ_SEARCH
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    call("capset", header, struct.pack("=6I", wanted, wanted, wanted, 0, 0, 0))
    call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


def call(name: str, *arguments: object) -> None:
    """Calls a function of libc. Raises OSError if it fails."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def main() -> None:
    if platform.machine() not in ("x86_64", "aarch64"):
        sys.exit("the numbers of the system calls are not known here")
    refuse_io_uring()
    drop_privileges()
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
