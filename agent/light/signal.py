"""Signals as plain numbers. Source: Modules/signalmodule.c; ``signal`` wraps each of these in an enumeration."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import *  # noqa: F403
else:
    from _signal import *  # noqa: F403
