"""Programs that an installer left at work by hand: they are in the control group of the unit that we ran in.

Whatever a service manager has started is in another one, and is never touched. Without systemd nobody can tell.
"""

from __future__ import annotations

import os
import time

from agent.host import boot, systemd, trees
from agent.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.host.trees import Part


def find(folders: Sequence[str]) -> list[Part]:
    """What is left at work of some runs of this computer, by the folders that they have here."""
    own = trees.own_group()
    if not own:
        return []
    groups = {f"{os.path.dirname(own)}/{systemd.OURS}{boot.word(os.path.basename(each))}.service" for each in folders}
    pids = {pid for group in {own, *groups} for pid in trees.members(group)} - {os.getpid()}
    return [row for row in map(trees.row_of, sorted(pids)) if row is not None]


def stop(parts: Sequence[Part]) -> list[str]:
    """Ask processes to end, and end them; how each is told of."""
    told = [f"process {part.pid} ({part.name})" for part in parts]
    for number, patience_s in ((signal.SIGTERM, trees.GRACE_S), (signal.SIGKILL, trees.KILLING_S)):
        for part in parts:
            trees.tell(part, number)
            trees.tell(part, signal.SIGCONT)
        deadline = time.monotonic() + patience_s
        while parts and time.monotonic() < deadline:
            time.sleep(trees.LOOK_AGAIN_S)
            parts = [part for part in parts if (now := trees.row_of(part.pid)) and now.began == part.began]
        if not parts:
            break
    return told
