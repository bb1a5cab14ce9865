"""The contract of what only Windows has (msi, exe, registry, services), with real installers on a computer of the lab.

Judged from outside, by drive and registry: an action taken back leaves the computer as it was, to the byte.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.contract.windows_computer import ROOT, WindowsComputer, differences
from tests.lab.fixtures import Boot
from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.software import (
    PORT,
    Fault,
    ensure_fake_msiexec,
    ensure_msi,
    ensure_service,
    ensure_setup,
    product_code,
)

SOFTWARE = r"HKEY_LOCAL_MACHINE\Software\Arsip"
FAKE = {"agent.windows.msiexec.program": r"C:\palsu.exe", "agent.windows.installers.PAUSES_S": [0.2]}
NSIS = {"maker": "nsis", "silent": ["/S"], "detect": {"program": "Arsip", "version": "1.0.0"}}


@pytest.fixture(scope="module")
def pc(boot_module: Boot) -> WindowsComputer:
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    made = WindowsComputer(host)
    made.add("lama", ensure_msi("1.0.0"))
    made.add("baru", ensure_msi("1.1.0"))
    made.add("kecil", ensure_msi("1.0.5", code=product_code("1.0.0")))
    made.add("gagal", ensure_msi("1.2.0", Fault.ACTION))
    made.add("syarat", ensure_msi("1.0.0", Fault.CONDITION))
    made.add("setup", ensure_setup(), "Pemasang Arsip (é).exe")
    made.add("setup-baru", ensure_setup("1.1.0"))
    for fault in (Fault.ABORTS, Fault.ASKS, Fault.CHILD, Fault.CHILD_STAYS, Fault.WRONG_CODE, Fault.REBOOT):
        made.add(fault.name, ensure_setup("1.0.0", fault))
    (host.drive / "palsu.exe").write_bytes(ensure_fake_msiexec().read_bytes())
    (host.drive / "arsip.exe").write_bytes(ensure_service().read_bytes())
    (host.drive / "mati.exe").write_bytes(ensure_service("1.0.0", Fault.DIES).read_bytes())
    return made


@pytest.fixture(scope="module")
def bare(pc: WindowsComputer) -> Iterator[dict[str, Any]]:
    """The computer before anything was installed; after everything it is so again, in every corner."""
    before = pc.state()
    yield pc.state(whole=False)
    assert_same(before, pc.state())


@pytest.fixture
def clean(pc: WindowsComputer, bare: dict[str, Any]) -> Iterator[None]:
    """Afterwards it is as it was before, where installers usually write."""
    yield
    assert_same(bare, pc.state(whole=False))


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    left = differences(before, after)
    assert not left, "\n".join(f"{name}: {was} -> {now}"[:500] for name, (was, now) in left.items())


def start(pc: WindowsComputer) -> None:
    """Let its service run; of one that is still starting Wine's installer leaves a copy behind."""
    pc.host.run("sc start Arsip")
    wait_until(lambda: PORT in pc.host.ports(), timeout_s=20, what="the service")


def there(pc: WindowsComputer, kind: str, spec: dict[str, Any], **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An action carried out, and once more: the entry to undo it, and the evidence."""
    assert pc.do("detect", kind, spec)["state"] in ("absent", "different")
    entry = pc.do("capture", kind, spec, keep=pc.keep_folder())["entry"]
    done = pc.do("apply", kind, spec, **more)
    assert "failed" not in done, done
    assert pc.do("verify", kind, spec)["state"] == "present"
    assert pc.do("detect", kind, spec)["state"] == "present"
    return entry, done["evidence"]


def back(pc: WindowsComputer, kind: str, entry: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Taken back; and once more, which changes nothing."""
    undone = pc.do("undo", kind, entry, **more)
    assert "failed" not in undone, undone
    assert "failed" not in pc.do("undo", kind, entry)
    evidence: dict[str, Any] = undone["evidence"]
    return evidence


# --- msi --------------------------------------------------------------------------------------------------------------


def test_an_msi_there_and_back(pc: WindowsComputer, clean: None) -> None:
    spec = {
        "payload": "lama",
        "properties": {"ALLUSERS": "1", "MODE": "Rumah Sakit Désa"},
        "features": ["Utama", "Isi"],
    }
    entry, evidence = there(pc, "msi", spec)
    assert evidence["claims"] == "ok"
    kind, mode = pc.host.registry(SOFTWARE)[SOFTWARE]["Mode"]  # as reg.exe says it, in the code page of consoles
    assert (kind, mode[:13]) == ("REG_SZ", "Rumah Sakit D")
    mode_of = {"kind": "registry", "key": r"HKLM\Software\Arsip", "value": "Mode"}
    assert pc.ask(**mode_of, equals="Rumah Sakit Désa")["verdict"] == "passed"
    assert pc.ask(kind="program", name="ars*", version=">=1,<2")["verdict"] == "passed"
    assert pc.ask(kind="program", name="Arsip", version="1.1")["verdict"] == "failed"
    assert pc.do("absent", "msi", {"payload": "baru"})["evidence"]["code"] == product_code("1.1.0")
    back(pc, "msi", entry)
    assert pc.ask(kind="program", name="Arsip")["verdict"] == "failed"


@pytest.mark.parametrize("new", ["baru", "kecil"], ids=["a major upgrade", "a minor upgrade"])
def test_an_upgrade_goes_back_to_the_very_version(pc: WindowsComputer, clean: None, new: str) -> None:
    first, _ = there(pc, "msi", {"payload": "lama", "properties": {"MODE": "sekolah"}})
    start(pc)
    before = pc.state(whole=False)
    entry, _ = there(pc, "msi", {"payload": new})
    assert pc.ask(kind="program", name="Arsip", version="1.0.0")["verdict"] == "failed"
    evidence = back(pc, "msi", entry)
    assert evidence["services"] == ["Arsip: active"]
    assert PORT in pc.host.ports()
    different = differences(before, pc.state(whole=False))
    left = {key: row for key, row in different.items() if "/windows/Installer/" not in key}
    assert {name for was, _ in left.values() for name in was} <= {"LocalPackage"}, left
    back(pc, "msi", first)


def test_an_upgrade_that_fails_took_the_old_one_away_and_it_comes_back(pc: WindowsComputer, clean: None) -> None:
    first, _ = there(pc, "msi", {"payload": "lama"})
    spec = {"payload": "gagal"}
    entry = pc.do("capture", "msi", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "msi", spec)
    assert failed["evidence"]["exit_code"] == 1627  # Windows: 1603
    assert failed["evidence"]["why"][-1].endswith("Gagal. Return value 0.")  # Windows: 3
    assert not (pc.host.drive / "Program Files/Arsip/arsip.exe").exists()
    back(pc, "msi", entry)
    assert (pc.host.drive / "Program Files/Arsip/arsip.txt").read_text() == "arsip 1.0.0\n"
    assert pc.do("detect", "msi", {"payload": "lama"})["state"] == "present"
    back(pc, "msi", first)


def test_a_feature_that_it_does_not_have_is_no_success(pc: WindowsComputer, clean: None) -> None:
    """msiexec's word here is 0, which is no reason (Windows: 1603)."""
    spec = {"payload": "lama", "features": ["Lain"]}
    entry = pc.do("capture", "msi", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "msi", spec)
    assert failed["failed"]["en"].startswith("msiexec.exe ended with code 0, but"), failed
    back(pc, "msi", entry)


def test_a_launch_condition_that_does_not_hold(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "syarat"}
    entry = pc.do("capture", "msi", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "msi", spec)
    assert failed["evidence"]["exit_code"] == 1603
    assert "LaunchConditions" in failed["evidence"]["why"][-1]
    assert "LaunchConditions" in failed["failed"]["id"]
    back(pc, "msi", entry)


@pytest.mark.long
def test_a_version_before_that_cannot_be_kept_is_not_touched(pc: WindowsComputer, clean: None) -> None:
    first, _ = there(pc, "msi", {"payload": "lama"})
    (cached,) = (pc.host.drive / "windows/Installer").glob("*.msi")
    content = cached.read_bytes()
    cached.write_bytes(content[:5000])
    blob = pc.path("blobs") / pc.payloads["lama"]["digest"]
    blob.rename(blob.with_suffix(".aside"))
    refused = pc.do("capture", "msi", {"payload": "baru"}, keep=pc.keep_folder())
    assert "Arsip 1.0.0 cannot be kept" in refused["failed"]["en"]
    cached.write_bytes(content)
    kept = pc.do("capture", "msi", {"payload": "baru"}, keep=pc.keep_folder())["entry"]
    assert [row["version"] for row in kept["before"]] == ["1.0.0"]
    blob.with_suffix(".aside").rename(blob)
    back(pc, "msi", first)


def tell_the_fake(pc: WindowsComputer, *lines: str) -> None:
    (pc.host.drive / "palsu.txt").write_text("".join(f"{line}\n" for line in lines))


def test_codes_that_wine_never_ends_with_told_by_a_fake(pc: WindowsComputer, clean: None) -> None:
    tell_the_fake(pc, "1618", "1618", "real 3010")
    entry, evidence = there(pc, "msi", {"payload": "lama"}, instead=FAKE)
    assert (evidence["tries"], evidence["exit_code"], evidence["claims"]) == (3, 3010, "soft_reboot")
    assert evidence["reboot"]["kind"] == "soft_reboot"
    tell_the_fake(pc, "real 1605")
    undone = back(pc, "msi", entry, instead=FAKE)
    assert [call["exit_code"] for call in undone["calls"]] == [1605]
    tell_the_fake(pc, *["1618"] * 50)
    spec = {"payload": "lama", "timeout_s": 1}
    failed = pc.do("apply", "msi", spec, instead=FAKE)
    assert (failed["evidence"]["exit_code"], failed["evidence"]["claims"]) == (1618, "busy")
    tell_the_fake(pc, "0")
    lied = pc.do("apply", "msi", spec, instead=FAKE)
    assert "failed" in lied, "0 is no proof"
    (pc.host.drive / "palsu.txt").unlink()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["msi", "exe"])
def test_a_power_cut_in_the_middle(pc: WindowsComputer, clean: None, kind: str) -> None:
    spec = {"payload": "lama"} if kind == "msi" else {"payload": "setup", **NSIS}
    entry = pc.do("capture", kind, spec, keep=pc.keep_folder())["entry"]
    for again in (False, True):
        threading.Thread(target=cut_off, args=(pc, kind, spec), daemon=True).start()
        wait_until((pc.host.drive / "Program Files/Arsip/arsip.txt").exists, timeout_s=60, what="the first file")
        time.sleep(0.05)
        pc.host.power_off()
        pc.host.boot()
        if again and kind == "msi":
            pc.do("settle", kind, spec)
            assert "failed" not in pc.do("apply", kind, spec)
            assert pc.do("verify", kind, spec)["state"] == "present"
        elif kind == "exe" and pc.do("detect", kind, spec)["state"] != "present":
            assert "failed" not in pc.do("apply", kind, spec)  # of half a set-up nobody knows how it is removed
        back(pc, kind, entry)
        assert not (pc.host.drive / "Program Files/Arsip").exists()


def cut_off(pc: WindowsComputer, kind: str, spec: dict[str, Any]) -> None:
    with suppress(AssertionError, RuntimeError):  # its computer is off
        pc.do("apply", kind, spec)


# --- exe --------------------------------------------------------------------------------------------------------------


def test_a_set_up_there_and_back(pc: WindowsComputer, clean: None) -> None:
    entry, evidence = there(pc, "exe", {"payload": "setup", **NSIS})
    assert evidence["entries"] == ["Arsip"]
    path = r"C:\Program Files\Arsip\arsip.txt"
    assert pc.ask(kind="file", path=path, contains="arsip 1.0.0")["verdict"] == "passed"
    other = {"payload": "setup-baru", **NSIS, "detect": {"file": path, "version": "9"}}
    assert "failed" in pc.do("capture", "exe", other, keep=pc.keep_folder()), "that is not remembered to be of Arsip"
    evidence = back(pc, "exe", entry)
    assert [call["argv"][1] for call in evidence["calls"]] == [r"/S _?=C:\Program Files\Arsip"]


@pytest.mark.long
def test_a_set_up_over_another_brings_that_back(pc: WindowsComputer, clean: None) -> None:
    first, _ = there(pc, "exe", {"payload": "setup", **NSIS})
    start(pc)
    before = pc.state(whole=False)
    entry, _ = there(pc, "exe", {"payload": "setup-baru", **NSIS, "detect": {"program": "Arsip", "version": "1.1.0"}})
    assert back(pc, "exe", entry)["services"] == ["Arsip: active"]
    assert_same(before, pc.state(whole=False))
    back(pc, "exe", first)


@pytest.mark.long
def test_a_set_up_over_one_of_nobodys_is_not_begun_unless_that_is_allowed(pc: WindowsComputer, clean: None) -> None:
    (pc.host.drive / "asing.exe").write_bytes(ensure_setup().read_bytes())
    pc.host.run([r"C:\asing.exe", "/S"])
    spec = {"payload": "setup-baru", **NSIS, "detect": {"program": "Arsip", "version": "1.1.0"}}
    refused = pc.do("capture", "exe", spec, keep=pc.keep_folder())
    assert "Arsip 1.0.0 is installed" in refused["failed"]["en"]
    entry, _ = there(pc, "exe", {**spec, "replace": True})
    undone = pc.do("undo", "exe", entry)
    assert "cannot be brought back" in undone["failed"]["en"]
    assert pc.do("detect", "exe", spec)["state"] == "absent"
    (pc.host.drive / "asing.exe").unlink()


@pytest.mark.long
def test_a_set_up_whose_child_goes_on_is_waited_for(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "CHILD", **NSIS, "detect": {"file": r"C:\Program Files\Arsip\selesai.txt"}}
    entry, evidence = there(pc, "exe", spec)
    assert evidence["exit_code"] == 0
    back(pc, "exe", entry)


def test_a_set_up_that_fails_takes_its_children_with_it(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "CHILD_STAYS", **NSIS}
    entry = pc.do("capture", "exe", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "exe", spec)
    assert failed["evidence"]["exit_code"] == 2
    assert [name for name in failed["evidence"]["stopped_children"] if "arsip.exe" in name], failed
    assert not [line for line in pc.host.processes() if "arsip.exe late" in line]
    back(pc, "exe", entry)
    assert not (pc.host.drive / "Program Files/Arsip/selesai.txt").exists()


def test_a_folder_with_blanks_reaches_nsis_as_it_wants_it(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "setup", **NSIS, "silent": [r"/D=C:\Program Files\Bu Désa's & Co", "/S"]}
    entry, _ = there(pc, "exe", spec)
    assert (pc.host.drive / "Program Files/Bu Désa's & Co/arsip.txt").exists()
    back(pc, "exe", entry)


def test_what_a_code_claims_must_hold_too(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "WRONG_CODE", **NSIS}
    entry = pc.do("capture", "exe", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "exe", spec)
    assert (failed["evidence"]["exit_code"], failed["evidence"]["found"]) == (3, "Arsip 1.0.0")
    back(pc, "exe", entry)
    entry, evidence = there(pc, "exe", {**spec, "ok_codes": [3]})
    back(pc, "exe", entry)
    entry, evidence = there(pc, "exe", {"payload": "REBOOT", **NSIS})
    assert evidence["reboot"]["kind"] == "soft_reboot"
    back(pc, "exe", entry)


def test_a_name_that_the_set_up_does_not_use_is_told_and_it_is_taken_back_all_the_same(
    pc: WindowsComputer, clean: None
) -> None:
    spec = {"payload": "setup", **NSIS, "detect": {"program": "Arsip Kota", "version": "1.0.0"}}
    entry = pc.do("capture", "exe", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "exe", spec, instead={"agent.windows.actions.exe.SETTLING_S": 1.0})
    assert failed["failed"]["en"].endswith("Newly listed: Arsip.")
    back(pc, "exe", entry)


@pytest.mark.long
def test_a_set_up_that_asks_is_stopped(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "ASKS", **NSIS, "stall_s": 4}
    entry = pc.do("capture", "exe", spec, keep=pc.keep_folder())["entry"]
    began = time.monotonic()
    failed = pc.do("apply", "exe", spec)
    assert failed["evidence"]["stopped"]["why"] == "stall"
    assert time.monotonic() - began < 60
    assert not [line for line in pc.host.processes() if "ASKS" in line or "arsip-setup" in line]
    back(pc, "exe", entry)
    clear_away(pc)


def test_a_set_up_that_stops_half_way_has_no_way_back_of_its_own(pc: WindowsComputer, clean: None) -> None:
    spec = {"payload": "ABORTS", **NSIS}
    entry = pc.do("capture", "exe", spec, keep=pc.keep_folder())["entry"]
    failed = pc.do("apply", "exe", spec)
    assert failed["evidence"]["exit_code"] == 2
    back(pc, "exe", entry)
    assert (pc.host.drive / "Program Files/Arsip/arsip.txt").exists(), "that is for the proof to find and to clear away"
    clear_away(pc)


def clear_away(pc: WindowsComputer) -> None:
    """What a set-up left that nobody removes; in a run the sweep does."""
    pc.host.run(r'cmd.exe /c rmdir /s /q "C:\Program Files\Arsip"')


# --- registry ---------------------------------------------------------------------------------------------------------

KEY = r"HKLM\Software\Kantor Désa\Cabang"
VALUES = [
    {"value": "Unit", "data": 'Rumah "Ibu" — ş'},
    {"value": "", "data": "bawaan"},
    {"value": "Jalur", "type": "expand", "data": r"%ProgramFiles%\Arsip"},
    {"value": "Daftar", "type": "multi", "data": ["satu", "dua"]},
    {"value": "Port", "type": "dword", "data": "0x1fae"},
    {"value": "Besar", "type": "qword", "data": str(2**40)},
    {"value": "Mentah", "type": "binary", "data": "00 ff 10"},
    {"value": "Kosong", "type": "none", "data": ""},
]


def test_values_there_and_back(pc: WindowsComputer, clean: None) -> None:
    specs = [{"key": KEY, "view": view, **words} for view in ("64", "32") for words in VALUES]
    for spec, answers in zip(specs, pc.round_trips("registry", specs), strict=True):
        assert not [answer for answer in answers if "failed" in answer], (spec, answers)
        states = [answer["state"] for answer in answers if "state" in answer]
        assert states == ["absent", "present", "present", "absent", "absent"], (spec, answers)
    entry, _ = there(pc, "registry", {"key": KEY, "view": "32", **VALUES[0]})
    asked = {"kind": "registry", "key": KEY, "value": "Unit"}
    assert pc.ask(**asked, view="32", contains="Ibu")["verdict"] == "passed"
    assert pc.ask(**asked, view="32", equals="lain")["verdict"] == "failed"
    assert pc.ask(**asked, exists=False)["verdict"] == "passed"
    back(pc, "registry", entry)


def test_what_stood_there_comes_back_to_the_byte(pc: WindowsComputer, clean: None) -> None:
    run = [r"C:\py\python.exe", "-X", "utf8", "-c"]
    odd = r"""
import sys
sys.path.insert(0, "C:\\src")
from agent.windows import registry as r
k = "HKLM\\Software\\Aneh"
"""
    make = r"""
r.write_raw(k, "x", 1, b"a\0\0\0b\0")
r.write_raw(k, "y", 4, b"\1")
r.write(k + "\\Dalam", "", "multi", [])
"""
    show = "\nprint(r.tree(k))"
    before = pc.host.run([*run, odd + make + show]).stdout
    assert "6100000062" in before
    value, _ = there(pc, "registry", {"key": r"HKLM\Software\Aneh", "value": "x", "data": "baru"})
    gone, _ = there(pc, "registry", {"key": r"HKLM\Software\Aneh", "state": "absent"})
    back(pc, "registry", gone)
    back(pc, "registry", value)
    assert pc.host.run([*run, odd + show]).stdout == before
    pc.host.run([*run, odd + "r.delete_key(k)"])


# --- services ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def service(pc: WindowsComputer) -> Iterator[str]:
    pc.host.run(r'sc create Arsip binPath= "C:\arsip.exe" start= demand')
    yield "Arsip"
    pc.host.run("sc stop Arsip", check=False)
    pc.host.run("sc delete Arsip")


def test_a_service_there_and_back(pc: WindowsComputer, service: str) -> None:
    spec = {"name": service, "state": "running", "enabled": True, "stable_for_s": 1}
    entry, _ = there(pc, "service", spec)
    assert pc.host.services()[service] == "0x2"
    assert PORT in pc.host.ports()
    assert pc.ask(kind="service", name=service, state="running", enabled=True, stable_for_s=1)["verdict"] == "passed"
    for word, number in (("disabled", "0x4"), ("manual", "0x3")):
        each, _ = there(pc, "service", {"name": service, "enabled": word})
        assert pc.host.services()[service] == number
        back(pc, "service", each)
        assert pc.host.services()[service] == "0x2"
    stopped, _ = there(pc, "service", {"name": service, "state": "stopped"})
    assert PORT not in pc.host.ports()
    back(pc, "service", stopped)
    assert PORT in pc.host.ports()
    again = pc.do("apply", "service", {"name": service, "state": "restarted"})
    assert again["evidence"]["order"]["start"] == service
    assert "failed" not in pc.do("apply", "service", {"name": service, "state": "reloaded"})
    back(pc, "service", entry)
    assert pc.host.services()[service] == "0x3"
    assert PORT not in pc.host.ports()


def test_a_service_that_dies_is_not_stable_and_a_service_of_ours_goes(pc: WindowsComputer, clean: None) -> None:
    spec = {"name": "Mati", "state": "running", "stable_for_s": 4, "define": {"argv": [r"C:\mati.exe"]}}
    entry = pc.do("capture", "service", spec, keep=ROOT)["entry"]
    assert "failed" not in pc.do("apply", "service", spec)
    judged = pc.do("verify", "service", spec)
    assert judged["state"] == "different"
    assert "1067" in judged["reason"]["en"]  # it did not stay up, or had died before it was looked at
    back(pc, "service", entry)
    assert "Mati" not in pc.host.services()


def test_a_service_that_is_not_there(pc: WindowsComputer) -> None:
    failed = pc.do("apply", "service", {"name": "Tidak", "state": "running"})
    assert failed["failed"]["en"] == "There is no service Tidak on this computer."
    assert pc.ask(kind="service", name="Tidak", state="stopped")["verdict"] == "passed"


def test_versions_of_files(pc: WindowsComputer) -> None:
    path = r"C:\py\python311.dll"
    assert pc.ask(kind="version", file=path, range=">=3.11,<3.12")["verdict"] == "passed"
    assert pc.ask(kind="version", file=path, equals="9")["verdict"] == "failed"
    assert pc.ask(kind="version", file=r"C:\tidak.exe", equals="9")["found"] == "-"
