"""What an installer is, read out of the file itself: never out of its name, which is only checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.errors import DepotError
from controller.text import Text

_MAGIC = (
    (b"!<arch>\n", "deb"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "tar"),
    (b"BZh", "tar"),
    (b"\xfd7zXZ\x00", "tar"),
    (b"\x28\xb5\x2f\xfd", "tar"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msi"),
    (b"MZ", "pe"),
    (b"\x7fELF", "elf"),
    (b"#!", "script"),
)
_ENDINGS = {
    ".deb": "deb", ".zip": "zip", ".rpm": "rpm", ".msi": "msi", ".mst": "mst", ".exe": "pe", ".tar": "tar",
    ".tgz": "tar", ".tbz2": "tar", ".txz": "tar", ".tar.gz": "tar", ".tar.bz2": "tar", ".tar.xz": "tar",
    ".tar.zst": "tar",
}  # fmt: skip


@dataclass(frozen=True)
class Inspection:
    """What was found in an installer."""

    format: str
    """``deb``, ``zip``, ``tar``, ``msi``, ``mst``, ``pe``, ``elf``, ``script``, ``rpm`` or ``other``."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Of a deb: the control data. Of an archive: ``unpacked_size_bytes``, ``files``, ``top``. Of a msi and a pe:
    product, version, architecture … (``controller.depot.msi``, ``controller.depot.pe``). Plain JSON."""


def inspect(path: Path, *, name: str | None = None, where: str | None = None) -> Inspection:
    """Look into a file; archives are read to their end, so that damage shows now and not on the computers.

    Args:
        path: the file.
        name: what it is called, where that is not ``path``'s own name; its ending must fit the content.
        where: what errors call the file.

    Raises:
        DepotError: empty, damaged, dangerous, or not what its ending says.
        OSError: it cannot be read.
    """
    name = name or path.name
    where = where or str(path)
    with path.open("rb") as file:
        head = file.read(512)
    if not head:
        raise DepotError(
            Text("berkas ini kosong", "the file is empty"),
            where=where,
            hint=Text("unduh lagi dari penerbitnya", "download it again from its publisher"),
        )
    kind = next((k for magic, k in _MAGIC if head.startswith(magic)), "other")
    if head[257:262] == b"ustar":
        kind = "tar"
    said = _said(name)
    if kind == "msi" and said != "msi":
        kind = "mst" if said == "mst" else "other"  # a compound file is also what old office documents are
    if said == "tar" and kind == "other":
        kind = "tar"  # a tar of the oldest kind has no magic; reading it decides
    if said is not None and said != kind:
        raise DepotError(
            Text(f"berakhiran seperti {said}, tetapi isinya {kind}", f"named like {said}, but its content is {kind}"),
            where=where,
            hint=Text(
                "periksa unduhannya; sering kali ini halaman galat dari situsnya",
                "check the download; often this is an error page of the site",
            ),
        )
    if kind == "deb":
        from controller.depot.deb import read_deb

        return Inspection("deb", read_deb(path, where))
    if kind == "msi":
        from controller.depot.msi import read_msi

        return Inspection("msi", read_msi(path, where))
    if kind == "pe":
        from controller.depot.pe import read_pe

        return Inspection("pe", read_pe(path, where))
    if kind == "zip":
        from controller.depot.archives import read_zip

        return Inspection("zip", read_zip(path, where))
    if kind == "tar":
        from controller.depot.archives import read_tar

        meta = read_tar(path, where, must_be_tar=said == "tar")
        return Inspection("tar", meta) if meta is not None else Inspection("other")
    return Inspection(kind)


def _said(name: str) -> str | None:
    """The format that a name claims; None where it claims none that we know."""
    low = name.lower()
    for ending in sorted(_ENDINGS, key=len, reverse=True):
        if low.endswith(ending):
            return _ENDINGS[ending]
    return None
