"""Signatures and the offline check, judged by what a forger could try."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.errors import FormError
from controller.form.json import digest, spelled, to_json
from controller.form.keys import fingerprint, known_keys, public_key, signing_key
from controller.form.project import project
from controller.form.sign import sign, valid_signatures
from controller.form.verify import SIZE_LIMIT_BYTES, verify, verify_bytes
from tests.cases.forms import events

AT = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)


def signed_events(name: str, folder: Path, role: str = "user", who: str = "Siti Contoh") -> list[dict[str, Any]]:
    """The records of a case, and one more: the signature."""
    records = events(name)
    fields = sign(project(records), role=role, name=who, folder=folder, at=AT)
    stamp = {key: records[0][key] for key in ("run", "host", "form")}
    seq = sum(record["type"] == "signed" for record in records) + 1
    return [
        *records,
        {"type": "signed", "source": "controller", "writer": "s", "seq": seq, "step": 12, **stamp, **fields},
    ]


@pytest.fixture
def exported(tmp_path: Path) -> bytes:
    return to_json(project(signed_events("installed", tmp_path / "keys")))


def test_signing_leaves_the_digest_as_it_was(tmp_path: Path) -> None:
    signed = project(signed_events("installed", tmp_path))
    assert digest(signed) == digest(project(events("installed")))
    assert [s.name for s in valid_signatures(signed)] == ["Siti Contoh"]


def test_the_digest_can_be_computed_without_this_program(exported: bytes) -> None:
    head = exported[: exported.index(b'\n"digest":"') + 1]
    assert json.loads(exported)["digest"] == hashlib.sha256(head).hexdigest()


def test_a_form_as_it_was_exported_is_sound(exported: bytes, tmp_path: Path) -> None:
    file = tmp_path / "FI.json"
    file.write_bytes(exported)
    report = verify(file, known=known_keys(tmp_path / "keys"))
    assert report.is_sound
    assert report.faults == ()
    assert (report.number, report.outcome) == ("FI-2026-000001", "installed")
    (signature,) = report.signatures
    assert (signature.role, signature.name, signature.is_valid, signature.is_known) == (
        "user",
        "Siti Contoh",
        True,
        True,
    )
    assert re.fullmatch(r"([0-9a-f]{4}:){3}[0-9a-f]{4}", signature.fingerprint)


def test_a_changed_byte_is_found_wherever_it_stands(exported: bytes) -> None:
    lines = exported.split(b"\n")
    at = 0
    for line in lines:
        for offset in {0, 1, len(line) // 3, len(line) // 2, max(len(line) - 2, 0), len(line)}:
            place = at + offset
            if place >= len(exported):
                continue
            changed = exported[:place] + bytes([exported[place] ^ 1]) + exported[place + 1 :]
            assert not verify_bytes(changed).is_sound, (place, line[:40])
        at += len(line) + 1


def test_the_part_that_was_changed_is_named(exported: bytes) -> None:
    place = exported.index(b"Melakukan Test default") + 3
    changed = exported[:place] + b"X" + exported[place + 1 :]
    report = verify_bytes(changed)
    faults = {fault.part: fault for fault in report.faults}
    assert set(faults) == {"steps[6]", "signatures[0]"}
    assert faults["steps[6]"].first_byte < place < faults["steps[6]"].last_byte
    assert "over other content" in faults["signatures[0]"].what.en


def change(exported: bytes, old: bytes, new: bytes) -> bytes:
    assert exported.count(old) == 1, old
    return exported.replace(old, new)


def test_a_changed_outcome_that_forges_its_seals_is_betrayed_by_the_signature(exported: bytes) -> None:
    forged = change(exported, b'"outcome":"installed"', b'"outcome":"already_installed"')
    old_line = hashlib.sha256(b'"outcome":"installed"').hexdigest().encode()
    new_line = hashlib.sha256(b'"outcome":"already_installed"').hexdigest().encode()
    forged = change(forged, old_line, new_line)
    true_digest = json.loads(exported)["digest"].encode()
    new_digest = hashlib.sha256(forged[: forged.index(b'\n"digest":"') + 1]).hexdigest().encode()
    forged = forged.replace(b'\n"digest":"' + true_digest, b'\n"digest":"' + new_digest)
    report = verify_bytes(forged)
    assert [fault.part for fault in report.faults] == ["signatures[0]"]
    forged = forged.replace(true_digest, new_digest)  # in the signature as well
    report = verify_bytes(forged)
    assert [fault.part for fault in report.faults] == ["signatures[0]"]
    assert "does not hold" in report.faults[0].what.en


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        (b'"name":"Siti Contoh"', b'"name":"Budi Contoh"', "signatures[0]"),
        (b'"as":"user"', b'"as":"staf_ti"', "signatures[0]"),
        (b'"at":"2026-11-22T15:00:00.000Z"', b'"at":"2026-11-21T15:00:00.000Z"', "signatures[0]"),
        (b'"host":"loket-07"', b'"host":"loket-08"', "host"),
    ],
)
def test_whose_when_and_where_cannot_be_changed(exported: bytes, old: bytes, new: bytes, part: str) -> None:
    assert part in [fault.part for fault in verify_bytes(change(exported, old, new)).faults]


def test_a_signature_of_another_form_does_not_count(tmp_path: Path) -> None:
    records = signed_events("installed", tmp_path)
    other = [{**record, "host": "loket-08"} for record in records]
    assert valid_signatures(project(other)) == ()
    report = verify_bytes(to_json(project(other)))
    assert [fault.part for fault in report.faults] == ["signatures[0]"]


def test_a_key_that_is_not_ours_is_said_so(tmp_path: Path) -> None:
    data = to_json(project(signed_events("installed", tmp_path / "elsewhere")))
    report = verify_bytes(data, known=known_keys(tmp_path / "ours"))
    assert report.is_sound
    assert [signature.is_known for signature in report.signatures] == [False]
    assert [signature.is_known for signature in verify_bytes(data).signatures] == [None]


def respelled(exported: bytes, **options: Any) -> bytes:
    return json.dumps(json.loads(exported), ensure_ascii=False, **options).encode()


@pytest.mark.parametrize(
    ("name", "spoil", "said"),
    [
        ("formatted", lambda d: respelled(d, indent=2), "spelled otherwise"),
        ("sorted", lambda d: respelled(d, sort_keys=True), "out of its place"),
        ("space", lambda d: d + b"\n", "spelled otherwise"),
        ("crlf", lambda d: d.replace(b"\n", b"\r\n"), "spelled otherwise"),
        ("twice", lambda d: d.replace(b'"run":', b'"run":"x",\n"run":', 1), "stands there twice"),
        ("missing", lambda d: re.sub(rb'\n"owner":[^\n]*', b"", d), "is missing"),
        ("extra", lambda d: d.replace(b'"others":[]', b'"others":[],\n"more":1'), "no such key"),
        ("last", lambda d: d.replace(b"\n}\n", b',\n"more":1\n}\n'), "no such key"),
        ("step", lambda d: re.sub(rb'\n\{"activity":"Melakukan Test[^\n]*', b"", d), "has been removed"),
        ("seal", lambda d: d.replace(b'"key":', b'"kez":'), "not complete"),
        ("nan", lambda d: d.replace(b'"reason":null', b'"reason":NaN', 1), "is not JSON"),
        ("infinite", lambda d: d.replace(b'"reason":null', b'"reason":1e999', 1), "cannot be read"),
        ("cut", lambda d: d[:-200], "broken here"),
        ("empty", lambda d: b"", "broken here"),
        ("binary", lambda d: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not UTF-8"),
        ("nul", lambda d: b"\0" * 1000, "broken here"),
        ("list", lambda d: b"[1]", "not an installation form"),
        ("other", lambda d: b"{}", "not an installation form"),
        ("deep", lambda d: b"[" * 100_000, "cannot be read"),
        ("number", lambda d: b'{"pasang_form":' + b"9" * 5000 + b"}", "cannot be read"),
    ],
)
def test_what_is_not_the_exported_file_is_refused_and_said_why(
    exported: bytes, name: str, spoil: Any, said: str
) -> None:
    report = verify_bytes(spoil(exported))
    assert not report.is_sound
    assert any(said in fault.what.en for fault in report.faults), report.faults


def test_broken_bytes_are_placed(exported: bytes) -> None:
    place = exported.index(b"Siti")
    assert verify_bytes(exported[:place] + b"\xff" + exported[place + 1 :]).faults[0].first_byte == place
    place = exported.index(b'"arcs":') + len(b'"arcs"')
    assert verify_bytes(exported[:place] + b";" + exported[place + 1 :]).faults[0].first_byte == place


def test_files_that_cannot_be_a_form_are_bad_input(tmp_path: Path) -> None:
    with pytest.raises(FormError, match="cannot be read") as caught:
        verify(tmp_path / "missing.json")
    assert caught.value.exit_code == 2
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(SIZE_LIMIT_BYTES + 1)
    with pytest.raises(FormError, match="too large"):
        verify(huge)


@pytest.mark.parametrize(
    ("case", "role", "said"),
    [
        ("rolled_back_clean", "user", "cannot be used"),
        ("not_eligible", "staf_ti", "cannot be used"),
        ("awaiting_decision", "user", "waits for a decision"),
        ("line_lost", "user", "not over"),
        ("data_center", "user", "by IT staff"),
        ("installed", "sub_koordinator", "does not sign"),
    ],
)
def test_who_may_not_sign_is_told_why(tmp_path: Path, case: str, role: str, said: str) -> None:
    with pytest.raises(FormError, match=said):
        sign(project(events(case)), role=role, name="Siti Contoh", folder=tmp_path / "keys", at=AT)
    assert not (tmp_path / "keys").exists()


def test_each_role_signs_once_and_staff_may_sign_beside_the_user(tmp_path: Path) -> None:
    records = signed_events("installed", tmp_path)
    with pytest.raises(FormError, match="already signed by Siti Contoh"):
        sign(project(records), role="user", name="Orang Lain", folder=tmp_path, at=AT)
    fields = sign(project(records), role="staf_ti", name="Budi Contoh", folder=tmp_path, at=AT)
    both = project([*records, {**records[-1], **fields, "seq": 2}])
    assert [(s.role, s.name) for s in valid_signatures(both)] == [("user", "Siti Contoh"), ("staf_ti", "Budi Contoh")]
    assert verify_bytes(to_json(both)).is_sound


def both_signed(folder: Path) -> bytes:
    """A form that the user signed, and after that IT staff."""
    records = signed_events("installed", folder)
    fields = sign(project(records), role="staf_ti", name="Budi Contoh", folder=folder, at=AT)
    return to_json(project([*records, {**records[-1], **fields, "seq": 2}]))


def without(exported: bytes, *taken: int) -> bytes:
    """The file as a forger would write it who takes signatures out."""
    content = json.loads(exported)
    seals = {key: content.pop(key) for key in ("digest", "parts", "signatures")}
    seals["signatures"] = [one for at, one in enumerate(seals["signatures"]) if at not in taken]
    return spelled(content, **seals)


def test_a_signature_that_was_taken_out_is_betrayed_by_the_one_after_it(tmp_path: Path) -> None:
    exported = both_signed(tmp_path)
    assert verify_bytes(without(exported)) == verify_bytes(exported)
    assert verify_bytes(exported).unsigned == ()
    report = verify_bytes(without(exported, 0))
    assert [(fault.part, "removed or changed" in fault.what.en) for fault in report.faults] == [("signatures[0]", True)]
    content = json.loads(exported)
    forged = dict(content["signatures"][1])
    del forged["earlier"]  # as if it had been put when there was no other
    seals = {key: content.pop(key) for key in ("digest", "parts", "signatures")} | {"signatures": [forged]}
    assert ["does not hold" in f.what.en for f in verify_bytes(spelled(content, **seals)).faults] == [True]


def test_the_last_signature_can_be_taken_out_and_then_its_role_is_named(tmp_path: Path) -> None:
    report = verify_bytes(without(both_signed(tmp_path), 1))
    assert (report.is_sound, [s.role for s in report.signatures], report.unsigned) == (True, ["user"], ("staf_ti",))
    assert verify_bytes(without(both_signed(tmp_path), 0, 1)).unsigned == ("user", "staf_ti")
    assert verify_bytes(to_json(project(events("data_center")))).unsigned == ("staf_ti",)
    assert verify_bytes(to_json(project(events("rolled_back_clean")))).unsigned == ()


def test_two_that_were_put_before_signatures_covered_each_other_still_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as formerly:
        formerly.setattr("controller.form.sign.digest_of_signatures", lambda _: "")
        exported = both_signed(tmp_path)
    assert b'"earlier"' not in exported
    report = verify_bytes(exported)
    assert (report.is_sound, report.unsigned) == (True, ())


def test_staff_signs_in_the_data_centre(tmp_path: Path) -> None:
    assert verify_bytes(to_json(project(signed_events("data_center", tmp_path, "staf_ti")))).is_sound


def test_a_key_is_made_once_and_only_we_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "keys"
    with ThreadPoolExecutor(8) as pool:
        made = {public_key(key) for key in pool.map(lambda _: signing_key(folder, "Siti  Contoh"), range(16))}
    assert len(made) == 1
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert public_key(signing_key(folder, " Siti Contoh ")) in made
    assert public_key(signing_key(folder, "../Siti/Contoh")) not in made
    assert len(list(folder.iterdir())) == 2
    assert known_keys(folder) > made


@pytest.mark.parametrize("name", ["", "   ", "a\x00b", "x" * 121, "baris\u202edua"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormError, match="name cannot be used"):
        signing_key(tmp_path, name)


def test_a_key_file_that_is_no_key_is_named(tmp_path: Path) -> None:
    signing_key(tmp_path, "Siti")
    (file,) = tmp_path.iterdir()
    file.write_text("not a key")
    with pytest.raises(FormError, match=re.escape(file.name)):
        signing_key(tmp_path, "Siti")
    assert known_keys(tmp_path) == frozenset()
    assert fingerprint("no base64!") == ""


@pytest.mark.parametrize(("name", "work"), [("verified", "verifikasi"), ("removed_foreign", "pencopotan")])
@pytest.mark.parametrize("role", ["user", "staf_ti"])
def test_only_the_form_of_an_installation_is_signed_and_the_others_say_where_it_is(
    tmp_path: Path, name: str, work: str, role: str
) -> None:
    with pytest.raises(FormError) as caught:
        sign(project(events(name)), role=role, name="Siti Contoh", folder=tmp_path, at=AT)
    said = caught.value.say("id")
    assert f"form {work} tidak ditandatangani" in said
    assert "pasang form list --host loket-07 --software nginx" in said
    assert "tidak sampai dapat digunakan" not in said
