"""The contract of every action kind that needs no computer of its own: file, archive, command."""

from __future__ import annotations

import io
import itertools
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract.computers import ThisComputer, tree

OLD_NS = 1_600_000_000_123_456_789


@dataclass
class Case:
    """One effect on a small world: what was there, what is asked."""

    name: str
    kind: str
    prepare: Callable[[Path, ThisComputer], dict[str, Any]]
    before: str = "absent"

    def __str__(self) -> str:
        return self.name


def old(path: Path, content: str = "lama\n", mode: int = 0o640) -> Path:
    """A file that somebody else put there long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


def new_file(world: Path, _: ThisComputer) -> dict[str, Any]:
    return {"path": str(world / "etc/app/app.conf"), "content": "isi = 1\n", "mode": "0600"}


def replaced_file(world: Path, _: ThisComputer) -> dict[str, Any]:
    path = old(world / "etc/app.conf")
    if hasattr(os, "setxattr") and os.geteuid() == 0:
        os.setxattr(path, "trusted.uji", b"\x00\xff")
    return {"path": str(path), "content": "isi = 2\n"}


def same_content_other_mode(world: Path, _: ThisComputer) -> dict[str, Any]:
    return {"path": str(old(world / "app.conf", "isi\n")), "content": "isi\n", "mode": "0600"}


def behind_link(world: Path, _: ThisComputer) -> dict[str, Any]:
    old(world / "data/asli.conf")
    (world / "app.conf").symlink_to("data/asli.conf")
    return {"path": str(world / "app.conf"), "content": "isi = 3\n"}


def over_dangling_link(world: Path, _: ThisComputer) -> dict[str, Any]:
    (world / "app.conf").symlink_to("tidak-ada")
    return {"path": str(world / "app.conf"), "content": "isi = 4\n"}


def file_of_payload(world: Path, computer: ThisComputer) -> dict[str, Any]:
    source = old(world.parent / "bahan.bin", "bahan\n" * 1000)
    computer.add_payload("bahan", source)
    return {"path": str(world / "lib/bahan.bin"), "payload": "bahan", "mode": "0755"}


def no_file(world: Path, _: ThisComputer) -> dict[str, Any]:
    return {"path": str(old(world / "app.conf")), "state": "absent"}


def no_link(world: Path, _: ThisComputer) -> dict[str, Any]:
    old(world / "asli")
    (world / "tautan").symlink_to("asli")
    return {"path": str(world / "tautan"), "state": "absent"}


def no_tree(world: Path, _: ThisComputer) -> dict[str, Any]:
    old(world / "log/a/b.log", "b\n")
    old(world / "log/c.log", "c\n", 0o600)
    (world / "log/kosong").mkdir(mode=0o711)
    (world / "log/terakhir").symlink_to("c.log")
    os.mkfifo(world / "log/pipa", 0o622)
    (world / "log/a").chmod(0o2750)
    return {"path": str(world / "log"), "state": "absent"}


def new_folder(world: Path, _: ThisComputer) -> dict[str, Any]:
    return {"path": str(world / "srv/app/data"), "state": "directory", "mode": "0750"}


def folder_with_other_mode(world: Path, _: ThisComputer) -> dict[str, Any]:
    old(world / "data/isi")
    (world / "data").chmod(0o700)
    return {"path": str(world / "data"), "state": "directory", "mode": "0755"}


def tar_of(path: Path, compression: str = "gz", *, top: str = "app-1.0/") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:
        for name, mode, content in (("bin/app", 0o4755, b"#!/bin/sh\n"), ("share/a.txt", 0o644, b"a\n")):
            row = tarfile.TarInfo(top + name)
            row.size, row.mode, row.mtime, row.uid = len(content), mode, 1_500_000_000, 4711
            archive.addfile(row, io.BytesIO(content))
        link = tarfile.TarInfo(top + "share/b.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "a.txt"
        archive.addfile(link)
        hard = tarfile.TarInfo(top + "share/c.txt")
        hard.type, hard.linkname = tarfile.LNKTYPE, top + "share/a.txt"
        archive.addfile(hard)
    return path


def zip_of(path: Path, *, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        row = zipfile.ZipInfo(top + "bin/app", (2017, 7, 14, 2, 40, 0))
        row.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(row, "#!/bin/sh\n")
        link = zipfile.ZipInfo(top + "app", (2017, 7, 14, 2, 40, 0))
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "bin/app")
    return path


def archive_tar(world: Path, computer: ThisComputer, compression: str = "gz") -> dict[str, Any]:
    path = tar_of(world.parent / "app.tar", compression)
    computer.add_payload("app", path, format="tar", meta={"unpacked_size_bytes": 12})
    return {"payload": "app", "into": str(world / "opt/app"), "version": "1.0", "link": "current", "strip": 1}


def archive_zip(world: Path, computer: ThisComputer, top: str = "") -> dict[str, Any]:
    path = zip_of(world.parent / "app.zip", top=top)
    computer.add_payload("app", path, format="zip", meta={"unpacked_size_bytes": 17})
    spec = {"payload": "app", "into": str(world / "opt/app"), "version": "1.0", "link": "current"}
    return {**spec, "strip": top.count("/")}


def archive_zip_below(world: Path, computer: ThisComputer) -> dict[str, Any]:
    return archive_zip(world, computer, "app-1.0/")


def archive_upgrade(world: Path, computer: ThisComputer) -> dict[str, Any]:
    old(world / "opt/app/releases/0.9-00000000/bin/app", "lama", 0o755)
    (world / "opt/app/current").symlink_to("releases/0.9-00000000")
    return archive_tar(world, computer, "xz")


def archive_over_half(world: Path, computer: ThisComputer) -> dict[str, Any]:
    spec = archive_tar(world, computer, "bz2")
    name = f"1.0-{computer.payloads['app']['digest'][:8]}"
    old(world / "opt/app/releases" / name / "share/sisa.txt", "sisa")
    old(world / "opt/app/releases" / name / "share/a.txt", "setengah")
    (world / "opt/app/current").symlink_to("releases/" + name)
    return spec


def command(world: Path, _: ThisComputer) -> dict[str, Any]:
    made = world / "dibuat"
    return {
        "argv": ["sh", "-c", f'test "$PWD" = {world} && echo "$ISI" >{made}'],
        "creates": str(made),
        "environment": {"ISI": "x y"},
        "directory": str(world),
        "undo": {"argv": ["rm", str(made)]},
    }


def command_unless(world: Path, _: ThisComputer) -> dict[str, Any]:
    made = world / "dibuat"
    return {
        "shell": f"echo a | cat >{made}; exit 3",
        "ok_codes": [3],
        "unless": {"kind": "command", "argv": ["test", "-e", str(made)], "exit_code": 0, "timeout_s": 5},
        "undo": {"argv": ["rm", str(made)]},
    }


CASES = [
    Case("a new file", "file", new_file),
    Case("a file in place of another", "file", replaced_file, "different"),
    Case("a file with another mode", "file", same_content_other_mode, "different"),
    Case("a file behind a link", "file", behind_link, "different"),
    Case("a file in place of a dangling link", "file", over_dangling_link, "different"),
    Case("a file from a payload", "file", file_of_payload),
    Case("a file gone", "file", no_file, "different"),
    Case("a link gone", "file", no_link, "different"),
    Case("a tree gone", "file", no_tree, "different"),
    Case("a new folder", "file", new_folder),
    Case("a folder with another mode", "file", folder_with_other_mode, "different"),
    Case("a tar", "archive", archive_tar),
    Case("a zip", "archive", archive_zip),
    Case("a tar in place of an older release", "archive", archive_upgrade, "different"),
    Case("a tar over one half unpacked", "archive", archive_over_half, "different"),
    Case("a command that creates", "command", command),
    Case("a command unless another passes", "command", command_unless),
]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = tmp_path / "dunia"
    folder.mkdir()
    return folder


@pytest.fixture
def computer(tmp_path: Path) -> ThisComputer:
    return ThisComputer(tmp_path)


@pytest.fixture
def as_agent() -> Iterator[None]:
    """What this process makes is for nobody else, as it is with the agent's."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def another(folder: Path) -> tuple[Path, ThisComputer]:
    """As the fixtures ``world`` and ``computer``, for a test that needs many."""
    world = folder / "dunia"
    world.mkdir(parents=True)
    return world, ThisComputer(folder)


def captured(
    case: Case, world: Path, computer: ThisComputer
) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]], dict[str, Any]]:
    """A case about to be applied: what is asked, the world before, what capture kept."""
    spec = case.prepare(world, computer)
    before = tree(world)
    return spec, before, computer.do("capture", case.kind, spec, keep=computer.keep_folder())["entry"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_there_and_back(case: Case, world: Path, computer: ThisComputer) -> None:
    spec = case.prepare(world, computer)
    before = tree(world)
    assert computer.do("title", case.kind, spec)["title"].keys() == {"id", "en"}
    assert computer.do("detect", case.kind, spec)["state"] == case.before
    entry = computer.do("capture", case.kind, spec, keep=computer.keep_folder())["entry"]
    assert tree(world) == before, "detect and capture change nothing"
    assert "failed" not in computer.do("apply", case.kind, spec)
    assert computer.do("verify", case.kind, spec)["state"] == "present"
    assert computer.do("detect", case.kind, spec)["state"] == "present"
    after = tree(world)
    assert after != before
    assert "failed" not in computer.do("apply", case.kind, spec)
    again = tree(world)
    if case.kind == "file":  # a file may be written once more, with the same bytes
        again = {name: row[:6] for name, row in again.items()}
        after = {name: row[:6] for name, row in after.items()}
    if case.kind != "command":
        assert again == after, "applied twice is applied once"
    assert "failed" not in computer.do("undo", case.kind, entry)
    assert tree(world) == before
    assert computer.do("detect", case.kind, spec)["state"] == case.before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_undo_of_what_never_began_and_twice(case: Case, world: Path, computer: ThisComputer) -> None:
    spec, before, entry = captured(case, world, computer)
    assert "failed" not in computer.do("undo", case.kind, entry)
    assert tree(world) == before
    computer.do("apply", case.kind, spec)
    for _ in range(2):
        assert "failed" not in computer.do("undo", case.kind, entry)
        assert tree(world) == before


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "command"], ids=str)
def test_death_at_every_change(case: Case, tmp_path: Path) -> None:
    """Die at the 1st, 2nd, … change of apply; then either undo at once, or apply again and undo."""
    for way in ("undo", "finish"):
        for at in itertools.count(1):
            world, computer = another(tmp_path / f"{way}-{at}")
            spec, before, entry = captured(case, world, computer)
            died = computer.do_and_die("apply", case.kind, spec, at)
            if way == "finish":
                assert "failed" not in computer.do("apply", case.kind, spec), at
                assert computer.do("verify", case.kind, spec)["state"] == "present", at
            assert "failed" not in computer.do("undo", case.kind, entry), at
            assert tree(world) == before, f"died at change {at}, then {way}"
            if not died:
                break
        assert at > 1


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "command"], ids=str)
def test_death_at_every_change_of_capture(case: Case, world: Path, computer: ThisComputer) -> None:
    """It is done again in the same folder, as a run that goes on does it."""
    spec = case.prepare(world, computer)
    before = tree(world)
    for at in itertools.count(1):
        keep = computer.keep_folder()
        died = computer.do_and_die("capture", case.kind, spec, at, keep=keep)
        entry = computer.do("capture", case.kind, spec, keep=keep)["entry"]
        assert tree(world) == before
        assert "failed" not in computer.do("apply", case.kind, spec)
        assert "failed" not in computer.do("undo", case.kind, entry)
        assert tree(world) == before
        if not died:
            break


@pytest.mark.parametrize("case", [case for case in CASES if case.kind != "command"], ids=str)
def test_death_at_every_change_of_undo(case: Case, tmp_path: Path) -> None:
    for at in itertools.count(1):
        world, computer = another(tmp_path / str(at))
        spec, before, entry = captured(case, world, computer)
        computer.do("apply", case.kind, spec)
        died = computer.do_and_die("undo", case.kind, entry, at)
        assert "failed" not in computer.do("undo", case.kind, entry), at
        assert tree(world) == before, f"died at change {at} of undo"
        if not died:
            break
    assert at > 1


def test_permissions_and_owner_of_what_was_unpacked(world: Path, computer: ThisComputer) -> None:
    spec = archive_tar(world, computer)
    computer.do("apply", "archive", spec)
    program = world / "opt/app/current/bin/app"
    assert stat.S_IMODE(program.stat().st_mode) == 0o755, "setuid is dropped, the rest kept"
    assert program.stat().st_uid == os.geteuid()
    assert program.stat().st_mtime == 1_500_000_000
    assert (world / "opt/app/current/share/b.txt").read_text() == "a\n"
    assert (world / "opt/app/current/share/c.txt").samefile(world / "opt/app/current/share/a.txt")


@pytest.mark.parametrize("prepare", [archive_tar, archive_zip, archive_zip_below])
def test_folders_that_an_archive_does_not_list_are_for_everybody(
    prepare: Callable[[Path, ThisComputer], dict[str, Any]], world: Path, computer: ThisComputer, as_agent: None
) -> None:
    spec = prepare(world, computer)
    computer.do("apply", "archive", spec)
    folders = [path for path in [world / "opt", *(world / "opt").rglob("*")] if path.is_dir() and not path.is_symlink()]
    assert [path.name for path in folders if path.name == "bin"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o755}


def test_a_release_that_lost_a_file_is_made_whole(world: Path, computer: ThisComputer) -> None:
    spec = archive_tar(world, computer)
    computer.do("apply", "archive", spec)
    (world / "opt/app/current/share/a.txt").unlink()
    assert computer.do("detect", "archive", spec)["state"] == "different"
    computer.do("apply", "archive", spec)
    assert (world / "opt/app/current/share/a.txt").read_text() == "a\n"


def test_a_damaged_payload_is_refused(world: Path, computer: ThisComputer) -> None:
    for kind, spec in (("archive", archive_tar(world, computer)), ("file", file_of_payload(world, computer))):
        before = tree(world)
        for blob in (computer.agent_root / "blobs").iterdir():
            blob.write_bytes(blob.read_bytes()[:-1] + b"?")
        answer = computer.do("apply", kind, spec)
        assert "rusak" in answer["failed"]["id"]
        assert not [name for name in tree(world).keys() - before.keys() if (world / name).is_file()]


def test_a_link_that_is_no_link_is_left_alone(world: Path, computer: ThisComputer) -> None:
    spec = archive_tar(world, computer)
    old(world / "opt/app/current/penting.txt")
    entry = computer.do("capture", "archive", spec, keep=computer.keep_folder())["entry"]
    before = tree(world)
    assert "current" in computer.do("apply", "archive", spec)["failed"]["en"]
    assert "failed" not in computer.do("undo", "archive", entry)
    assert tree(world) == before


def test_home_is_the_home_of_the_user_on_the_computer(
    world: Path, computer: ThisComputer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(world))
    computer.do("apply", "file", {"path": "~/a/b.txt", "content": "x"})
    assert (world / "a/b.txt").read_text() == "x"
    computer.do("apply", "command", {"argv": ["touch", "~/c.txt"], "directory": "~/a"})
    assert (world / "c.txt").exists()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"argv": ["program-yang-tidak-ada"]}, "There is no program"),
        ({"argv": ["sh", "-c", "echo rusak >&2; exit 4"]}, "exit code 4"),
        ({"argv": ["sleep", "60"], "timeout_s": 0.1}, "had not ended"),
        ({"argv": ["true"], "directory": "/tidak/ada"}, "There is no folder"),
        ({"argv": ["sh", "-c", "kill -9 $$"]}, "signal 9"),
    ],
)
def test_commands_that_fail_say_why(spec: dict[str, Any], says: str, computer: ThisComputer) -> None:
    answer = computer.do("apply", "command", spec)
    assert says in answer["failed"]["en"]
    assert answer["evidence"]["argv"] == spec["argv"]


def test_a_command_with_no_way_to_see_it_says_so(computer: ThisComputer) -> None:
    found = computer.do("detect", "command", {"argv": ["true"]})
    assert found["state"] == "absent"
    assert "creates" in found["reason"]["en"]
    assert computer.do("verify", "command", {"argv": ["true"]})["state"] == "present"
    assert computer.do("undo", "command", {})["evidence"] == {"undo": None}


def test_what_programs_make_is_for_everybody(world: Path, computer: ThisComputer, as_agent: None) -> None:
    made = world / "app/isi"
    spec = {"shell": f"mkdir {made.parent} && echo isi >{made}", "undo": {"shell": f"umask >{made}; chmod 600 {made}"}}
    computer.do("apply", "command", spec)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (made.parent, made)] == [0o755, 0o644]
    assert ThisComputer(world).do("undo", "command", spec)["evidence"]["exit_code"] == 0
    assert made.read_text() == "0022\n"
    own = world / "milik-kita"
    own.touch()
    assert stat.S_IMODE(own.stat().st_mode) == 0o600, "our own files keep their mode"


def test_an_undo_has_its_own_words_and_else_those_of_its_command(world: Path, computer: ThisComputer) -> None:
    (world / "lain").mkdir()
    told = {"shell": 'echo "$ISI $LAGI" >kata; sleep ${LAMA:-0}'}
    spec = {"argv": ["true"], "environment": {"ISI": "satu"}, "directory": str(world), "undo": told}
    entry = computer.do("capture", "command", spec, keep=str(world))["entry"]
    assert "failed" not in computer.do("undo", "command", entry)
    assert (world / "kata").read_text() == "satu \n"
    own = {**told, "environment": {"LAGI": "dua", "LAMA": "60"}, "directory": str(world / "lain"), "timeout_s": 1.0}
    entry = computer.do("capture", "command", {**spec, "undo": own}, keep=str(world))["entry"]
    assert "it was stopped" in computer.do("undo", "command", entry)["failed"]["en"]
    assert (world / "lain/kata").read_text() == " dua\n"


def test_files_that_cannot_be_written_say_why(world: Path, computer: ThisComputer) -> None:
    old(world / "berkas")
    answer = computer.do("apply", "file", {"path": str(world / "berkas/di-dalam"), "content": ""})
    assert "not a folder" in answer["failed"]["en"]
    (world / "folder").mkdir()
    answer = computer.do("apply", "file", {"path": str(world / "folder"), "content": ""})
    assert "is a folder" in answer["failed"]["en"]
    answer = computer.do("apply", "file", {"path": str(world / "x"), "content": "", "owner": "tidak-ada"})
    assert "There is no user" in answer["failed"]["en"]
