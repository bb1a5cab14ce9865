"""What differs by platform. The rest of the agent asks a ``Host`` and never the platform."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.host.linux import LinuxHost

    Host = LinuxHost


def this_host(root: str) -> Host:
    """The computer the agent runs on; ``root`` is the agent's own folder there.

    Raises:
        RuntimeError: the platform has no host module.
    """
    if sys.platform.startswith("linux"):
        from agent.host.linux import LinuxHost

        return LinuxHost(root)
    raise RuntimeError("no host module for " + sys.platform)
