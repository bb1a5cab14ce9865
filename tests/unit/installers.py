"""Installers made for tests: Debian packages and archives, right ones and wrong ones, the same bytes every time."""

from __future__ import annotations

import gzip
import io
import lzma
import subprocess
import tarfile
import zipfile
from collections.abc import Mapping

CONTROL = """\
Package: kilat
Version: 1:2.0+ds1-3
Architecture: amd64
Installed-Size: 12
Depends: libc6 (>= 2.34),
 adduser
Pre-Depends: init-system-helpers
Provides: pelayan
Description: pelayan contoh
 kalimat kedua
"""


def tar_of(files: Mapping[str, bytes], *, members: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    """A plain tar of these files, and of members that hold no bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return buffer.getvalue()


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link, a folder, a device."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def packed(content: bytes, how: str) -> bytes:
    """Compressed as the ending ``how`` says."""
    if how == ".gz":
        return gzip.compress(content, mtime=0)
    if how == ".xz":
        return lzma.compress(content)
    if how == ".zst":
        return subprocess.run(["zstd", "-qc"], input=content, stdout=subprocess.PIPE, check=True).stdout
    return content


def ar_of(parts: Mapping[str, bytes]) -> bytes:
    """An ar archive of these members in order."""
    out = b"!<arch>\n"
    for name, content in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode("ascii") + content
        out += b"\n" * (len(content) % 2)
    return out


def deb_of(*, control: str = CONTROL, how: str = ".xz", files: Mapping[str, bytes] | None = None) -> bytes:
    """A Debian package."""
    files = files if files is not None else {"./usr/bin/kilat": b"x" * 5000, "./etc/kilat.conf": b"a = 1\n"}
    conffiles = "".join(f"{n[1:]}\n" for n in files if n.startswith("./etc/")).encode()
    inner = tar_of({"./control": control.encode(), "./conffiles": conffiles})
    return ar_of(
        {
            "debian-binary": b"2.0\n",
            "control.tar" + how: packed(inner, how),
            "data.tar" + how: packed(tar_of(files), how),
        }
    )


def zip_of(files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> bytes:
    """A zip of these files and symbolic links."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    return buffer.getvalue()
