"""`python child.py PARENT COMMAND...`: become the command, as a process that is killed when its parent dies.

A supervisor that was killed leaves nobody who would restart or stop its parts, and the next start would meet them. It
is SIGKILL and not SIGTERM because that start must find port and database free at once; every part survives it.
What is asked of the kernel here outlives exec, so it holds for programs that are not ours, such as nats-server.
Run with -I -S: it needs nothing but the standard library, and is gone after some milliseconds.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    except (OSError, AttributeError):
        pass  # not Linux: there, parts outlive a supervisor that is killed
    if os.getppid() != int(parent):  # it died before the kernel was asked
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - what the supervisor was told to start  # nosec B606
