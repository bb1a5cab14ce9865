"""The only door to paramiko.

paramiko imports invoke where it can, and needs it for ``Match exec`` of ssh_config alone; invoke and what it pulls in
take longer than the rest of paramiko (measured: 130 ms together, 75 ms without). paramiko itself is written for its
absence (``paramiko/config.py``: ``except ImportError``), so it is kept absent while paramiko is imported.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

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

__all__ = ["LOG", "paramiko", "with_match_exec"]

LOG = "pasang.ssh"
# What paramiko logs is raised as well, or said by our own errors; without a handler it would go to stderr.
logging.getLogger(LOG).addHandler(logging.NullHandler())


def with_match_exec() -> Any:
    """paramiko's ssh_config reader, able to run ``Match exec``."""
    if paramiko.config.invoke is None:
        import invoke

        paramiko.config.invoke = invoke
    return paramiko.config
