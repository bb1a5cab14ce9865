"""A Windows program: processor, version resource, rights it asks for, signature, and who made the set-up.

pefile reads the headers and the tree of resources, with limits of its own on entries and depth; nothing else is parsed.

Source: Microsoft, "Step 6: Create and Embed an Application Manifest (UAC)" (``requestedExecutionLevel``);
wixtoolset/wix, ``src/burn/engine/section.cpp`` (where a signature stands).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pefile

from controller.depot.archives import damaged
from controller.depot.makers import MAKERS, maker_of, nsis_start, resources
from controller.depot.msi import cut

MACHINES = {0x14C: "x86", 0x8664: "x86_64", 0xAA64: "aarch64", 0x1C4: "arm"}
"""Source: Linux, ``include/linux/pe.h`` (IMAGE_FILE_MACHINE_…)."""
_STRINGS = {
    "product": "ProductName",
    "version": "ProductVersion",
    "file_version": "FileVersion",
    "manufacturer": "CompanyName",
}
_RESOURCES, _CERTIFICATES = 2, 4
_MANIFEST = 24
STRING_LIMIT = 64


def read_pe(path: Path, where: str) -> dict[str, Any]:
    """What a .exe says of itself.

    Returns:
        ``architecture``, ``maker`` (``nsis``, ``inno``, ``installshield``, ``burn``, ``plain``); for a known maker
        ``silent`` and ``silent_source``, a proposal; ``signed`` (whether there is a signature; nothing is said of its
        worth); as far as they are there ``product``, ``version``, ``file_version``, ``manufacturer``,
        ``execution_level``.

    Raises:
        DepotError: damaged or cut off.
        OSError: it cannot be read.
    """
    try:
        program = pefile.PE(str(path), fast_load=True)
    except (pefile.PEFormatError, struct.error, ValueError, AttributeError, IndexError) as error:
        raise damaged(where, str(error) or type(error).__name__) from error
    try:
        program.parse_data_directories([_RESOURCES])
        return _meta(program, path.stat().st_size, where)
    except (pefile.PEFormatError, struct.error, ValueError, AttributeError, IndexError, TypeError, KeyError) as error:
        raise damaged(where, str(error) or type(error).__name__) from error
    finally:
        program.close()


def _meta(program: pefile.PE, size_bytes: int, where: str) -> dict[str, Any]:
    strings = _strings(program)
    certificates = next(iter(program.OPTIONAL_HEADER.DATA_DIRECTORY[_CERTIFICATES : _CERTIFICATES + 1]), None)
    signed = certificates is not None and certificates.Size > 0
    needs_bytes = [s.PointerToRawData + s.SizeOfRawData for s in program.sections if s.SizeOfRawData]
    if certificates is not None and signed:
        needs_bytes.append(certificates.VirtualAddress + certificates.Size)  # an offset in the file here, no address
    maker = maker_of(program, strings)
    start = nsis_start(program) if maker == "nsis" else None
    if start is not None:
        needs_bytes.append(start + struct.unpack_from("<I", program.__data__[start : start + 28], 24)[0])
    if max(needs_bytes, default=0) > size_bytes:
        raise damaged(where, f"{max(needs_bytes)} > {size_bytes} B")
    machine = program.FILE_HEADER.Machine
    meta = {key: cut(strings[name]) for key, name in _STRINGS.items() if strings.get(name)}
    if "version" not in meta and "file_version" in meta:
        meta["version"] = meta["file_version"]
    level = next((found for m in resources(program, _MANIFEST) if (found := _level(m))), None)
    return {
        **meta,
        "architecture": MACHINES.get(machine, f"0x{machine:x}"),
        "maker": maker,
        **({"silent": list(MAKERS[maker].silent), "silent_source": MAKERS[maker].source} if maker in MAKERS else {}),
        **({"execution_level": level} if level else {}),
        "signed": signed,
    }


def _strings(program: pefile.PE) -> dict[str, str]:
    """The first table of the version resource, blanks around values taken off."""
    for info in getattr(program, "FileInfo", None) or ():
        for part in info:
            for table in getattr(part, "StringTable", None) or ():
                pairs = list(table.entries.items())[:STRING_LIMIT]
                return {k.decode("utf-8", "replace"): v.decode("utf-8", "replace").strip("\0 ") for k, v in pairs}
    return {}


def _level(manifest: bytes) -> str | None:
    found = re.search(rb"requestedExecutionLevel\b[^>]{0,400}?\blevel\s*=\s*[\"'](\w{1,40})", manifest)
    return found[1].decode("ascii", "replace") if found else None
