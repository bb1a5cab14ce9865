"""Archives that try to write where they must not, that lie, and that are damaged."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agent.unpack import BadArchive, unpack
from controller.depot import inspect
from controller.errors import DepotError


def tar(*rows: tuple[str, Any], compression: str = "") -> bytes:
    """A tar of (name, content) or (name, (type, linkname)) or (name, mode)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{compression}") as archive:
        for name, what in rows:
            row = tarfile.TarInfo(name)
            if isinstance(what, tuple):
                row.type, row.linkname = what
                archive.addfile(row)
            else:
                row.size = len(what)
                archive.addfile(row, io.BytesIO(what))
    return stream.getvalue()


def zipped(*rows: tuple[str, bytes, int]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in rows:
            row = zipfile.ZipInfo(name)
            row.external_attr = mode << 16
            row.create_system = 3 if mode else 0
            archive.writestr(row, content)
    return stream.getvalue()


def run(content: bytes, folder: Path, **options: Any) -> tuple[list[str], int]:
    options.setdefault("format", "zip" if content[:2] == b"PK" else "tar")
    digest = hashlib.sha256(content).hexdigest()
    return unpack(io.BytesIO(content), str(folder), digest=digest, **options)


SYM, LNK, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
EVIL = {
    "absolute": tar(("/etc/x", b"x")),
    "dots": tar(("a/../../x", b"x")),
    "dots in a folder": tar(("a/..", (DIR, ""))),
    "a link out": tar(("a", (SYM, "../x"))),
    "an absolute link": tar(("a", (SYM, "/etc/passwd"))),
    "a link out by way of another": tar(
        ("d/e/f", b"x"), ("d/g", (SYM, "..")), ("l", (SYM, "d/g/../x")), ("m", (SYM, "d/e/../g/../.."))
    ),
    "a chain that climbs": tar(("d/e/x", (SYM, "../..")), ("y", (SYM, "d/e/x/.."))),
    "a hard link out": tar(("a", (LNK, "../../etc/passwd"))),
    "a hard link to nothing": tar(("a", (LNK, "b"))),
    "a hard link to a link": tar(("a", (SYM, "x")), ("b", (LNK, "a"))),
    "a device": tar(("a", (tarfile.CHRTYPE, ""))),
    "a pipe": tar(("a", (tarfile.FIFOTYPE, ""))),
    "a link of no length": tar(("a", (SYM, ""))),
    "zip: dots": zipped(("../x", b"x", 0o100644)),
    "zip: absolute": zipped(("/x", b"x", 0o100644)),
    "zip: a link out": zipped(("a", b"../x", 0o120777)),
    "zip: a device": zipped(("a", b"", 0o020666)),
    "a file over a folder": tar(("a/b", b"x"), ("a", b"y")),
    "a folder over a file": tar(("a", b"y"), ("a/b", b"x")),
}


@pytest.mark.parametrize("name", EVIL)
def test_nothing_leaves_its_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "luar").mkdir()
    folder = tmp_path / "luar/isi"
    with pytest.raises(BadArchive) as refused:
        run(EVIL[name], folder)
    assert set(refused.value.reason) == {"id", "en"}
    assert [entry.name for entry in (tmp_path / "luar").iterdir()] == ["isi"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["luar"]


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "luar").mkdir()
    content = tar(("d", (SYM, "../luar")), ("d/x", b"x"))
    names, _ = run(content, tmp_path / "isi")
    assert names == ["d/x"], "the folder that came later takes the link's place"
    assert not list((tmp_path / "luar").iterdir())


def test_links_within_are_kept(tmp_path: Path) -> None:
    content = tar(("lib/a.so.1", b"x"), ("lib/a.so", (SYM, "a.so.1")), ("b", (LNK, "lib/a.so.1")), ("c", (LNK, "b")))
    names, size_bytes = run(content, tmp_path / "isi")
    assert names == ["b", "c", "lib/a.so", "lib/a.so.1"]
    assert size_bytes == 1
    assert (tmp_path / "isi/lib/a.so").readlink() == Path("a.so.1")
    assert (tmp_path / "isi/c").samefile(tmp_path / "isi/lib/a.so.1")


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_of_two_with_one_name_the_later_counts(compression: str, tmp_path: Path) -> None:
    content = tar(("a", b"1"), ("a", (SYM, "b")), ("b", b"2"), ("a", b"3"), compression=compression)
    run(content, tmp_path / "isi")
    assert (tmp_path / "isi/a").read_bytes() == b"3"


@pytest.mark.parametrize("make", [lambda n: tar(("a", bytes(n))), lambda n: zipped(("a", bytes(n), 0o100644))])
def test_one_that_is_larger_than_it_said_is_stopped(make: Any, tmp_path: Path) -> None:
    run(make(1000), tmp_path / "cukup", limit_bytes=1000)
    with pytest.raises(BadArchive, match="holds more than it says"):
        run(make(5_000_000), tmp_path / "lebih", limit_bytes=1000)
    written = sum(path.stat().st_size for path in (tmp_path / "lebih").rglob("*"))
    assert written <= 1000


def test_a_disk_that_is_too_small_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="Not enough room"):
        run(tar(("a", b"x")), tmp_path / "isi", limit_bytes=1 << 60)
    assert not list((tmp_path / "isi").iterdir())


def broken(content: bytes) -> list[bytes]:
    middle = len(content) // 2
    return [
        b"",
        b"bukan arsip",
        content[:middle],
        content[:middle] + bytes(64) + content[middle + 64 :],
    ]


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_damaged_tars_are_refused(compression: str, tmp_path: Path) -> None:
    whole = tar(("a", os.urandom(60_000)), ("b", os.urandom(60_000)), compression=compression)
    for number, content in enumerate(broken(whole)):
        with pytest.raises(BadArchive):
            run(content, tmp_path / str(number), format="tar")


HALF = tar(("a", os.urandom(700)), ("b", os.urandom(700)))
"""a: 0 to 1536, b: to 3072, then zeros."""


@pytest.mark.parametrize(
    ("content", "is_whole"),
    [
        (HALF[:1800], False),
        (HALF[:2000] + b"bukan kepala" * 100, False),
        (HALF[:2048], False),
        (HALF[:2600], False),
        (HALF[:3072], False),
        (HALF[:3072] + bytes(512), True),
        (HALF[:3072] + bytes(1024) + b"ekor", True),
    ],
    ids=["in a header", "no header", "after a header", "in a member", "no end", "half an end", "more after the end"],
)
@pytest.mark.parametrize("compression", ["", "gz"])
def test_a_tar_that_is_cut_off_within_a_whole_compression(
    content: bytes, is_whole: bool, compression: str, tmp_path: Path
) -> None:
    packed = gzip.compress(content) if compression else content
    path = tmp_path / f"a.tar{compression and '.gz'}"
    path.write_bytes(packed)
    if is_whole:
        assert run(packed, tmp_path / "isi", format="tar")[0] == ["a", "b"]
        assert inspect(path).meta["files"] == 2
    else:
        with pytest.raises(BadArchive):
            run(packed, tmp_path / "isi", format="tar")
        with pytest.raises(DepotError, match="damaged or cut off"):
            inspect(path)


def test_a_zip_whose_directory_is_not_whole(tmp_path: Path) -> None:
    content = bytearray(zipped(("a", b"x", 0o100644), ("b", b"x", 0o100644)))
    content[content.index(b"PK\5\6") + 10] = 3
    with pytest.raises(BadArchive, match="fewer members"):
        run(bytes(content), tmp_path / "isi", format="zip")
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DepotError, match="damaged or cut off"):
        inspect(tmp_path / "a.zip")


def test_damaged_zips_are_refused(tmp_path: Path) -> None:
    whole = zipped(("a", b"x" * 60_000, 0o100644), ("b", os.urandom(60_000), 0o100644))
    for number, content in enumerate(broken(whole)):
        with pytest.raises(BadArchive):
            run(content, tmp_path / str(number), format="zip")


def test_a_zip_with_a_password_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("a", b"x", 0o100644)))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(BadArchive, match="password"):
        run(bytes(content), tmp_path / "isi")


def test_another_digest_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadArchive, match="SHA-256"):
        unpack(io.BytesIO(tar(("a", b"x"))), str(tmp_path / "isi"), digest="0" * 64, format="tar")
    assert not (tmp_path / "isi").exists()


def test_leading_parts_are_dropped(tmp_path: Path) -> None:
    content = tar(
        ("./app-1/", (DIR, "")), ("./app-1/bin/x", b"x"), ("app-1/y", (LNK, "./app-1/bin/x")), ("LICENSE", b"l")
    )
    names, _ = run(content, tmp_path / "isi", strip=1)
    assert names == ["bin/x", "y"]


def test_modes_of_a_zip_made_on_unix_and_elsewhere(tmp_path: Path) -> None:
    stream = io.BytesIO(zipped(("a", b"x", 0o104755), ("b", b"x", 0), ("c/", b"", 0)))
    run(stream.getvalue(), tmp_path / "isi")
    modes = [stat.S_IMODE((tmp_path / "isi" / name).stat().st_mode) for name in "abc"]
    assert modes == [0o755, 0o644, 0o755]
