"""Runs one command and writes what it took: `meter.py RESULT.json LOG COMMAND…`.

It stands apart, so that nothing but the command and its descendants is counted: as a subreaper it inherits what the
command leaves in the background (OpenSSH's masters), ends that, and counts it too.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run, reap, write."""
    result, log, *argv = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with Path(log).open("ab") as output, Path(os.devnull).open("rb") as nothing:
        files = [(os.POSIX_SPAWN_DUP2, nothing.fileno(), 0)]
        files += [(os.POSIX_SPAWN_DUP2, output.fileno(), to) for to in (1, 2)]
        began = time.monotonic()
        pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=files)
        _, status = os.waitpid(pid, 0)
        wall_s = time.monotonic() - began
    while True:
        for child in Path("/proc/thread-self/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = {"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "code": os.waitstatus_to_exitcode(status)}
    Path(result).write_text(json.dumps(row))


main()
