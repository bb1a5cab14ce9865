"""A Python that was brought to this computer, on Linux: one of the agent's own folders.

``agent/windows/brought.py`` has the same name.
"""

from __future__ import annotations

import os


def give_up(root: str) -> None:
    """Remove it. It may be the one we run on: what is still needed has been read.

    Args:
        root: the agent's folder.
    """
    import shutil  # seldom needed

    shutil.rmtree(os.path.join(root, "python"), ignore_errors=True)
