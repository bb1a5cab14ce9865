"""Windows installers for tests: MSI of wixl and set-ups of makensis, and small programs that carry a maker's marks.

Inno Setup, WiX Burn and InstallShield cannot be built from Debian's packages: ``program_of`` puts together the
least that is a Windows program, with the marks that those makers' own runtimes look for.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

needs_wixl = pytest.mark.skipif(shutil.which("wixl") is None, reason="no wixl on this machine (tests/prepare.sh)")
needs_nsis = pytest.mark.skipif(shutil.which("makensis") is None, reason="no makensis on this machine")

WXS = """\
<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="11111111-2222-3333-4444-555555555555" Name="Arsip Kantor" Language="1033" Version="{version}"
      Manufacturer="Contoh" UpgradeCode="99999999-2222-3333-4444-555555555555">
    <Package InstallerVersion="200" Compressed="yes" InstallScope="perMachine"/>
    <MediaTemplate EmbedCab="yes"/>
    <Property Id="PANJANG" Value="{long}"/>
    <Condition Message="Perlu Windows 10.">VersionNT &gt;= 603</Condition>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFilesFolder"><Directory Id="INSTALLDIR" Name="Arsip">
      <Component Id="main" Guid="21111111-2222-3333-4444-555555555555">
        <File Id="f" Source="arsip.txt" KeyPath="yes"/>
      </Component>
    </Directory></Directory></Directory>
    <Feature Id="Utama" Title="Program utama" Level="1"><ComponentRef Id="main"/></Feature>
  </Product>
</Wix>
"""
NSI = """\
{target}
Name "Arsip"
OutFile "arsip.exe"
RequestExecutionLevel admin
VIProductVersion "1.2.3.0"
VIAddVersionKey "ProductName" "Arsip Kantor"
VIAddVersionKey "ProductVersion" "1.2.3"
VIAddVersionKey "CompanyName" "Contoh"
VIAddVersionKey "FileVersion" "1.2.3.0"
VIAddVersionKey "FileDescription" "Pemasang"
VIAddVersionKey "LegalCopyright" "Contoh"
Section
SectionEnd
"""


def msi_of(folder: Path, *, version: str = "1.2.3", arch: str = "x64", long: str = "x") -> bytes:
    """An MSI, built by wixl in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arsip.txt").write_text("arsip\n")
    (folder / "arsip.wxs").write_text(WXS.format(version=version, long=long), encoding="utf-8")
    subprocess.run(["wixl", "-a", arch, "-o", "arsip.msi", "arsip.wxs"], cwd=folder, check=True, capture_output=True)
    return (folder / "arsip.msi").read_bytes()


def nsis_of(folder: Path, *, target: str = "Unicode true") -> bytes:
    """A set-up program, built by makensis in ``folder``; ``Target amd64-unicode`` for 64 bits."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arsip.nsi").write_text(NSI.format(target=target))
    subprocess.run(["makensis", "-V1", "arsip.nsi"], cwd=folder, check=True, capture_output=True)
    return (folder / "arsip.exe").read_bytes()


def program_of(
    *,
    section: bytes = b".text",
    behind: bytes = b"",
    rcdata: bytes = b"",
    machine: int = 0x14C,
    certificate: bytes = b"",
) -> bytes:
    """The least that is a Windows program: headers, one section, what stands behind it, a resource 11111 of RCDATA."""
    tree = b""
    for level, number in enumerate((10, 11111, 1033)):
        below = 24 * (level + 1)
        tree += struct.pack("<IIHHHHII", 0, 0, 0, 0, 0, 1, number, below | (0x80000000 if level < 2 else 0))
    tree += struct.pack("<IIII", 0x1000 + 88, len(rcdata), 0, 0) + rcdata
    content = (tree if rcdata else b"").ljust(512, b"\0")
    wide = machine != 0x14C
    directories = [(0, 0)] * 16
    if rcdata:
        directories[2] = (0x1000, len(tree))
    if certificate:
        directories[4] = (1024 + len(behind), len(certificate))
    optional = struct.pack("<HBBIIIII", 0x20B if wide else 0x10B, 14, 0, 512, 0, 0, 0x1000, 0x1000)
    optional += struct.pack("<Q", 0x140000000) if wide else struct.pack("<II", 0, 0x400000)
    optional += struct.pack("<IIHHHHHHIIIIHH", 0x1000, 512, 6, 0, 0, 0, 6, 0, 0, 0x2000, 512, 0, 2, 0)
    optional += struct.pack("<QQQQ" if wide else "<IIII", 0x100000, 0x1000, 0x100000, 0x1000)
    optional += struct.pack("<II", 0, 16) + b"".join(struct.pack("<II", *d) for d in directories)
    head = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x22 if wide else 0x102)
    head += optional + struct.pack("<8sIIIIIIHHI", section, 512, 0x1000, 512, 512, 0, 0, 0, 0, 0x60000020)
    return head.ljust(512, b"\0") + content + behind + certificate


def compound_of(
    streams: Mapping[str, bytes], *, cutoff_bytes: int = 4096, announced: Mapping[str, int] | None = None
) -> bytes:
    """A compound file of 512-byte sectors: streams by name, each in large sectors; no mini stream but a looping one.

    Args:
        streams: by name, each of 4096 bytes at least, or it is read as a small one.
        cutoff_bytes: what the header says of it.
        announced: sizes that are not the streams' own; those below ``cutoff_bytes`` lead into the mini stream, all of
            whose sectors follow each other in a circle.
    """
    last, mini = 0xFFFFFFFE, struct.pack("<128I", *range(1, 8), *[0] * 121)
    sectors: list[bytes] = [mini, bytes(512)]
    follows = [last, last]
    entries = [("Root Entry", 5, 1, 512)]
    for name, content in streams.items():
        padded = content + bytes(-len(content) % 512)
        start = len(sectors)
        sectors += [padded[at : at + 512] for at in range(0, len(padded), 512)]
        follows += [*range(start + 1, len(sectors)), last] if content else []
        size_bytes = (announced or {}).get(name, len(content))
        entries.append((name, 2, 0 if size_bytes < cutoff_bytes else start, size_bytes))
    directory, rows = len(sectors), b""
    for number, (name, kind, start, size_bytes) in enumerate(entries):
        packed = name.encode("utf-16-le") + b"\0\0"
        right = number + 1 if 0 < number < len(entries) - 1 else 0xFFFFFFFF
        child = 1 if number == 0 else 0xFFFFFFFF
        rows += struct.pack("<64sHBBIII", packed, len(packed), kind, 1, 0xFFFFFFFF, right, child)
        rows += bytes(36) + struct.pack("<IQ", start, size_bytes)
    rows += bytes(-len(rows) % 512)
    sectors += [rows[at : at + 512] for at in range(0, len(rows), 512)]
    follows += [*range(directory + 1, len(sectors)), last]
    tables = -(-len(sectors) // 127)
    places = list(range(len(sectors), len(sectors) + tables))
    follows += [0xFFFFFFFD] * tables
    follows += [0xFFFFFFFF] * (tables * 128 - len(follows))
    head = struct.pack("<8s16xHHHHH6xI", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6, 0)
    head += struct.pack("<8I", tables, directory, 0, cutoff_bytes, 0, 1, last, 0)
    head += struct.pack("<109I", *places, *[0xFFFFFFFF] * (109 - tables))
    return head + b"".join(sectors) + struct.pack(f"<{len(follows)}I", *follows)
