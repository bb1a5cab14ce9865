"""Our own start with the computer: the temporary service that a run goes on in starts by itself until that has ended.

Source: CreateServiceW (SERVICE_AUTO_START), DeleteService: what runs goes when it has stopped.
"""

from __future__ import annotations

import os

from agent.windows import scm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from agent.host import Host

PREFIX = "PasangAgent-"
"""How the names of our services begin; snapshots leave them out."""
DELAYS_S = (5, 30, 60)
"""How long after it died the service is started again."""
DAY_S = 86400


def is_possible(host: Host) -> bool:
    """Whether there is somebody here who would start us: the service manager, for administrators."""
    return host.is_administrator


def arrange(folder: str, argv: Sequence[str]) -> None:
    """Let a run be gone on with at every boot, and again when its process dies.

    Args:
        folder: the run's.
        argv: the program that goes on.

    Raises:
        OSError: the service cannot be made.
    """
    from agent.windows.start import command_line

    name, run, command = name_of(folder), os.path.basename(folder), command_line(argv)
    known = scm.config(name)
    if known is not None and (known.command, known.start) == (command, "auto"):
        return
    if known is not None:
        scm.change(name, command=command, start="auto")
        return
    scm.create(name, command, title="Pasang " + run, start="auto")
    scm.describe(name, "Pasang carries out " + run + ", and removes this service when that has ended.")
    try:
        scm.restart_after_failure(name, delays_s=DELAYS_S, reset_s=DAY_S)
    except OSError:  # Wine starts nothing again; the next contact does
        return


def forget(folder: str) -> None:
    """Take the service of a run away: it ends. Nothing where there is none."""
    try:
        scm.delete(name_of(folder))
    except OSError:  # one that stays starts an agent that finds the run ended and tries again
        return


def name_of(folder: str) -> str:
    """The name of a run's service."""
    return PREFIX + word(os.path.basename(folder))


def word(name: str) -> str:
    """A name as it may stand within that of a service."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name)
