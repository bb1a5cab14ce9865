"""What a process of a program that hangs waits for, as Linux tells it: the kernel's call, and on what file.

``agent/windows/calls.py`` has the same names. Source: proc(5), wchan, syscall, fd.
"""

from __future__ import annotations

import os
import time

from agent.host.processes import PROC, content_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host.trees import Part

TERMINALS = ("/dev/tty", "/dev/pts/", "/dev/console")
ON_A_FILE = ("read", "accept", "accept4", "connect", "recvfrom", "recvmsg", "fcntl", "flock")
"""Calls whose first argument is a file."""
ON_FILES = ("poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait")
# fmt: off
CALLS = {
    "x86_64": {
        0: "read", 7: "poll", 23: "select", 35: "nanosleep", 42: "connect", 43: "accept", 45: "recvfrom", 47: "recvmsg",
        61: "wait4", 72: "fcntl", 73: "flock", 202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid",
        257: "openat", 270: "pselect6", 271: "ppoll", 281: "epoll_pwait", 288: "accept4",
    },
    "aarch64": {
        22: "epoll_pwait", 25: "fcntl", 32: "flock", 56: "openat", 63: "read", 72: "pselect6", 73: "ppoll",
        95: "waitid", 98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 202: "accept", 203: "connect",
        207: "recvfrom", 212: "recvmsg", 242: "accept4", 260: "wait4",
    },
}
# fmt: on
"""What processes wait in. Source: the kernel's syscall_64.tbl and asm-generic/unistd.h."""


def began_at(part: Part) -> float:
    """When a process began, in seconds of the epoch."""
    return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - part.began / os.sysconf("SC_CLK_TCK"))


def seen(part: Part) -> dict[str, Any]:
    """What can be seen of what a process waits for; without what cannot."""
    try:
        channel = content_of(f"{PROC}/{part.pid}/wchan")
    except OSError:
        channel = ""
    found = {"wchan": channel if channel != "0" else "", "call": call_of(part.pid), "unit": part.unit}
    return {key: value for key, value in found.items() if value}


def call_of(pid: int) -> str:
    """The call that a process waits in, and on what file: ``read stdin /dev/pts/0``; empty where nobody tells."""
    try:
        number, *arguments = content_of(f"{PROC}/{pid}/syscall").split()
        name = CALLS.get(os.uname().machine, {}).get(int(number), "")
    except (OSError, ValueError):
        return ""  # not ours to look at, or not waiting
    file = int(arguments[0], 16) if name in ON_A_FILE else 0
    target = link_of(pid, file) if name in (*ON_A_FILE, *ON_FILES) else ""
    if name in ON_FILES and not target.startswith(TERMINALS):
        target = ""  # on which of its files is not known; a terminal as its input is worth telling
    return " ".join(word for word in (name, "stdin" if target and file == 0 else "", target) if word)


def link_of(pid: int, file: int) -> str:
    """What a process has open under a number."""
    try:
        return os.readlink(f"{PROC}/{pid}/fd/{file}")
    except OSError:
        return ""


def reads_an_answer(call: str | None) -> bool:
    """Whether a call reads what a person would type: a terminal, or an input that another program may leave open."""
    name, _, rest = (call or "").partition(" ")
    target = rest.rpartition(" ")[2]
    return bool(target) and (
        (name == "read" and rest.startswith("stdin ")) or (name in ("read", *ON_FILES) and target.startswith(TERMINALS))
    )
