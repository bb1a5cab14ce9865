"""Windows installers in the depot: what is read out of them, what is refused, what must agree with the playbook."""

from __future__ import annotations

import hashlib
import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.depot import Depot, inspect, take_in
from controller.depot.inspect import Inspection
from controller.depot.msi import packed_name
from controller.depot.windows import same_version
from controller.depot.words import lines_of
from controller.errors import DepotError, PlaybookError
from controller.playbook import Playbook, load
from tests.unit.windows_installers import compound_of, msi_of, needs_nsis, needs_wixl, nsis_of, program_of

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def write(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


@needs_wixl
@pytest.mark.parametrize(("arch", "architecture"), [("x64", "x86_64"), ("x86", "x86"), ("arm64", "aarch64")])
def test_what_an_msi_says(tmp_path: Path, arch: str, architecture: str) -> None:
    content = msi_of(tmp_path / "built", arch="x86" if arch == "arm64" else arch)
    if arch == "arm64":  # wixl builds none
        content = content.replace(b"Intel;1033", b"Arm64;1033")
    found = inspect(write(tmp_path, "a.msi", content))
    meta = dict(found.meta)
    assert len(meta.pop("package_code")) == 38
    assert meta.pop("unpacked_size_bytes") == len(content) + len("arsip\n")
    assert (found.format, meta) == (
        "msi",
        {
            "product": "Arsip Kantor",
            "version": "1.2.3",
            "manufacturer": "Contoh",
            "product_code": "{11111111-2222-3333-4444-555555555555}",
            "upgrade_code": "{99999999-2222-3333-4444-555555555555}",
            "all_users": "1",
            "architecture": architecture,
            "languages": [1033],
            "subject": "Arsip Kantor",
            "conditions": [{"condition": "VersionNT >= 603", "message": "Perlu Windows 10."}],
            "features": [{"name": "Utama", "title": "Program utama", "level": 1}],
            "signed": False,
        },
    )
    said = {label.id: value.id for label, value in lines_of(found)}
    assert said["syarat"] == "VersionNT >= 603: Perlu Windows 10."
    assert said["tanda tangan digital"] == "tidak ada"


@needs_wixl
@pytest.mark.parametrize("length", [10_000, 40_000])
def test_a_text_of_more_than_64_kib_does_not_shift_the_others(tmp_path: Path, length: int) -> None:
    found = inspect(write(tmp_path, "a.msi", msi_of(tmp_path / "built", long="panjang " * length)))
    assert (found.meta["product"], found.meta["features"][0]["title"]) == ("Arsip Kantor", "Program utama")


@needs_wixl
def test_a_signature_is_seen_and_not_judged(tmp_path: Path) -> None:
    content = msi_of(tmp_path / "built")
    entries = [at for at in range(0, len(content), 128) if content[at : at + 2] == b"\x40\x48"]  # streams of tables
    victim = next(at for at in entries if content[at + 66] == 2 and _is_unread(content, at))
    name = "\x05DigitalSignature".encode("utf-16-le") + b"\0\0"
    content = content[:victim] + name.ljust(64, b"\0") + struct.pack("<H", len(name)) + content[victim + 66 :]
    found = inspect(write(tmp_path, "a.msi", content))
    assert found.meta["signed"] is True
    assert "ada, tidak diperiksa" in [value.id for _, value in lines_of(found)]


def _is_unread(content: bytes, at: int) -> bool:
    """Whether the entry is a table that the inspection does not ask for."""
    length = struct.unpack_from("<H", content, at + 64)[0]
    name = content[at : at + length - 2].decode("utf-16-le")
    asked = ("_StringPool", "_StringData", "_Columns", "_Tables", "Property", "Feature", "LaunchCondition")
    return name not in [packed_name(table) for table in asked]


@needs_wixl
def test_an_msi_cut_off_anywhere_is_named_so(tmp_path: Path) -> None:
    content = msi_of(tmp_path / "built")
    for length in [8, 100, 511, 512, 1024, *range(1500, len(content) - 1, 777), len(content) - 1]:
        with pytest.raises(DepotError) as caught:
            inspect(write(tmp_path, "a.msi", content[:length]))
        (problem,) = caught.value.problems
        assert "damaged or cut off" in problem.what.en
        assert "rusak atau terpotong" in problem.what.id
        assert problem.hint is not None


@needs_wixl
def test_a_package_that_installs_nothing_is_refused(tmp_path: Path) -> None:
    content = msi_of(tmp_path / "built").replace(b"ProductCode", b"ProductKode")
    with pytest.raises(DepotError, match="no MSI that installs something"):
        inspect(write(tmp_path, "a.msi", content))


def _header(*, fat: int, difat: int, n_difat: int, first: int = 0, directory: int = 6) -> bytes:
    head = struct.pack("<8s16xHHHHH6xI", MAGIC, 0x3E, 3, 0xFFFE, 9, 6, 0)
    head += struct.pack("<IIIIIIII", fat, directory, 0, 4096, 0xFFFFFFFE, 0, difat, n_difat)
    return head + struct.pack("<109I", *[first] * 109)


def _repeating(*, rows: int, length: int) -> bytes:
    """A package whose cells all name one long text."""
    pool = struct.pack("<IHH", 1252, length, 1).ljust(4096, b"\0")
    return compound_of(
        {
            packed_name("_StringPool"): pool,
            packed_name("_StringData"): b"a" * length,
            packed_name("_Columns"): struct.pack("<H", 1) * (4 * rows),
        }
    )


HOSTILE = {
    "small streams as large as the header likes, in a circle": compound_of(
        {packed_name("_StringPool"): b""}, cutoff_bytes=1 << 31, announced={packed_name("_StringPool"): 16 << 20}
    ),
    "a stream larger than the file": compound_of(
        {packed_name("_StringPool"): bytes(4096)}, announced={packed_name("_StringPool"): 60 << 20}
    ),
    "a long text in every cell": _repeating(rows=2000, length=60_000),
    "rows and rows": _repeating(rows=200_000, length=8000),
    "a table of its sectors that points at itself": _header(fat=2000, difat=1, n_difat=4000)
    + (bytes(512) + struct.pack("<128I", *[0] * 127, 1)).ljust(1024 * 1024, b"\0"),
    "more sectors than the file has": _header(fat=0xFFFFFFF0, difat=1, n_difat=0xFFFFFFF0) + bytes(4096),
    "a folder that comes back to itself": _header(fat=1, difat=0xFFFFFFFE, n_difat=0, directory=1)
    + struct.pack("<128I", 0xFFFFFFFD, *[1] * 127)
    + bytes(512 * 127),
    "no sectors": _header(fat=0, difat=0, n_difat=0),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_package_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, "a.msi", content)
    tracemalloc.start()
    try:
        with pytest.raises(DepotError, match=r"damaged or cut off|installs something"):
            inspect(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(content) + 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("cutoff_bytes", "said_id", "said_en"),
    [
        (64, "batas aliran kecilnya 64 B", "cutoff of small streams is 64 B"),
        (4096, "susunan di dalamnya rusak", "inner structure is broken"),
    ],
)
def test_small_streams_that_go_round_are_named_in_both_languages(
    tmp_path: Path, cutoff_bytes: int, said_id: str, said_en: str
) -> None:
    pool = packed_name("_StringPool")
    with pytest.raises(DepotError) as caught:
        inspect(write(tmp_path, "a.msi", compound_of({pool: b""}, cutoff_bytes=cutoff_bytes, announced={pool: 1000})))
    (problem,) = caught.value.problems
    assert said_id in problem.what.id
    assert said_en in problem.what.en


@needs_nsis
@pytest.mark.parametrize(("target", "arch"), [("Unicode true", "x86"), ("Target amd64-unicode", "x86_64")])
def test_what_a_set_up_of_nsis_says(tmp_path: Path, target: str, arch: str) -> None:
    content = nsis_of(tmp_path / "built", target=target)
    found = inspect(write(tmp_path, "a.exe", content))
    meta = dict(found.meta)
    assert "nsis.sourceforge.io" in meta.pop("silent_source")
    assert (found.format, meta) == (
        "pe",
        {
            "product": "Arsip Kantor",
            "version": "1.2.3",
            "file_version": "1.2.3.0",
            "manufacturer": "Contoh",
            "architecture": arch,
            "maker": "nsis",
            "silent": ["/S"],
            "execution_level": "requireAdministrator",
            "signed": False,
        },
    )
    for length in (100, 600, len(content) // 2, len(content) - 1):
        with pytest.raises(DepotError, match="damaged or cut off"):
            inspect(write(tmp_path, "a.exe", content[:length]))


MARKED = {
    "burn": ({"section": b".wixburn"}, ["/quiet", "/norestart"]),
    "inno": (
        {"rcdata": b"rDlPtS\xcd\xe6\xd7{\x0b*" + bytes(32)},
        ["/VERYSILENT", "/SUPPRESSMSGBOXES", "/NORESTART", "/SP-"],
    ),
    "installshield": ({"behind": b"InstallShield\0" + bytes(40)}, ["/s", "/v/qn"]),
    "plain": ({"behind": b"sesuatu", "rcdata": b"lain"}, None),
}


@pytest.mark.parametrize("machine", [0x14C, 0x8664, 0xAA64])
@pytest.mark.parametrize("maker", MARKED)
def test_makers_are_known_by_their_marks(tmp_path: Path, maker: str, machine: int) -> None:
    marks, silent = MARKED[maker]
    words: dict[str, Any] = {**marks}
    found = inspect(write(tmp_path, "a.exe", program_of(machine=machine, **words)))
    assert (found.meta["maker"], found.meta.get("silent")) == (maker, silent)
    assert found.meta["architecture"] == {0x14C: "x86", 0x8664: "x86_64", 0xAA64: "aarch64"}[machine]
    proposed = [value.en for label, value in lines_of(found) if label.en.startswith("proposed")]
    assert (proposed == []) is (silent is None)


def test_a_signed_program_says_so_and_one_without_its_signature_is_cut_off(tmp_path: Path) -> None:
    content = program_of(certificate=b"c" * 64)
    assert inspect(write(tmp_path, "a.exe", content)).meta["signed"] is True
    with pytest.raises(DepotError, match="damaged or cut off"):
        inspect(write(tmp_path, "a.exe", content[:-1]))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    built = tmp_path_factory.mktemp("real")
    return {"a.msi": msi_of(built / "msi"), "a.exe": nsis_of(built / "nsis")}


@needs_wixl
@needs_nsis
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_bytes_are_found_or_harmless_and_never_a_crash(
    real: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(real)))
    content = bytearray(real[name])
    near = st.integers(0, 1023) | st.integers(0, len(content) - 1)
    for at in data.draw(st.lists(near, min_size=1, max_size=8)):
        content[at] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFE, 0xFF]))
    content = content[: data.draw(st.just(len(content)) | st.integers(8, len(content)))]
    content[:2] = real[name][:2]
    if name == "a.msi":
        content[:8] = MAGIC
    try:
        found = inspect(write(tmp_path_factory.getbasetemp() / "damaged-windows", name, bytes(content)))
    except DepotError as error:
        assert error.problems[0].hint is not None  # noqa: PT017 - either is right, and this is the error's own promise
    else:
        assert len(json.dumps(dict(found.meta))) < 200_000
        list(lines_of(found))


PLAYBOOK = """\
pasang: 1
software: {{name: arsip, version: "{version}", publisher: Contoh, licence: MIT}}
payloads:
  arsip: {{file: {file}, sha256: "{digest}"}}
variants:
  - when: {{os: windows, arch: [{arch}]}}
    install: [{{{action}}}]
    test: [{{program: {{name: Arsip}}}}]
"""
MSI = "msi: {payload: arsip}"
EXE = "exe: {payload: arsip, maker: MAKER, silent: [/S], detect: {program: Arsip}}"


def playbook_of(folder: Path, content: bytes, file: str, version: str, arch: str, action: str) -> Playbook:
    write(folder, file, content)
    digest = hashlib.sha256(content).hexdigest()
    text = PLAYBOOK.format(version=version, file=file, digest=digest, arch=arch, action=action)
    (folder / "playbook.yaml").write_text(text, encoding="utf-8")
    return load(str(folder))


def test_a_transform_is_a_compound_file(tmp_path: Path) -> None:
    assert inspect(write(tmp_path, "kantor.mst", MAGIC + bytes(504))).format == "mst"
    assert inspect(write(tmp_path, "surat.doc", MAGIC + bytes(504))).format == "other"
    with pytest.raises(DepotError):
        inspect(write(tmp_path, "galat.mst", b"<html>404</html>"))


@needs_wixl
@needs_nsis
@pytest.mark.parametrize(
    ("file", "version", "arch", "action", "what", "line"),
    [
        ("a.msi", "1.2.3", "x86_64", MSI, None, 0),
        ("a.msi", "1.2.3.4", "amd64, arm64", MSI, None, 0),
        ("a.msi", "1.2.4", "x86_64", MSI, "has version 1.2.3, but software.version is 1.2.4", 4),
        ("a.msi", "1.2.3", "x86_64", "msi: {payload: arsip, features: [Utama]}", None, 0),
        ("a.msi", "1.2.3", "x86_64", "msi: {payload: arsip, features: [utama]}", "has no feature utama", 7),
        ("a.msi", "1.2.3", "x86_64", "msi: {payload: arsip, transforms: [arsip]}", "is msi, no .mst", 7),
        ("a.msi", "1.2.3", "x86_64, x86", MSI, "is made for x86_64, but this variant is for x86 too", 7),
        ("a.exe", "1.2.3.0", "x86_64, x86", EXE.replace("MAKER", "nsis"), None, 0),
        ("a.exe", "1.2.3", "x86_64", EXE.replace("MAKER", "inno"), "maker is inno, but a.exe was made with NSIS", 7),
        ("a.exe", "2.0", "x86_64", EXE.replace("MAKER", "nsis"), "has version 1.2.3", 4),
        ("a.exe", "1.2.3", "x86_64", "exe: {payload: arsip, silent: [/S], detect: {service: Arsip}}", None, 0),
        ("a.exe", "1.2.3", "x86_64", "exe: {payload: arsip, detect: {program: Arsip}}", "silent is missing", 7),
    ],
)
def test_the_playbook_must_say_what_the_file_says(
    real: dict[str, bytes], tmp_path: Path, file: str, version: str, arch: str, action: str, what: str | None, line: int
) -> None:
    playbook = playbook_of(tmp_path, real[file], file, version, arch, action)
    if what is None:
        assert take_in(playbook, Depot(tmp_path / "depot")).inspected["arsip"]["meta"]["version"] == "1.2.3"
        return
    with pytest.raises(PlaybookError) as caught:
        take_in(playbook, Depot(tmp_path / "depot"))
    (problem,) = caught.value.problems
    assert what in problem.what.en
    assert problem.where == f"{tmp_path}/playbook.yaml:{line}"
    assert problem.hint is not None


@pytest.mark.parametrize(
    ("found", "software", "fields", "same"),
    [
        ("1.2.3", "1.2.3.0", None, True),
        ("1, 2, 3, 0", "1.2.3", None, True),
        ("1.2.3.4", "1.2.3", None, False),
        ("1.2.3", "1.2.3.4", 3, True),
        ("1.02", "1.2", None, True),
        ("1.2-beta", "1.2", None, False),
        ("1.2-beta", "1.2-beta", None, True),
    ],
)
def test_versions_of_windows(found: str, software: str, fields: int | None, same: bool) -> None:
    assert same_version(found, software, fields=fields) is same


def test_a_package_for_one_user_is_said_to_be_one() -> None:
    meta = {"product": "Arsip", "all_users": "1"}
    assert "ALLUSERS" not in str([value for _, value in lines_of(Inspection("msi", meta))])
    said = [value.en for _, value in lines_of(Inspection("msi", {"product": "Arsip"}))]
    assert any('properties: {ALLUSERS: "1"}' in line for line in said)
