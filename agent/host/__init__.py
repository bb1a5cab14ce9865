"""What differs by platform. The rest of the agent asks a ``Host``, or a module of this package, and never the platform.

A module of this package is had by ``from agent.host import NAME``: on Windows that is the module of the same name of
``agent.windows``. On Linux nothing stands in between.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from agent.contents import Contents
    from agent.host.linux import LinuxHost

    Host = LinuxHost


if sys.platform == "win32":

    def __getattr__(name: str) -> Any:
        """A module of this package as Windows has it. Source: PEP 562."""
        import importlib

        try:
            return importlib.import_module("agent.windows." + name)
        except ModuleNotFoundError as error:
            raise AttributeError(name) from error


def this_host(root: str) -> Host:
    """The computer the agent runs on; ``root`` is the agent's own folder there.

    Raises:
        RuntimeError: the platform has no host module.
    """
    if sys.platform.startswith("linux"):
        from agent.host.linux import LinuxHost

        return LinuxHost(root)
    if sys.platform == "win32":
        from agent.windows.host import WindowsHost

        return WindowsHost(root)
    raise RuntimeError("no host module for " + sys.platform)


def state_of(system: str) -> Any:
    """What a snapshot looks at on a platform (``Host.os``), and what changes there by itself."""
    if system == "windows":
        from agent.windows import state

        return state
    from agent.host import state as own

    return own


def sweep_of(host: Any, keep: str, contents: Contents, runs: Sequence[str]) -> Any:
    """Whoever clears away, on this platform, what installers leave behind.

    Args:
        host: this computer.
        keep: the folder for copies of what is taken away.
        contents: what small files held before.
        runs: the folders of the runs that are taken back.
    """
    if host.os == "windows":
        from agent.windows.leftovers import Sweep as WindowsSweep

        return WindowsSweep(host, keep, contents)
    from agent.leftovers import Sweep

    return Sweep(host, keep, contents, runs)
