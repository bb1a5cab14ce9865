"""A process that outlives the line, on Linux: a unit of systemd's where we may, else a session of its own."""

from __future__ import annotations

import os

from agent.host import boot, systemd
from agent.host.bus import BusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.host import Host


def start(host: Host, folder: str, argv: list[str], run: str) -> None:
    """Let a run go on in a process that outlives us.

    Args:
        host: this computer.
        folder: the run's.
        argv: the program.
        run: the run's name.
    """
    if host.is_administrator and systemd.is_running():
        try:
            systemd.start_transient(f"{systemd.OURS}{boot.word(run)}.service", argv, "Pasang " + run)
        except BusError:
            pass  # a session of its own outlives the line too, if not a kill
        else:
            return
    new_session(argv, os.path.join(folder, "agent.log"))


def new_session(argv: list[str], log: str) -> None:
    """Start a program in a session of its own, twice forked, so that nothing of ours is its parent."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        with open(os.devnull, "rb") as nothing, open(log, "ab") as output:
            os.dup2(nothing.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir("/")
        os.execv(argv[0], argv)  # noqa: S606 - no shell is what we want
    finally:
        os._exit(127)
