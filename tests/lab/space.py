"""The lab's own corner of this machine: one process that holds a network, a mount and a process namespace.

Everything of a lab lives inside. When that process ends, for whatever reason, the kernel ends every computer with it
and takes the mounts, the bridge and the addresses away: there is nothing to clean up but empty folders.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

GATEWAY = "10.77.0.1"
PREFIX_BITS = 16
_CLONE_NEWNET = 0x40000000  # Source: <linux/sched.h>

# $1 is the folder of the computers' disks. A cgroup v1 machine shows systemd 257 a hierarchy it refuses to boot on, so
# the unified one is mounted over it, here only. SIGCHLD is ignored so that PID 1 of the namespace leaves no zombies.
_SETUP = """
set -e
trap '' CHLD
mount -t tmpfs -o mode=755,size=75% lab-disks "$1"
umount -R /sys/fs/cgroup 2>/dev/null || umount -R -l /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 lab-cgroup /sys/fs/cgroup
mkdir -p /run/systemd /run/netns
mount -t tmpfs -o mode=755 lab-run /run/systemd
mount -t tmpfs -o mode=755 lab-netns /run/netns
ip link set lo up
ip link add lab0 type bridge
ip address add "$2" dev lab0
ip link set lab0 up
echo ready
"""
_WAIT = {False: "exec cat >/dev/null\n", True: "exec sleep infinity <&- >&-\n"}

# Limits of a machine that are too small for many computers, each counted for root as a whole.
_SYSCTL = {
    "fs/inotify/max_user_instances": 65536,
    "fs/inotify/max_user_watches": 1048576,
    "kernel/keys/maxkeys": 100000,
    "kernel/keys/maxbytes": 25000000,
    "kernel/keys/root_maxkeys": 1000000,
}


class Space:
    """The namespaces of one lab, known by the process that keeps them."""

    def __init__(self, keeper_pid: int, lock: Path, guard: subprocess.Popen[str] | None = None) -> None:
        self.keeper_pid = keeper_pid
        self._lock = lock
        self._guard = guard

    @classmethod
    def create(cls, disks: Path, lock: Path, *, detached: bool = False) -> Space:
        """Make the namespaces and the bridge.

        Args:
            disks: an existing empty folder; inside the space it holds the computers' disks (memory).
            lock: a file the keeper holds locked as long as it lives (see `is_locked`).
            detached: whether the space outlives this process; otherwise it ends with it, even after SIGKILL.
        """
        raise_limits()
        argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        argv += ["sh", "-c", _SETUP + _WAIT[detached], "lab-keeper", str(disks), f"{GATEWAY}/{PREFIX_BITS}"]
        with lock.with_suffix(".new").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            Path(held.name).rename(lock)  # locked from its first moment on: nobody takes us for dead
            guard = subprocess.Popen(
                argv, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[held.fileno()],  # the lock lives as long as the keeper has the file open
                start_new_session=True,  # Ctrl-C is for us: we take the lab down in order
            )  # fmt: skip
        assert guard.stdout is not None
        assert guard.stderr is not None
        if guard.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the lab's namespaces could not be made: {guard.stderr.read().strip()}")
        children = Path(f"/proc/{guard.pid}/task/{guard.pid}/children").read_text().split()
        return cls(int(children[0]), lock, guard)

    @property
    def root(self) -> Path:
        """The space's view of the file system, readable from outside."""
        return Path(f"/proc/{self.keeper_pid}/root")

    def alive(self) -> bool:
        """Whether the keeper still runs."""
        return is_locked(self._lock)

    def argv(self, argv: list[str], *, deep: bool = False) -> list[str]:
        """Return the command that runs `argv` on the lab's network (`deep`: and its mounts and processes)."""
        what = ["--mount", "--net", "--pid"] if deep else ["--net"]
        return ["nsenter", f"--target={self.keeper_pid}", *what, "--", *argv]

    def sh(self, script: str, *args: str) -> str:
        """Run a shell script inside, with the space's mounts; return what it printed.

        Raises:
            RuntimeError: it failed.
        """
        argv = self.argv(["sh", "-euc", script, "lab", *args], deep=True)
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"a script inside the lab failed: {done.stderr.strip()}")
        return done.stdout

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Put the calling thread, and the threads and processes it starts, on the lab's network."""
        with Path("/proc/thread-self/ns/net").open() as before, Path(f"/proc/{self.keeper_pid}/ns/net").open() as lab:
            _setns(lab.fileno())
            try:
                yield
            finally:
                _setns(before.fileno())

    def close(self) -> None:
        """End everything inside and wait until it is gone."""
        if self.alive():
            os.kill(self.keeper_pid, signal.SIGKILL)
        if self._guard is not None:
            self._guard.wait()
            for stream in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
                if stream is not None:
                    stream.close()
            self._guard = None
        wait_until(lambda: not self.alive(), timeout_s=30, what="the end of the lab's processes")

    def release(self) -> None:
        """Let go of a detached space: from now on only its process id leads to it."""
        if self._guard is not None:
            for stream in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
                if stream is not None:
                    stream.close()
            self._guard.returncode = 0  # it is meant to outlive us
            self._guard = None


def is_locked(path: Path) -> bool:
    """Whether somebody holds `path` locked: for a lab's lock, whether its keeper lives (process ids are used again)."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def raise_limits() -> None:
    """Make this machine's kernel allow some hundred systemds at once; never lowers what is higher already."""
    for name, least in _SYSCTL.items():
        path = Path("/proc/sys") / name
        if path.exists() and int(path.read_text()) < least:
            path.write_text(str(least))


def wait_until(true: Callable[[], bool], *, timeout_s: float, what: str, every_s: float = 0.02) -> None:
    """Ask `true` until it says so.

    Raises:
        TimeoutError: it did not within `timeout_s`; the message names `what`.
    """
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(every_s)


def _setns(fd: int) -> None:
    """Move the calling thread into a network namespace (os.setns is in Python 3.12 and later only)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns in thread {threading.get_ident()}: {os.strerror(number)}")
