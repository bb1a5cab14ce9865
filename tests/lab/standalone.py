"""A Python that needs nothing of a computer but its C library, made of the lab's own: as one would be brought there."""

from __future__ import annotations

import tarfile
from pathlib import Path

from tests.lab.bases import ensure_base

NAME = "cpython-3.11.2+20260101-x86_64-unknown-linux-gnu-install_only.tar.gz"
LEFT_OUT = ("/test/", "/idlelib/", "/lib2to3/", "/ensurepip/", "/__pycache__/")


def standalone(folder: Path) -> Path:
    """Write the archive, laid out as the published ones are, and under a name like theirs."""
    usr = ensure_base("bookworm") / "usr"
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / NAME, "w:gz", compresslevel=1) as archive:
        archive.add(usr / "bin/python3.11", "python/bin/python3.11")
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.11"
        archive.addfile(link)
        archive.add(usr / "lib/python3.11", "python/lib/python3.11", filter=_needed)
    return folder / NAME


def _needed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if any(part in member.name + "/" for part in LEFT_OUT) else member
