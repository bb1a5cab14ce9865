"""Programs of the computer: started by argv, never by a shell of ours; output bounded; stopped as a group.

Not by ``subprocess`` and ``tempfile``: importing them costs every computer a sixth of what the agent may take, and
their waiting looks for the end of a program in steps of up to 50 ms.
"""

from __future__ import annotations

import errno
import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Mapping, Sequence

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
    env = {**own_environment(), **(environment or {})}
    argv = [os.path.expanduser(part) if part.startswith("~/") else part for part in argv]
    began = time.monotonic()
    with scratch() as out, scratch() as err, scratch(stdin) as given:
        pid = spawn(argv, env, directory, (given.fileno(), out.fileno(), err.fileno()))
        code = wait(pid, timeout_s)
        if code is None:
            stop_group(pid)
        return Result(argv, code, tail(out), tail(err), time.monotonic() - began)


def own_environment() -> dict[str, str]:
    """The small, fixed environment in which programs run."""
    env = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": os.path.expanduser("~"),
    }
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "TMPDIR"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env


def scratch(content: bytes = b"") -> BinaryIO:
    """A file without a name, at its beginning: on the disk, or in memory where there is none for it."""
    try:
        handle = os.open(os.environ.get("TMPDIR", "/tmp"), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)  # noqa: S108
    except OSError:  # a file system that cannot, or is full or read-only
        handle = os.memfd_create("pasang")
    file = os.fdopen(handle, "w+b", buffering=0)
    file.write(content)
    file.seek(0)
    return file


def spawn(argv: Sequence[str], env: Mapping[str, str], directory: str | None, files: tuple[int, int, int]) -> int:
    """Start a program in a session of its own and return its number.

    Args:
        argv: as for ``run``.
        env: its whole environment.
        directory: where it runs.
        files: its input, output and error output; it gets no other file of ours.

    Raises:
        OSError: as for ``run``.
    """
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                os.set_inheritable(int(name), False)
        except OSError:  # the folder we are listing
            continue
    here = os.open(".", os.O_PATH | os.O_DIRECTORY) if directory else -1
    try:
        if directory:
            os.chdir(directory)
        return os.posix_spawn(
            find(argv[0], env["PATH"]),
            list(argv),
            dict(env),
            file_actions=[(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in enumerate(files)],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGTERM],
        )
    finally:
        if here != -1:
            os.fchdir(here)
            os.close(here)


def find(name: str, path: str) -> str:
    """Where a program is, as a shell would look for it."""
    if "/" in name:
        return name
    for folder in path.split(":"):
        found = os.path.join(folder, name)
        if os.access(found, os.X_OK) and os.path.isfile(found):
            return found
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def wait(pid: int, timeout_s: float) -> int | None:
    """Wait for a child: its exit code, negative for a signal; None where it still runs after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    handle = -1
    opens = getattr(os, "pidfd_open", None)
    if opens:
        try:
            handle = opens(pid)
        except OSError:  # a kernel older than 5.3
            opens = None
    if not opens:
        return wait_in_steps(pid, deadline)
    import select

    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(max(0, int((deadline - time.monotonic()) * 1000)))
    finally:
        os.close(handle)
    done, status = os.waitpid(pid, os.WNOHANG)
    return exit_code(status) if done else None


def wait_in_steps(pid: int, deadline: float) -> int | None:
    """As ``wait``, on Python 3.8 and on kernels that have nothing better."""
    pause_s = 0.0005
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        left_s = deadline - time.monotonic()
        if done or left_s <= 0:
            return exit_code(status) if done else None
        time.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * 2, 0.05)


def exit_code(status: int) -> int:
    """What ``waitpid`` says, as ``Result.code``."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def stop_group(pid: int) -> None:
    """Ask a child's process group to end, then end it."""
    for sign, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(pid, sign)
        except ProcessLookupError:
            return
        if wait(pid, patience_s) is not None:
            break
    try:
        os.killpg(pid, signal.SIGKILL)  # what did not end with it
    except ProcessLookupError:
        return


def tail(stream: BinaryIO) -> str:
    """The last part of what was written to a file."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - OUTPUT_LIMIT_BYTES))
    return stream.read().decode("utf-8", "replace")
