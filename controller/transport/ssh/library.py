"""The only door to paramiko.

paramiko imports invoke where it can, and needs it for ``Match exec`` of ssh_config alone; invoke and what it pulls in
take longer than the rest of paramiko (measured: 130 ms together, 75 ms without). paramiko itself is written for its
absence (``paramiko/config.py``: ``except ImportError``), so it is kept absent while paramiko is imported, and the one
thing it is wanted for is done here.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from types import SimpleNamespace

_WAS_ABSENT = "invoke" not in sys.modules
if _WAS_ABSENT:
    sys.modules["invoke"] = None  # type: ignore[assignment]  # how the import system spells "cannot be imported"
try:
    import paramiko
    import paramiko.auth_handler
    import paramiko.common
    import paramiko.config
finally:
    if _WAS_ABSENT:
        del sys.modules["invoke"]

__all__ = ["BROKEN", "LOG", "paramiko"]

BROKEN = (paramiko.SSHException, EOFError, OSError)
"""What paramiko raises of a connection that does not come about, or breaks."""

LOG = "pasang.ssh"
# What paramiko logs is raised as well, or said by our own errors; without a handler it would go to stderr.
logging.getLogger(LOG).addHandler(logging.NullHandler())


class _Runner:
    """What ``paramiko.config`` wants of invoke: to know whether a command of ssh_config's ``Match exec`` succeeds."""

    @staticmethod
    def run(command: str, **_: object) -> SimpleNamespace:
        """Runs the user's own command in the user's own shell, as OpenSSH does."""
        shell = os.environ.get("SHELL") or "/bin/sh"
        done = subprocess.run(
            [shell, "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        return SimpleNamespace(ok=done.returncode == 0)


paramiko.config.invoke = _Runner  # also where somebody else has brought invoke along: one way for ``Match exec``
