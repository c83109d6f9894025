"""Runs a command in a user namespace where this user has another number; `embedded_os` starts it as a script.

A script of its own, because a process may enter a user namespace only while it has a single thread, and the
one that wants the server (a web server, a test run) has many.
Usage: `python embedded_launch.py UID COMMAND [ARGUMENT …]`.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
"""From <linux/sched.h>; `os.unshare` came with Python 3.12."""
EXIT_REFUSED = 71
"""EX_OSERR: the kernel or the container forbids user namespaces."""


def enter_namespace(inner_uid: int) -> None:
    """Become `inner_uid` here, while every file and signal outside still sees the user that we are.

    Example: `enter_namespace(1)` makes `os.geteuid() == 1`, and a file made next belongs to root outside.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    own = Path("/proc/self")
    # The kernel accepts a group map from an ordinary user only after setgroups is given up.
    (own / "setgroups").write_text("deny")
    (own / "uid_map").write_text(f"{inner_uid} {outer_uid} 1")
    (own / "gid_map").write_text(f"{inner_uid} {outer_gid} 1")


def main() -> None:
    """Enter the namespace and become the command; the capabilities of the namespace end with `exec`."""
    try:
        enter_namespace(int(sys.argv[1]))
    except OSError as error:
        sys.stderr.write(f"user namespaces are not allowed here: {error}\n")
        sys.exit(EXIT_REFUSED)
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606


if __name__ == "__main__":
    main()
