"""Two states and their difference; what is swept is only ours."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from agent import snapshot
from agent.accounts import merge
from agent.contents import Contents
from agent.host import state
from agent.leftovers import Sweep
from agent.moments import windows_of, within
from agent.snapshot import FileReader, difference, same_file


def rows(folder: Path, known: dict[str, Any] | None = None, contents: Contents | None = None) -> dict[str, Any]:
    reader = FileReader(state, known or {}, contents)
    reader.read(str(folder))
    return reader.files


def test_content_mode_and_links_are_compared_and_times_are_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    (tmp_path / "l").symlink_to("a")
    before = {"files": rows(tmp_path)}
    os.utime(tmp_path / "a", (1, 1))
    assert difference(before, {"files": rows(tmp_path)}) == []
    (tmp_path / "a").write_text("other")
    (tmp_path / "b").chmod(0o600)
    (tmp_path / "l").unlink()
    (tmp_path / "l").symlink_to("b")
    (tmp_path / "new").mkdir()
    found = {(row["name"].rsplit("/", 1)[1], row["change"]) for row in difference(before, {"files": rows(tmp_path)})}
    assert found == {("a", "changed"), ("b", "changed"), ("l", "changed"), ("new", "added")}


def test_a_file_untouched_by_the_kernels_word_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    before = rows(tmp_path)
    before[str(path)][8] = "as read before"
    assert rows(tmp_path, before)[str(path)][8] == "as read before"
    path.write_text("b")
    assert rows(tmp_path, before)[str(path)][8] != "as read before"


def test_what_was_not_read_is_compared_by_size_and_time() -> None:
    big = ["f", 0o644, 0, 0, 10, 111, 5, 7, ""]
    assert same_file(big, [*big[:6], 9, 9, "digest"])
    assert not same_file(big, [*big[:5], 112, 9, 9, "digest"])


def test_kinds_beside_files() -> None:
    before: snapshot.Snapshot = {"packages": {"a": "1 installed", "b": "1 installed"}, "ports": {"tcp 0.0.0.0:80": ""}}
    after: snapshot.Snapshot = {"packages": {"a": "2 installed", "c": "1 installed"}, "users": {"x": "1:1:/:/bin/sh"}}
    assert difference(before, after) == [
        {"kind": "package", "name": "a", "change": "changed"},
        {"kind": "package", "name": "b", "change": "removed"},
        {"kind": "package", "name": "c", "change": "added"},
        {"kind": "port", "name": "tcp 0.0.0.0:80", "change": "removed"},
        {"kind": "user", "name": "x", "change": "added"},
    ]


def swept(folder: Path, keep: Path, before: dict[str, Any], contents: Contents, windows: Any) -> dict[str, list[str]]:
    residue = difference({"files": before}, {"files": rows(folder)})
    return Sweep(None, str(keep), contents).rollback(residue, {"files": before}, windows)  # type: ignore[arg-type]


def test_what_came_with_our_effect_goes_and_what_it_changed_comes_back(tmp_path: Path) -> None:
    folder, keep = tmp_path / "etc", tmp_path / "keep"
    folder.mkdir()
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "gone").write_text("was here")
    contents = Contents(str(tmp_path))
    before = rows(folder, contents=contents)
    contents.save()
    (folder / "hosts").write_text("changed by a script")
    (folder / "gone").unlink()
    (folder / "new.d").mkdir()
    (folder / "new.d" / "x.conf").write_text("x")
    swept(folder, keep, before, contents, [(0, 4e9)])
    assert difference({"files": before}, {"files": rows(folder)}) == []
    assert (folder / "hosts").read_text() == "127.0.0.1 localhost\n"
    assert any("changed by a script" in path.read_text() for path in keep.iterdir())


def test_what_others_changed_meanwhile_stays(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    contents = Contents(str(tmp_path))
    before = rows(folder, contents=contents)
    (folder / "an-administrators-file").write_text("mine")
    changed_at = (folder / "an-administrators-file").stat().st_ctime
    swept(folder, tmp_path / "keep", before, contents, [(changed_at - 100, changed_at - 50)])
    assert (folder / "an-administrators-file").read_text() == "mine"


def test_windows_reach_from_intent_to_effect() -> None:
    records = [
        {"type": "intent", "effect": 1, "verb": "apply", "at": "2026-01-01T00:00:10.000Z"},
        {"type": "effect", "effect": 1, "verb": "apply", "at": "2026-01-01T00:00:20.000Z"},
        {"type": "intent", "effect": 2, "verb": "apply", "at": "2026-01-01T00:00:30.000Z"},
    ]
    (first, last) = windows_of(records)
    assert round(first[1] - first[0]) == 10
    assert last[1] > last[0]
    assert within(first[0] + 5, [first])
    assert not within(first[1] + 5, [first])
    assert not within(None, [first])


def test_lines_of_accounts_come_back_each_in_its_place() -> None:
    then = b"root:x:0\nwww:x:33:a\nlama:x:50\nlast:x:60\n"
    now = b"root:x:0\nwww:x:33:a,ours\nlast:x:60\nsiti:x:1000\nours:x:99\n"
    whole = merge(now, then, {b"www", b"lama", b"ours"})
    assert whole == b"root:x:0\nwww:x:33:a\nlama:x:50\nlast:x:60\nsiti:x:1000\n"
    assert merge(b"a:1\n", b"a:1\nb:1\nb:2\n", {b"b"}) == b"a:1\nb:1\nb:2\n"
    assert merge(now, then, set()) == now


def test_a_folder_of_data_is_that_folder_and_not_one_made_anew() -> None:
    row = ["d", 0o755, 0, 0, 10, 111, 5, 7, None]
    assert same_file(row, [*row[:4], 11, 112, 6, 7, None])
    assert not same_file(row, [*row[:7], 8, None])


def test_a_state_that_does_not_last_is_no_state_to_come_back_to() -> None:
    before: snapshot.Snapshot = {"services": {"a.service": "activating", "b.service": "active"}}
    after: snapshot.Snapshot = {"services": {"b.service": "deactivating", "c.service": "deactivating"}}
    assert [(row["name"], row["change"]) for row in difference(before, after)] == [
        ("b.service", "changed"),
        ("c.service", "added"),
    ]


def test_the_links_of_an_alternative_are_its_own_and_those_that_follow_it() -> None:
    content = (
        b"auto\n/usr/bin/editor\neditor.1.gz\n/usr/share/man/editor.1.gz\n\n/bin/nano\n40\n/usr/share/nano.1.gz\n\n"
    )
    assert state.alternative_links(content) == ["/usr/bin/editor", "/usr/share/man/editor.1.gz"]
    assert state.alternative_links(b"") == []
