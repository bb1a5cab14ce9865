"""Programs of the computer: started by argv, never by a shell of ours; output bounded; stopped as a group."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, Sequence

OUTPUT_LIMIT_BYTES = 64 * 1024
"""How much of a program's output is kept: its end, where the reason stands."""


class Result:
    """How a program ended. ``code`` is None where it was stopped for taking too long, negative for a signal."""

    __slots__ = ("argv", "code", "err", "out", "seconds")

    def __init__(self, argv: Sequence[str], code: int | None, out: str, err: str, seconds: float) -> None:
        self.argv = list(argv)
        self.code = code
        self.out = out
        self.err = err
        self.seconds = seconds

    @property
    def ok(self) -> bool:
        """Whether the program says it succeeded: evidence, never proof."""
        return self.code == 0

    def evidence(self) -> dict[str, Any]:
        """What a record keeps of it."""
        output = (self.out + self.err).strip()
        return {"argv": self.argv, "exit_code": self.code, "output": output[-2000:], "seconds": round(self.seconds, 3)}


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = 900,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    stdin: bytes = b"",
) -> Result:
    """Run a program to its end.

    Output goes to files, not pipes, so that a daemon which keeps the descriptors open cannot hold us.

    Args:
        argv: the program and its arguments; ``~/`` at the beginning of one is the home of whoever we are.
        timeout_s: after this the program's whole process group is killed.
        environment: added to a small, fixed environment (C.UTF-8, a full PATH).
        directory: where it runs.
        stdin: what it may read.

    Raises:
        OSError: it cannot be started (missing, not executable).
    """
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": os.path.expanduser("~"),
    }
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "TMPDIR"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(environment or {})
    argv = [os.path.expanduser(part) if part.startswith("~/") else part for part in argv]
    began = time.monotonic()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=env,
            cwd=directory,
            start_new_session=True,
        )
        try:
            child.communicate(stdin or None, timeout=timeout_s)
            code: int | None = child.returncode
        except subprocess.TimeoutExpired:
            stop_group(child)
            code = None
        return Result(argv, code, tail(out), tail(err), time.monotonic() - began)


def stop_group(child: subprocess.Popen[bytes]) -> None:
    """Ask the child's process group to end, then end it."""
    for sign, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            return
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return


def tail(stream: Any) -> str:
    """The last part of what was written to a file."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - OUTPUT_LIMIT_BYTES))
    return str(stream.read().decode("utf-8", "replace"))
