"""Who made a set-up program, by marks in the file, and the switches with which that maker says it asks nothing.

The switches are proposed to a person at intake, never used by themselves: the playbook's ``silent`` says what is used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pefile


@dataclass(frozen=True)
class Maker:
    """A maker of set-up programs."""

    name: str
    silent: tuple[str, ...]
    source: str
    """Where the maker says so."""


MAKERS = {
    "nsis": Maker("NSIS", ("/S",), "https://nsis.sourceforge.io/Docs/Chapter3.html (3.2.1 Common Options)"),
    "inno": Maker(
        "Inno Setup",
        ("/VERYSILENT", "/SUPPRESSMSGBOXES", "/NORESTART", "/SP-"),
        "https://jrsoftware.org/ishelp/topic_setupcmdline.htm",
    ),
    # The maker writes /v"/qn"; without blanks the quotes may be left out, and a list of arguments has none.
    "installshield": Maker(
        "InstallShield",
        ("/s", "/v/qn"),
        "https://docs.revenera.com/installshield/helplibrary/SilentInstall.htm "
        "(Basic MSI; InstallScript wants a response file)",
    ),
    "burn": Maker(
        "WiX Burn", ("/quiet", "/norestart"), "wixtoolset/wix, src/burn/engine/core.cpp (CoreParseCommandLine)"
    ),
}
NSIS_MARK = b"\xef\xbe\xad\xdeNullsoftInst"
"""At 4 of a block of 512 bytes after the program. Source: kichik/nsis, Source/exehead/fileform.h (firstheader)."""
INNO_RESOURCE = 11111
INNO_MARKS = (b"rDlPtS", b"nS5W7dT")
"""Source: dscharrer/innoextract, src/loader/offsets.cpp."""
SHIELD_MARKS = (b"InstallShield\0", b"ISSetupStream\0")
"""Where the data behind the program begins, at times after a debug record. Source: lifenjoiner/ISx, ISx.c."""
_SEARCH_BYTES = 64 * 1024


def maker_of(program: pefile.PE, strings: Mapping[str, str]) -> str:
    """``nsis``, ``inno``, ``installshield``, ``burn``; ``plain`` where none of their marks is there.

    Args:
        program: with its resources read.
        strings: of its version resource.
    """
    if any(section.Name.rstrip(b"\0") == b".wixburn" for section in program.sections):
        return "burn"  # Source: wixtoolset/wix, src/burn/engine/section.cpp
    if nsis_start(program) is not None:
        return "nsis"
    if _is_inno(program):
        return "inno"
    start = program.get_overlay_data_start_offset()
    behind = program.__data__[start : start + 1024] if start is not None else b""
    if any(mark in behind for mark in SHIELD_MARKS) or "ISInternalDescription" in strings:
        return "installshield"
    return "plain"


def nsis_start(program: pefile.PE) -> int | None:
    """Where the data of NSIS begins."""
    start = program.get_overlay_data_start_offset()
    if start is None:
        return None
    first = -(-start // 512) * 512
    blocks = range(first, first + _SEARCH_BYTES, 512)
    return next((at for at in blocks if program.__data__[at + 4 : at + 20] == NSIS_MARK), None)


def _is_inno(program: pefile.PE) -> bool:
    head = program.__data__[0x30:0x3C]
    if head[:4] == b"Inno" and len(head) == 12:  # before 5.1.5
        place, complement = struct.unpack_from("<II", head, 4)
        if place == complement ^ 0xFFFFFFFF:
            return True
    return any(content.startswith(INNO_MARKS) for content in resources(program, 10, INNO_RESOURCE))  # 10: RCDATA


def resources(program: pefile.PE, kind: int, number: int | None = None, limit: int = 16) -> list[bytes]:
    """The first 64 KiB of resources of a kind, ``limit`` of them at most."""
    found: list[bytes] = []
    top = getattr(program, "DIRECTORY_ENTRY_RESOURCE", None)
    for entry in top.entries if top else ():
        if entry.id != kind or not hasattr(entry, "directory"):
            continue
        for named in entry.directory.entries:
            if (number is not None and named.id != number) or not hasattr(named, "directory"):
                continue
            for leaf in named.directory.entries:
                if hasattr(leaf, "data") and len(found) < limit:
                    place = leaf.data.struct
                    found.append(program.get_data(place.OffsetToData, min(place.Size, _SEARCH_BYTES)))
    return found
