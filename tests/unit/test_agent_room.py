"""Room on disks: what payloads take is added by itself, filesystem by filesystem."""

from __future__ import annotations

import os
import types

import pytest

from agent.protocol import text
from agent.requirements import room
from agent.words import both
from tests.unit.computer import GIB, MB, MIB, Host, rows, verdicts


def disk(path, at_least=0, **more):
    return {"path": path, "at_least_bytes": at_least, **more}


def payload(path, digest, size, unpacked):
    return disk(path, payload="x", digest=digest, payload_bytes=size, unpacked_bytes=unpacked)


def test_one_filesystem_adds_up(disks):
    wanted = [disk("/", 500 * MB), disk("/srv", 300 * MB), payload("/usr", "a", 100 * MB, 400 * MB)]
    (row,) = rows({"disk_free": wanted})
    assert row["needed"] == "1 GB"  # the larger of what was asked for, and the payloads with what is in them
    assert row["title"]["en"] == "Free space on /, /srv, /usr, /agent"


def test_enough_to_the_byte(disks):
    wanted = [disk("/", 500 * MB), payload("/usr", "a", 100 * MB, 400 * MB)]
    disks["/"] = (1, 1000 * MB + 4096, 0)
    assert verdicts({"disk_free": wanted}) == ["met"]
    disks["/"] = (1, 1000 * MB - 1, 0)
    (row,) = rows({"disk_free": wanted})
    assert row["verdict"] == "not_met"
    assert (row["needed"], row["found"]) == ("1 GB", "999 MB")
    assert "500 MB" in row["reason"]["id"]
    assert "400 MB" in row["reason"]["en"]


def test_several_filesystems(disks):
    disks["/var"] = (2, 50 * MB, 0)
    disks["/opt"] = (3, 10 * MB, 0)
    every = rows(
        {"disk_free": [disk("/", 1 * MB), payload("/opt/app", "a", 40 * MB, 11 * MB)]}, Host("/var/lib/pasang")
    )
    assert [(row["title"]["en"], row["verdict"]) for row in every] == [
        ("Free space on /", "met"),
        ("Free space on /opt/app", "not_met"),
        ("Free space on /var/lib/pasang", "met"),
    ]


def test_payloads_that_are_here_take_no_more_room(disks, tmp_path):
    stored = tmp_path / "blob"
    stored.write_text("x")
    wanted = [payload("/usr", "a", 900 * MB, 200 * MB)]
    disks["/"] = (1, 300 * MB, 0)
    assert verdicts({"disk_free": wanted}) == ["not_met"]
    assert verdicts({"disk_free": wanted}, Host(stored={"a": str(stored)})) == ["met"]


def test_a_payload_used_twice_is_kept_once(disks):
    wanted = [payload("/a", "a", 400 * MB, 200 * MB), payload("/b", "a", 400 * MB, 200 * MB)]
    disks["/"] = (1, 799 * MB, 0)
    assert verdicts({"disk_free": wanted}) == ["not_met"]
    disks["/"] = (1, 801 * MB, 0)
    assert verdicts({"disk_free": wanted}) == ["met"]


def test_what_is_in_place_needs_no_room(disks):
    disks["/"] = (1, 1 * MB, 0)
    assert verdicts({"disk_free": [disk("/", 500 * MB)]}, already=True) == ["met"]


def test_read_only(disks):
    disks["/"] = (1, 1000 * MB, os.ST_RDONLY)
    (row,) = rows({"disk_free": [disk("/", MB)]})
    assert (row["verdict"], row["found"]) == ("not_met", text("hanya dapat dibaca", "read-only"))


def test_a_path_that_cannot_be_looked_at(monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(room, "os", types.SimpleNamespace(path=os.path, stat=refuse))
    monkeypatch.setattr(room, "nearest", lambda path: path)
    (row,) = rows({"disk_free": [disk("/secret", MB)]})
    assert row["verdict"] == "unknown"


def test_inodes(disks):
    assert verdicts({"inodes": {"path": "/srv", "at_least": 500}}) == ["met"]
    assert verdicts({"inodes": [{"path": "/srv", "at_least": 501}]}) == ["not_met"]


def test_the_nearest_folder(tmp_path):
    assert room.nearest(str(tmp_path / "a" / "b" / "c")) == str(tmp_path)
    assert room.nearest("/") == "/"


@pytest.mark.parametrize(
    ("size", "more", "said"),
    [
        (0, {}, "0 B"),
        (999, {}, "999 B"),
        (500 * MB, {}, "500 MB"),
        (2 * GIB, {}, "2 GiB"),
        (256 * MIB, {}, "256 MiB"),
        (1536 * MIB, {}, "1.5 GiB"),
        (2 * GIB - 1, {"like": 2 * GIB}, "1.99 GiB"),
        (500 * MB - 1, {}, "499 MB"),
        (500 * MB + 1, {"up": True}, "501 MB"),
        (2 * GIB, {"decimal": True}, "2.14 GB"),
        (2 * GIB, {"decimal": True, "up": True}, "2.15 GB"),
        (3 * 10**15, {}, "3000 TB"),
    ],
)
def test_sizes_for_people(size, more, said):
    assert both(room.amount(size, **more)) == text(said.replace(".", ","), said)
