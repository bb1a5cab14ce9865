"""Installers of Windows: what is decided without one. What they do stands in tests/contract/test_windows_actions.py."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest

from agent.actions import ActionFailed
from agent.kept import save
from agent.redact import NOTHING
from agent.windows import former, installers, msiexec, products, programs, registry
from agent.windows.actions.msi import same_version
from agent.windows.programs import Program
from agent.windows.quoting import Raw, of_nsis, property_word
from agent.windows.start import command_line


def test_a_code_is_packed_as_windows_installer_packs_it() -> None:
    code = "{901BDE0F-58E8-5DF8-B214-053C5CC2573D}"
    assert products.packed(code) == "F0EDB1098E858FD52B4150C3C52C75D3"  # seen in Wine's registry, and so on Windows
    assert products.packed(products.packed(code)) == code


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("1", 'ALLUSERS="1"'),
        ("Rumah Sakit Désa", 'ALLUSERS="Rumah Sakit Désa"'),
        ('a "b" c', 'ALLUSERS="a ""b"" c"'),
        ("C:\\Data Kantor\\", 'ALLUSERS="C:\\Data Kantor\\"'),
        ("", 'ALLUSERS=""'),
    ],
)
def test_properties_stand_in_quotes_of_msiexecs_own(value: str, word: str) -> None:
    argv = ["C:\\a b\\msiexec.exe", "/i", "C:\\é f\\x.msi", property_word("ALLUSERS", value)]
    assert command_line(argv) == f'"C:\\a b\\msiexec.exe" /i "C:\\é f\\x.msi" {word}'


def test_a_raw_word_is_not_touched() -> None:
    assert command_line(["C:\\x\\copot.exe", Raw("/S _?=C:\\Program Files\\Arsip")]).endswith(
        " /S _?=C:\\Program Files\\Arsip"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/S", "/D=C:\\Program Files\\Bu Ani"], "/S /D=C:\\Program Files\\Bu Ani"),
        (["/D=C:\\x y", "/S", "/KOTA=Kota Baru"], '/S "/KOTA=Kota Baru" /D=C:\\x y'),
        (["/S", "_?=C:\\x y"], "/S _?=C:\\x y"),
    ],
)
def test_a_folder_stands_last_and_bare_for_nsis(words: list[str], line: str) -> None:
    assert command_line(of_nsis(words)) == line


WINDOWS_LOG = """\
MSI (s) (E8:44) [10:00:00:000]: Doing action: Gagal
Action start 10:00:00: Gagal.
CustomAction Gagal returned actual error code 5 (note this may not be 100% accurate)
MSI (s) (E8:44) [10:00:00:100]: Product: Arsip -- Error 1722. There is a problem with this Windows Installer package.
Action ended 10:00:00: Gagal. Return value 3.
Action ended 10:00:00: INSTALL. Return value 3.
Property(S): RAHASIA = 1
"""


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_a_log_says_why(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "msi.log"
    log.write_bytes(WINDOWS_LOG.encode(encoding))
    said = msiexec.read_log(str(log), NOTHING)
    assert said["why"][-1] == "Action ended 10:00:00: Gagal. Return value 3."
    assert said["why"][-3].startswith("CustomAction Gagal returned actual error code 5")
    assert "RAHASIA" not in str(said)
    assert msiexec.read_log(str(tmp_path / "tidak-ada"), NOTHING) == {}


@pytest.mark.parametrize(
    ("left", "right", "same"), [("1.0.0", "1.0.0.7", True), ("1.0", "1.0.0", True), ("1.0.1", "1.0", False)]
)
def test_of_a_packages_version_three_numbers_count(left: str, right: str, same: bool) -> None:
    assert same_version(left, right) is same


@pytest.mark.parametrize(
    ("kind", "data", "raw"),
    [
        ("string", "aé", b"a\0\xe9\0\0\0"),
        ("multi", ["a", "b"], b"a\0\0\0b\0\0\0\0\0"),
        ("multi", [], b"\0\0"),
        ("dword", "0x10", b"\x10\0\0\0"),
        ("dword", "010", b"\x0a\0\0\0"),
        ("qword", 2**40, (2**40).to_bytes(8, "little")),
        ("binary", "00 ff,10", b"\0\xff\x10"),
        ("none", None, b""),
    ],
)
def test_data_of_the_registry(kind: str, data: Any, raw: bytes) -> None:
    assert registry.encode(kind, data) == raw
    assert registry.encode(kind, registry.decode(registry.TYPES[kind], raw).data) == raw


@pytest.mark.parametrize(
    ("number", "raw", "data"),
    [
        (1, b"a\0b", "a"),  # an odd end
        (1, b"a\0\0\0b\0", "a"),  # a NUL in the middle
        (4, b"\1\2", "0102"),  # no number of four bytes
        (7, b"a\0\0\0b\0", ["a", "b"]),  # without an end
        (8, b"x", "78"),
    ],
)
def test_what_is_not_as_it_should_be_keeps_its_bytes(number: int, raw: bytes, data: Any) -> None:
    found = registry.decode(number, raw)
    assert (found.data, found.raw) == (data, raw)
    assert registry.kept(found) == [number, raw.hex()]


def test_data_that_is_not_of_its_type_is_refused() -> None:
    for kind, data in (("dword", 2**32), ("dword", "x"), ("binary", "0"), ("link", "x")):
        with pytest.raises(ValueError, match=r"."):
            registry.encode(kind, data)
    with pytest.raises(ValueError, match="no root"):
        registry.split("HKXX\\a")


def program(name: str, version: str = "1") -> Program:
    return Program("HKLM\\x\\" + name, "64", name, version, "", "", "", "", "")


def test_programs_by_name() -> None:
    found = [program(name) for name in ("Arsip", "Arsip Kantor [x64]", "arsip", "")]
    assert [each.name for each in programs.named(found, "ARSIP")] == ["Arsip", "arsip"]
    assert [each.name for each in programs.named(found, "arsip * [x64]")] == ["Arsip Kantor [x64]"]
    assert programs.named(found, "*") == found[:3]


def host_of(folder: Path) -> Any:
    return types.SimpleNamespace(
        root=str(folder), blob=lambda digest: str(folder / "blobs" / digest), boot_id=lambda: "b1"
    )


def test_another_softwares_set_up_is_no_way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blobs").mkdir()
    host = host_of(tmp_path)
    host.payload = lambda name: {"digest": "baru"}
    (tmp_path / "blobs/lama").write_bytes(b"x")
    monkeypatch.setattr(programs, "programs", lambda: [program("Arsip"), program("Lain")])
    row = {"digest": "lama", "file": "x.exe", "silent": [], "maker": "nsis", "detect": {"program": "Lain"}}
    save(installers.note_path(host, "lama"), {**row, "entries": [["HKLM\\x\\Lain", "64", "1", "Lain"]]})
    spec = {"payload": "baru", "detect": {"program": "Arsip", "version": "2"}}
    with pytest.raises(ActionFailed, match="is installed, and Pasang does not have its set-up"):
        former.keep(spec, types.SimpleNamespace(found="Arsip 1"), host, str(tmp_path / "keep"))  # type: ignore[arg-type]


def test_a_reboot_is_wanted_in_the_boot_in_which_it_was_said(tmp_path: Path) -> None:
    host = host_of(tmp_path)
    for code, kind in ((3010, "soft_reboot"), (1641, "hard_reboot")):
        said = installers.claimed(installers.meaning("msiexec", code, removing=False), host)
        assert said == {"claims": kind, "reboot": {"kind": kind, "boot": "b1"}}
    assert installers.claimed(installers.meaning("plain", 0, removing=False), host) == {"claims": "ok"}
    assert installers.meaning("plain", 7, removing=False).kind == "failed"
    assert installers.meaning("msiexec", 1605, removing=True).succeeded
