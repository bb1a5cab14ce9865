"""The depot: what is in an installer, what is refused, and that nothing half-done is ever found there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.depot import Depot, inspect, store, take_in
from controller.depot.intake import same_version
from controller.errors import DepotError, PlaybookError
from controller.playbook import Playbook, load
from tests.unit.installers import CONTROL, ar_of, deb_of, member, packed, tar_of, zip_of

needs_zstd = pytest.mark.skipif(
    shutil.which("zstd") is None and sys.version_info < (3, 14), reason="neither Python's zstd nor the program"
)


def write(folder: Path, name: str, content: bytes, *, old: bool = True) -> Path:
    """A file that was written an hour ago, unless it is not ``old``."""
    path = folder / name
    path.write_bytes(content)
    if old:
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def sha256(content: bytes) -> str:
    """As the playbook writes it."""
    return hashlib.sha256(content).hexdigest()


# ── what is in a file ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["", ".gz", ".xz", pytest.param(".zst", marks=needs_zstd)])
def test_control_data_of_every_compression(tmp_path: Path, how: str) -> None:
    found = inspect(write(tmp_path, "kilat.deb", deb_of(how=how)))
    assert found.format == "deb"
    assert found.meta == {
        "package": "kilat",
        "version": "1:2.0+ds1-3",
        "architecture": "amd64",
        "depends": "libc6 (>= 2.34),\nadduser",
        "pre_depends": "init-system-helpers",
        "provides": "pelayan",
        "description": "pelayan contoh",
        "installed_size_bytes": 12 * 1024,
        "conffiles": ["/etc/kilat.conf"],
        "unpacked_size_bytes": 8192 + 4096,
        "files": 2,
    }


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb on this machine")
def test_dpkg_reads_the_same_out_of_our_package(tmp_path: Path) -> None:
    path = write(tmp_path, "kilat.deb", deb_of())
    said = subprocess.run(["dpkg-deb", "-f", path, "Package", "Version"], stdout=subprocess.PIPE, check=True, text=True)
    assert said.stdout == "Package: kilat\nVersion: 1:2.0+ds1-3\n"


ARCHIVE = {"kilat-2.0/bin/kilat": b"x" * 1000, "kilat-2.0/LICENSE": b"y" * 24}


@pytest.mark.parametrize("how", ["", ".gz", ".xz", pytest.param(".zst", marks=needs_zstd)])
def test_archives_tell_their_size(tmp_path: Path, how: str) -> None:
    found = inspect(write(tmp_path, f"kilat.tar{how}", packed(tar_of(ARCHIVE), how)))
    assert (found.format, dict(found.meta)) == ("tar", {"unpacked_size_bytes": 1024, "files": 2, "top": ["kilat-2.0"]})


def test_zips_tell_their_size(tmp_path: Path) -> None:
    found = inspect(write(tmp_path, "kilat.zip", zip_of(ARCHIVE, links={"kilat-2.0/kini": "bin/kilat"})))
    assert (found.format, found.meta["top"], found.meta["files"]) == ("zip", ["kilat-2.0"], 3)
    assert found.meta["unpacked_size_bytes"] == 1024 + len("bin/kilat")


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100, "other"),
        ("a", b"\x7fELF" + b"x" * 100, "elf"),
        ("a.sh", b"#!/bin/sh\n", "script"),
        ("a.rpm", b"\xed\xab\xee\xdb" + b"x" * 100, "rpm"),
        ("a.gz", packed(b"not a tar", ".gz"), "other"),
        ("a.txt", b"hello", "other"),
    ],
)
def test_other_kinds_are_known_by_their_first_bytes(tmp_path: Path, name: str, content: bytes, format: str) -> None:
    assert inspect(write(tmp_path, name, content)).format == format


def _locked() -> bytes:
    content = bytearray(zip_of({"a": b"b"}))
    for at in (content.index(b"PK\x03\x04") + 6, content.index(b"PK\x01\x02") + 8):
        content[at] |= 1
    return bytes(content)


def _lying() -> bytes:
    """A zip whose member says 1 byte and unpacks to a million."""
    content = bytearray(zip_of({"a": b"\0" * 1_000_000}))
    struct.pack_into("<I", content, content.index(b"PK\x03\x04") + 22, 1)
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 1)
    return bytes(content)


def _overlapping() -> bytes:
    """A zip whose directory names the same bytes twice."""
    content = zip_of({"a": b"b" * 500})
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    entry, tail = content[start:end], bytearray(content[end:])
    struct.pack_into("<HHI", tail, 8, 2, 2, 2 * len(entry))
    return content[:start] + entry + entry.replace(b"a", b"b", 1) + bytes(tail)


HTML = b"<!doctype html><title>404</title>"
WRONG = [
    ("empty.deb", b"", "the file is empty"),
    ("html.deb", HTML, "named like deb, but its content is other"),
    ("zip.deb", zip_of({"a": b"b"}), "named like deb, but its content is zip"),
    ("deb.zip", deb_of(), "named like zip, but its content is deb"),
    ("html.exe", HTML, "named like pe"),
    ("html.msi", HTML, "named like msi"),
    ("cut.msi", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100, "the MSI is damaged or cut off"),
    ("cut.exe", b"MZ" + b"x" * 100, "damaged or cut off"),
    ("html.tar.gz", HTML, "damaged or cut off"),
    ("ar.deb", ar_of({"a": b"b"}), "no Debian package"),
    ("nodata.deb", ar_of({"debian-binary": b"2.0\n", "control.tar": tar_of({"./control": b""})}), "no Debian package"),
    ("fields.deb", deb_of(control="Package: x\nVersion: 1\n"), "control file is not complete"),
    ("up.tar", tar_of({"../x": b""}), "leaves its folder"),
    ("inner.tar", tar_of({"a/../../x": b""}), "leaves its folder"),
    ("root.tar", tar_of({"/etc/passwd": b""}), "leaves its folder"),
    ("link.tar", tar_of({}, members=(member("a", tarfile.SYMTYPE, "../../etc"),)), "points outside"),
    ("abs.tar", tar_of({}, members=(member("a", tarfile.SYMTYPE, "/etc"),)), "points outside"),
    ("hard.tar", tar_of({}, members=(member("d/a", tarfile.LNKTYPE, "../x"),)), "points outside"),
    ("device.tar", tar_of({}, members=(member("a", tarfile.CHRTYPE),)), "is a device"),
    ("fifo.tar", tar_of({}, members=(member("a", tarfile.FIFOTYPE),)), "is a device"),
    ("up.zip", zip_of({"../x": b""}), "leaves its folder"),
    ("back.zip", zip_of({"..\\x": b""}), "leaves its folder"),
    ("drive.zip", zip_of({"C:\\x": b""}), "leaves its folder"),
    ("link.zip", zip_of({}, links={"a": "/etc"}), "points outside"),
    ("locked.zip", _locked(), "locked by a password"),
    ("lying.zip", _lying(), "damaged or cut off"),
    ("twice.zip", _overlapping(), ""),
    ("cut.zip", zip_of({"a": b"b"})[:-5], "damaged or cut off"),
]


@pytest.mark.parametrize(("name", "content", "what"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(DepotError) as caught:
        inspect(path)
    (problem,) = caught.value.problems
    assert what in problem.what.en
    assert problem.where == str(path)
    assert problem.hint is not None
    assert problem.what.id != problem.what.en


def test_a_file_written_through_a_link_is_refused(tmp_path: Path) -> None:
    content = tar_of({}, members=(member("a", tarfile.SYMTYPE, "b"),))[:512] + tar_of({"a/x": b"1"})
    with pytest.raises(DepotError, match="through a link"):
        inspect(write(tmp_path, "a.tar", content))


def test_a_bomb_is_refused_before_it_is_unpacked_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "a.tar.xz", packed(tar_of({"a": b"\0" * 20_000_000}), ".xz"))
    assert inspect(path).meta["unpacked_size_bytes"] == 20_000_000
    monkeypatch.setattr("controller.depot.archives.RATIO_FROM_BYTES", 1_000_000)
    with pytest.raises(DepotError, match="swells beyond all measure"):
        inspect(path)


@pytest.mark.parametrize("how", [".gz", ".xz", pytest.param(".zst", marks=needs_zstd)])
def test_a_package_cut_off_anywhere_is_damaged(tmp_path: Path, how: str) -> None:
    content = deb_of(how=how)
    path = tmp_path / "kilat.deb"
    for length in [*range(1, 140, 7), *range(140, len(content) - 1, 97), len(content) - 2]:
        path.write_bytes(content[:length])
        with pytest.raises(DepotError):
            inspect(path)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_byte_is_found_or_harmless_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(
        data.draw(st.sampled_from([deb_of(how=".gz"), packed(tar_of(ARCHIVE), ".xz"), zip_of(ARCHIVE)]))
    )
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    try:
        inspect(path)
    except DepotError as error:
        assert error.problems  # noqa: PT017 - either is right, and this is the error's own promise


# ── what is kept ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_item_is_found_again_by_its_digest(tmp_path: Path) -> None:
    content = deb_of()
    depot = Depot(tmp_path / "depot")
    item = depot.add(write(tmp_path, "kilat.deb", content), sha256(content))
    assert item.digest == sha256(content)
    assert item.path.read_bytes() == content
    assert depot.get(item.digest) == item
    assert depot.items() == [item]
    assert depot.verify() == []
    assert item.payload() == {
        "digest": sha256(content),
        "size_bytes": len(content),
        "file": "kilat.deb",
        "format": "deb",
        "meta": dict(inspect(item.path, name="kilat.deb").meta),
    }


def test_a_second_run_reads_no_installer(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "depot")
    file = write(tmp_path, "kilat.deb", deb_of())
    item = depot.add(file)
    kept = item.path.parent / "item.json"
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"file": "dari simpanan"}))
    assert depot.add(file).file == "dari simpanan"
    assert depot.seen(file) == item.digest
    write(tmp_path, "kilat.deb", deb_of(how=".gz"))
    assert depot.seen(file) is None
    assert depot.add(file).digest != item.digest


def test_a_file_just_written_is_not_trusted_to_stay(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "depot")
    file = write(tmp_path, "kilat.deb", deb_of(), old=False)
    depot.add(file)
    assert depot.seen(file) is None


def test_a_wrong_digest_names_file_expected_and_found(tmp_path: Path) -> None:
    content = deb_of()
    depot = Depot(tmp_path / "depot")
    file = write(tmp_path, "kilat.deb", content)
    for _ in range(2):
        with pytest.raises(DepotError) as caught:
            depot.add(file, "0" * 64)
        (problem,) = caught.value.problems
        assert problem.where == str(file)
        assert "0" * 64 in problem.what.en
        assert sha256(content) in problem.what.en
        assert depot.items() == []
        depot.path.mkdir(exist_ok=True)
    assert [p.name for p in (depot.path / "parts").iterdir()] == []


def test_what_changed_in_the_depot_is_found(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "depot")
    items = [depot.add(write(tmp_path, f"{how}.deb", deb_of(how=how))) for how in ("", ".gz", ".xz")]
    items[0].path.write_bytes(b"!" * items[0].size_bytes)
    items[1].path.write_bytes(b"")
    problems = depot.verify()
    assert sorted(p.where for p in problems) == sorted(str(i.path) for i in items[:2])
    assert depot.find(items[1].digest) is None
    assert depot.add(tmp_path / ".gz.deb").path.read_bytes() == deb_of(how=".gz")


def test_many_that_add_the_same_end_with_the_same(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "depot")
    file = write(tmp_path, "kilat.deb", deb_of(files={"./usr/x": os.urandom(300_000)}))
    with ThreadPoolExecutor(8) as pool:
        digests = {item.digest for item in pool.map(lambda _: depot.add(file), range(24))}
    assert len(digests) == 1
    assert len(depot.items()) == 1
    assert list((depot.path / "parts").iterdir()) == []
    assert depot.verify() == []


def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_stay(tmp_path: Path) -> None:
    depot = Depot(tmp_path / "depot")
    depot.add(write(tmp_path, "kilat.deb", deb_of()))
    (depot.path / "parts" / "old").mkdir()
    (depot.path / "parts" / "new").mkdir()
    os.utime(depot.path / "parts" / "old", (1, 1))
    assert depot.verify() == []
    assert [p.name for p in (depot.path / "parts").iterdir()] == ["new"]


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits")
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    file = write(tmp_path, "besar.bin", b"x" * 3_000_000)
    script = f"""
import resource, sys
from pathlib import Path
from controller.depot import Depot
from controller.errors import DepotError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    Depot(Path({str(tmp_path / "depot")!r})).add(Path({str(file)!r}))
except DepotError as error:
    print(error.say("en"))
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, text=True)
    assert "cannot be kept" in done.stdout
    assert "disk space" in done.stdout
    assert Depot(tmp_path / "depot").items() == []
    assert list((tmp_path / "depot" / "parts").iterdir()) == []


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DepotError, match="no such file"):
        Depot(tmp_path / "depot").add(tmp_path / "tiada.deb")
    with pytest.raises(DepotError, match="not in the depot"):
        Depot(tmp_path / "depot").get("0" * 64)


# ── step 1 ───────────────────────────────────────────────────────────────────────────────────────────────────────────

PLAYBOOK = """\
pasang: 1
software: {{name: kilat, version: "{version}", publisher: Contoh, licence: MIT}}
payloads:
  kilat: {{{source}, sha256: "{digest}"}}
variants:
  - when: {{os: linux}}
    install: [{{{action}}}]
    test: [{{command: {{argv: [kilat]}}}}]
"""


def playbook_of(folder: Path, content: bytes, **words: Any) -> Playbook:
    """A playbook of one payload."""
    given_words = {"version": "2.0", "source": "file: kilat.deb", "action": "deb: {payloads: [kilat]}"} | words
    text = PLAYBOOK.format(
        digest=words.get("digest", sha256(content)), **{k: v for k, v in given_words.items() if k != "digest"}
    )
    (folder / "playbook.yaml").write_text(text, encoding="utf-8")
    return load(str(folder))


def test_a_payload_is_taken_from_beside_the_playbook_or_from_the_depot(tmp_path: Path) -> None:
    content = deb_of()
    depot = Depot(tmp_path / "depot")
    playbook = playbook_of(tmp_path, content)
    with pytest.raises(DepotError, match="neither beside the playbook nor in the depot") as caught:
        take_in(playbook, depot)
    assert caught.value.problems[0].where == f"{tmp_path}/playbook.yaml:4"
    file = write(tmp_path, "kilat.deb", content)
    taken = take_in(playbook, depot)
    assert taken.inspected["kilat"] == depot.get(sha256(content)).payload()
    file.unlink()
    assert take_in(playbook, depot) == taken


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/kilat.deb", ""])
def test_what_is_wrong_with_a_payload_is_told_with_its_line(tmp_path: Path, url: str) -> None:
    source = f'url: "{url}"' if url else "file: kilat.deb"
    write(tmp_path, "kilat.deb", deb_of())
    playbook = playbook_of(tmp_path, b"", digest="0" * 64, source=source)
    with pytest.raises(DepotError, match="cannot be downloaded" if url else "wrong SHA-256") as caught:
        take_in(playbook, Depot(tmp_path / "depot"))
    (problem,) = caught.value.problems
    assert problem.where == f"{tmp_path}/playbook.yaml:4"
    assert (url or str(tmp_path / "kilat.deb")) in problem.what.en


def test_a_byte_that_changed_in_the_depot_is_found_before_a_computer_is_touched(tmp_path: Path) -> None:
    content = deb_of()
    depot = Depot(tmp_path / "depot")
    playbook = playbook_of(tmp_path, content)
    file = write(tmp_path, "kilat.deb", content)
    taken = take_in(playbook, depot)
    kept = depot.get(sha256(content)).path
    file.rename(tmp_path / "elsewhere")
    stood = kept.stat()
    with kept.open("r+b") as changed:
        changed.seek(70)
        changed.write(b"\xff")
    os.utime(kept, ns=(stood.st_atime_ns, stood.st_mtime_ns))  # whoever spoils it may also hide it
    with pytest.raises(DepotError, match="damaged in the depot") as caught:
        take_in(playbook, Depot(depot.path))
    (problem,) = caught.value.problems
    assert problem.where == f"{tmp_path}/playbook.yaml:4"
    assert problem.hint is not None
    assert "pasang depot verify" in problem.hint.en
    with pytest.raises(DepotError, match="damaged in the depot"):
        depot.get(sha256(content))
    assert ["has changed" in p.what.en for p in depot.verify()] == [True]
    (tmp_path / "elsewhere").rename(file)  # whole, and known from before: it takes the place of the damaged one
    assert take_in(playbook, Depot(depot.path)) == taken
    assert kept.read_bytes() == content
    assert depot.verify() == []


def test_what_was_only_touched_is_hashed_once_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = deb_of()
    item = Depot(tmp_path / "depot").add(write(tmp_path, "kilat.deb", content))
    read: list[Path] = []
    hashed = store._hash
    monkeypatch.setattr(store, "_hash", lambda path: (read.append(path), hashed(path))[1])
    os.utime(item.path, (1, 1))  # as a copied depot has it; one of an earlier version has no note at all
    assert [Depot(tmp_path / "depot").find(item.digest) for _ in range(2)] == [item] * 2
    assert read == [item.path]
    kept = item.path.parent / "item.json"
    kept.write_text(json.dumps({k: v for k, v in json.loads(kept.read_text()).items() if k != "touched"}))
    monkeypatch.setattr(store, "_write", lambda *_: (_ for _ in ()).throw(PermissionError(13, "read-only")))
    depot = Depot(tmp_path / "depot")
    assert [depot.find(item.digest) for _ in range(3)] == [item] * 3
    assert len(read) == 2


@pytest.mark.parametrize(
    ("content", "words", "what", "line"),
    [
        (deb_of(), {"version": "2.1"}, "software.version is 2.1", 4),
        (zip_of({"a": b"b"}), {"source": "file: kilat.bin"}, "deb needs deb, but the payload 'kilat' is zip", 7),
        (deb_of(), {"action": "archive: {payload: kilat, into: /opt}"}, "archive needs zip/tar", 7),
        (b"#!/bin/sh\n", {"source": "file: a.sh", "action": "archive: {payload: kilat, into: /opt}"}, "is script", 7),
    ],
)
def test_an_installer_that_does_not_fit_the_playbook_is_a_mistake(
    tmp_path: Path, content: bytes, words: dict[str, str], what: str, line: int
) -> None:
    playbook = playbook_of(tmp_path, content, **words)
    write(tmp_path, playbook.payloads["kilat"].file or "", content)
    with pytest.raises(PlaybookError) as caught:
        take_in(playbook, Depot(tmp_path / "depot"))
    (problem,) = caught.value.problems
    assert what in problem.what.en
    assert problem.where == f"{tmp_path}/playbook.yaml:{line}"


def test_a_package_of_another_name_may_have_another_version(tmp_path: Path) -> None:
    content = deb_of(control=CONTROL.replace("Package: kilat", "Package: libkilat"))
    playbook = playbook_of(tmp_path, content, version="9")
    write(tmp_path, "kilat.deb", content)
    assert take_in(playbook, Depot(tmp_path / "depot")).inspected["kilat"]["meta"]["package"] == "libkilat"


@pytest.mark.parametrize(
    ("package", "software", "same"),
    [
        ("1.22.1-9+deb12u9", "1.22.1", True),
        ("1:2.0+ds1-3", "2.0", True),
        ("2.0~dfsg-1", "2.0", True),
        ("2.0", "2.0", True),
        ("1:2.0-3", "1:2.0-3", True),
        ("1:2.0-3", "2.0-3", True),
        ("2.0~rc1-1", "2.0", False),
        ("2.0.1-1", "2.0", False),
        ("12.0-1", "2.0", False),
    ],
)
def test_debian_versions_of_a_software_version(package: str, software: str, same: bool) -> None:
    assert same_version(package, software) is same


def test_a_zip_member_that_zipfile_cannot_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a", b"b")
    content = bytearray(path.read_bytes())
    for at in (content.index(b"PK\x03\x04") + 8, content.index(b"PK\x01\x02") + 10):
        content[at] = 99
    path.write_bytes(content)
    with pytest.raises(DepotError):
        inspect(path)
