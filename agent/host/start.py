"""Programs on Linux: how one is started, waited for, and what it writes to.

``agent/windows/start.py`` has the same names.
"""

from __future__ import annotations

import errno
import os
import time

from agent.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Mapping, Sequence

UMASK = 0o022
"""Of every program: what it makes is the computer's, and not for us alone as our own files are."""


def ticks_per_s() -> int:
    """What ``boot_ticks``, and all times of processes, are counted in."""
    return os.sysconf("SC_CLK_TCK")


def boot_ticks() -> int:
    """Now, as the kernel tells when a process began: in ticks since boot. Source: proc(5), stat, field 22."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def environment() -> dict[str, str]:
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


def scratch(content: bytes = b"", *, name: str = "") -> BinaryIO:
    """A file that goes with us, at its beginning: on the disk, or in memory where there is none for it.

    Args:
        content: what is in it.
        name: where it is found again by whoever goes on after we were killed; here that needs none.
    """
    try:
        handle = os.open(os.environ.get("TMPDIR", "/tmp"), os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600)  # noqa: S108
    except OSError:  # a file system that cannot, or is full or read-only
        handle = os.memfd_create("pasang")
    file = os.fdopen(handle, "w+b", buffering=0)
    file.write(content)
    file.seek(0)
    return file


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    directory: str | None,
    files: tuple[int, int, int],
    label: str,
    line: str | None = None,
) -> int:
    """Start a program in a session of its own and return its number.

    Args:
        argv: as for ``program.run``.
        env: its whole environment.
        directory: where it runs.
        files: its input, output and error output; it gets no other file of ours.
        label: what it is known by; here it stands in its environment.
        line: of no meaning here.

    Raises:
        OSError: as for ``program.run``.
    """
    for name in os.listdir("/proc/self/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                os.set_inheritable(int(name), False)
        except OSError:  # the folder we are listing
            continue
    here = os.open(".", os.O_PATH | os.O_DIRECTORY) if directory else -1
    own = os.umask(UMASK)
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
        os.umask(own)
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


def decoded(data: bytes) -> str:
    """What a program wrote, as text."""
    return data.decode("utf-8", "replace")


def exit_code(status: int) -> int:
    """What ``waitpid`` says, as ``Result.code``."""
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
