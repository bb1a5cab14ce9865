r"""A Python that was brought to this computer, on Windows: it lies where only administrators may write.

A program that runs cannot be removed, so what we run on is only said to be unwanted: the command that started us
removes it when we have ended (controller/transport/winrm/commands.py), and nothing uses it any more.
"""

from __future__ import annotations

import os
import shutil
import sys

UNWANTED = "unwanted"
BASE = r"Pasang\python"
"""Below Program Files."""


def give_up(root: str) -> None:
    """Remove all that were brought; the one we run on goes when we have ended.

    Args:
        root: the agent's folder, where they are not.
    """
    base = os.path.join(os.environ.get("PROGRAMFILES", r"C:\Program Files"), BASE)
    own = os.path.dirname(sys.executable)
    if not os.path.isdir(base):
        return
    for name in os.listdir(base):
        path = os.path.join(base, name)
        if os.path.normcase(path) != os.path.normcase(own):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with open(os.path.join(path, UNWANTED), "wb"):
                pass
