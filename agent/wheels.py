"""psutil, out of the wheel that was sent for this computer."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host.linux import LinuxHost
    from agent.windows.host import WindowsHost


def psutil(host: LinuxHost | WindowsHost) -> Any:
    """The psutil module; None where there is none for this computer."""
    if host.psutil_digest and os.path.exists(host.blob(host.psutil_digest)):
        home = os.path.join(host.root, "psutil", host.psutil_digest)
        if not os.path.isdir(home):
            unpack_wheel(host.blob(host.psutil_digest), home)
        if home not in sys.path:
            sys.path.insert(1, home)
    try:
        import psutil
    except ImportError:
        return None
    return psutil


def unpack_wheel(archive: str, home: str) -> None:
    """Unpack a wheel after checking that it is the one its name says."""
    import zipfile

    from agent.digest import sha256_of_file

    if sha256_of_file(archive) != os.path.basename(archive):
        os.unlink(archive)
        return
    part = f"{home}.{os.getpid()}"
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(part)
    os.rename(part, home)
