"""Keys of the registry as evidence: what stands in them, and when each was last written, by the kernel's word.

Programs have no call of Windows' documented interface that sets that time. Source: learn.microsoft.com,
RegQueryInfoKeyW; the one that does is NtSetInformationKey (phnt, KeyWriteTimeInformation).
"""

from __future__ import annotations

import ctypes

from agent.digest import sha256
from agent.windows import registry
from agent.windows.win32 import EPOCH_TICKS, HANDLE, LONG, LPVOID, FileTime, Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_advapi32 = Library("advapi32", RegQueryInfoKeyW=(LONG, HANDLE, *((LPVOID,) * 11)))


def below(key: str) -> Iterator[str]:
    """A key and all below it, as far as it is there and may be read."""
    try:
        if not registry.exists(key):
            return
        names = registry.subkeys(key)
    except OSError:
        return
    yield key
    for name in names:
        yield from below(f"{key}\\{name}")


def digest_of(key: str) -> str:
    """A digest of a key's values: names, types and bytes."""
    try:
        rows = sorted((name.lower(), *registry.kept(value)) for name, value in registry.values(key).items())
    except OSError:
        return "?"
    return str(sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest())[:16]


def written_at(key: str) -> float | None:
    """When a value or a key right below was last written or deleted, in seconds of the epoch; None without the key."""
    try:
        handle = registry.opened(key, "64", registry.READ)
    except OSError:
        return None
    if handle is None:
        return None
    found = FileTime()
    try:
        code = _advapi32.RegQueryInfoKeyW(handle, *((None,) * 10), ctypes.byref(found))
    finally:
        registry.close(handle)
    return None if code else (found.ticks - EPOCH_TICKS) / 1e7
