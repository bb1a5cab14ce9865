"""The probes of files and logs against real ones: modes, owners, links, rotation, truncation."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import time
import types

import pytest

from agent.host import this_host
from agent.probes import log, probe
from agent.redact import NOTHING

ROOT = os.geteuid() == 0


@pytest.fixture
def host(tmp_path):
    return this_host(str(tmp_path / "agent"))


def ask(host, path, **words):
    return probe({"kind": "file", "path": str(path), **words}, host, {"at": time.time(), "logs": {}})


# -- file -------------------------------------------------------------------------------------------------------------


def test_there_or_not(host, tmp_path):
    path = tmp_path / "there"
    assert ask(host, path)["verdict"] == "failed"
    assert ask(host, path, exists=False)["verdict"] == "passed"
    assert ask(host, path / "below", exists=False)["verdict"] == "passed"
    path.write_text("x")
    assert ask(host, path)["verdict"] == "passed"
    assert ask(host, path, exists=True)["verdict"] == "passed"
    assert ask(host, path, exists=False)["verdict"] == "failed"
    assert ask(host, path / "below", exists=False)["verdict"] == "passed"


def test_at_home(host, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "notes").write_text("x")
    assert ask(host, "~/notes", contains="x")["verdict"] == "passed"


def test_kinds(host, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "astray").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    rows = {
        ("file", "file"): "passed",
        ("file", "directory"): "failed",
        ("link", "file"): "passed",
        ("link", "link"): "passed",
        ("file", "link"): "failed",
        (".", "directory"): "passed",
        ("pipe", "file"): "failed",
        ("astray", "link"): "passed",
        ("astray", "file"): "failed",
    }
    assert {(name, kind): ask(host, tmp_path / name, **{"is": kind})["verdict"] for name, kind in rows} == rows
    assert ask(host, tmp_path / "astray", exists=False)["verdict"] == "failed"
    # Nobody writes to the pipe: reading it would wait for ever.
    assert ask(host, tmp_path / "pipe", contains="x")["verdict"] == "failed"


def test_mode_and_owner(host, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    path.chmod(0o640)
    assert ask(host, path, mode="0640")["verdict"] == "passed"
    assert ask(host, path, mode=0o640)["verdict"] == "passed"
    row = ask(host, path, mode="0644")
    assert (row["verdict"], row["needed"]) == ("failed", {"id": "berkas, 0644", "en": "file, 0644"})
    assert row["found"] == {"id": "berkas, 0640, 0 byte", "en": "file, 0640, 0 bytes"}
    assert ask(host, path, owner=str(os.geteuid()))["verdict"] == "passed"
    assert ask(host, path, owner="nobody-of-that-name")["verdict"] == "failed"


@pytest.mark.skipif(not ROOT, reason="needs root to give a file away")
def test_an_owner_without_a_name(host, tmp_path):
    path = tmp_path / "file"
    path.write_text("")
    os.chown(path, 61234, 61234)
    assert ask(host, path, owner="61234")["verdict"] == "passed"
    row = ask(host, path, owner="root")
    assert row["verdict"] == "failed"
    assert "61234" in row["reason"]["id"]


def test_content(host, tmp_path):
    path = tmp_path / "file"
    path.write_text("server {\n  listen 80;  # é\n}\n", encoding="utf-8")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (
        ask(host, path, contains="listen 80;  # é", matches=r"^\s+listen \d+;", digest=digest.upper())["verdict"]
        == "passed"
    )
    assert ask(host, path, contains="listen 81")["verdict"] == "failed"
    assert ask(host, path, matches=r"^listen")["verdict"] == "failed"
    assert ask(host, path, matches="(")["verdict"] == "unknown"
    row = ask(host, path, digest="0" * 64)
    assert row["verdict"] == "failed"
    assert digest in row["reason"]["en"]
    assert ask(host, path, contains="")["verdict"] == "passed"


@pytest.mark.parametrize("offset", [-3, -1, 0, 1, 3])
def test_a_string_across_two_reads(host, tmp_path, offset):
    from agent.probes import file

    path = tmp_path / "file"
    path.write_bytes(b"-" * (file.CHUNK_BYTES + offset - 3) + b"needle" + b"-" * 10)
    assert ask(host, path, contains="needle")["verdict"] == "passed"
    assert ask(host, path, contains="needlf")["verdict"] == "failed"


def test_a_file_too_large_to_be_read_to_its_end(host, tmp_path, monkeypatch):
    from agent.probes import file

    monkeypatch.setattr(file, "SEARCH_LIMIT_BYTES", 1000)
    monkeypatch.setattr(file, "CHUNK_BYTES", 100)
    path = tmp_path / "file"
    path.write_bytes(b"early" + b"-" * 2000 + b"late")
    assert ask(host, path, contains="early")["verdict"] == "passed"
    assert ask(host, path, contains="late")["verdict"] == "unknown"


# -- log --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "arsip.log"
    path.write_text("yesterday: ERROR disk\n")
    os.utime(path, (time.time() - 86400,) * 2)
    return path


def begin(path):
    probes = [
        {"kind": "log", "path": str(path), "matches": "x"},
        {"kind": "port", "port": 80},
        {"kind": "log", "unit": "x"},
    ]
    return {"at": time.time(), "logs": log.marks(probes, Journal())}


def add(path, content):
    with open(path, "a", encoding="utf-8") as file:
        file.write(content)


def read(host, since, path, **words):
    return probe({"kind": "log", "path": str(path), **words}, host, since)


def test_only_what_was_written_since(host, path):
    since = begin(path)
    assert set(since["logs"]) == {str(path)}
    assert read(host, since, path, absent="ERROR")["verdict"] == "passed"
    assert read(host, since, path, matches="ERROR")["verdict"] == "failed"
    add(path, "started on port 8080\n")
    row = read(host, since, path, matches=r"^started on port \d+$", absent="ERROR")
    assert (row["verdict"], row["found"]) == ("passed", "“started on port 8080”")
    add(path, "today: ERROR again\n")
    row = read(host, since, path, absent="ERROR", within_s=30)
    assert (row["verdict"], row["attempts"]) == ("failed", 1)  # it will not go away
    assert "today: ERROR again" in row["reason"]["id"]


def test_a_size_alone_is_a_mark(host, path):
    since = {"at": time.time(), "logs": {str(path): path.stat().st_size}}
    assert read(host, since, path, matches="ERROR")["verdict"] == "failed"
    add(path, "ready\n")
    assert read(host, since, path, matches="^ready$")["verdict"] == "passed"


def test_nobody_marked_it(host, path):
    row = read(host, {"at": time.time(), "logs": {}}, path, absent="ERROR")
    assert row["verdict"] == "unknown"


def test_a_log_that_comes_later(host, tmp_path):
    path = tmp_path / "new.log"
    since = begin(path)
    assert read(host, since, path, absent="ERROR")["verdict"] == "passed"
    assert read(host, since, path, matches="ready")["verdict"] == "failed"
    add(path, "ready\n")
    assert read(host, since, path, matches="ready")["verdict"] == "passed"


@pytest.mark.parametrize("turned", ["arsip.log.1", "arsip.log-20261122"])
def test_turned_over(host, path, turned):
    since = begin(path)
    add(path, "first: ready\n")
    path.rename(path.with_name(turned))
    path.write_text("second: busy\n" * 50)  # longer than the one before
    row = read(host, since, path, matches="first: ready", absent="ERROR")
    assert row["verdict"] == "passed"
    assert read(host, since, path, matches="second: busy")["verdict"] == "passed"


def test_turned_over_and_not_begun_again(host, path):
    since = begin(path)
    add(path, "ready\n")
    path.rename(path.with_name("arsip.log.1"))
    assert read(host, since, path, matches="ready", absent="ERROR")["verdict"] == "passed"


def test_turned_over_twice(host, path):
    since = begin(path)
    add(path, "one\n")
    path.rename(path.with_name("arsip.log.2"))
    (path.with_name("arsip.log.1")).write_text("two\n")
    path.write_text("three\n")
    for word in ("one", "two", "three"):
        assert read(host, since, path, matches=f"^{word}$", absent="ERROR")["verdict"] == "passed"


def test_older_ones_do_not_count(host, path):
    old = path.with_name("arsip.log.1")
    old.write_text("last week: ready\n")
    os.utime(old, (time.time() - 7 * 86400,) * 2)
    packed = path.with_name("arsip.log.2.gz")
    packed.write_bytes(gzip.compress(b"ready\n"))
    os.utime(packed, (time.time() - 8 * 86400,) * 2)
    since = begin(path)
    path.rename(path.with_name("arsip.log.3"))
    path.write_text("")
    assert read(host, since, path, matches="ready")["verdict"] == "failed"


def test_copied_and_emptied(host, path):
    since = begin(path)
    add(path, "first: ready\n")
    shutil.copy(path, path.with_name("arsip.log.1"))
    os.truncate(path, 0)
    assert read(host, since, path, matches="first: ready", absent="ERROR")["verdict"] == "passed"
    add(path, "second: busy\n" * 50)  # past the mark again
    assert read(host, since, path, matches="first: ready", absent="ERROR")["verdict"] == "passed"
    assert read(host, since, path, matches="second: busy")["found"] == "“second: busy”"


def test_emptied(host, path):
    since = begin(path)
    os.truncate(path, 0)
    add(path, "ok\n")
    assert read(host, since, path, matches="^ok$", absent="ERROR")["verdict"] == "passed"


def test_packed_meanwhile(host, path):
    since = begin(path)
    add(path, "ready\n")
    path.with_name("arsip.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    path.write_text("")
    row = read(host, since, path, matches="ready")
    assert row["verdict"] == "unknown"
    assert "arsip.log.1.gz" in row["reason"]["en"]


def test_a_great_deal(host, path, monkeypatch):
    monkeypatch.setattr(log, "SCAN_LIMIT_BYTES", 3_000_000)
    since = begin(path)
    line = "x" * 78 + "\n"
    add(path, "marker at the beginning\n" + line * 30_000 + "marker at the end\n")
    assert read(host, since, path, matches="^marker at the beginning$")["verdict"] == "passed"
    assert read(host, since, path, matches="^marker at the end$", absent="^y")["verdict"] == "passed"
    assert read(host, since, path, absent="marker at the beg")["verdict"] == "failed"
    add(path, line * 30_000)
    assert read(host, since, path, matches="^marker at the end$")["verdict"] == "passed"
    assert read(host, since, path, matches="^marker at the beginning$")["verdict"] == "unknown"
    assert read(host, since, path, absent="y")["verdict"] == "unknown"


def test_one_endless_line(host, path):
    since = begin(path)
    add(path, "x" * 3_000_000 + "end")
    assert read(host, since, path, matches="end$")["verdict"] == "passed"


def test_what_is_no_text(host, path):
    since = begin(path)
    with open(path, "ab") as file:
        file.write(b"\x00\xff\xfe\nready\n")
    assert read(host, since, path, matches="^ready$")["verdict"] == "passed"


def test_not_a_log(host, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    since = begin(tmp_path / "pipe")
    assert read(host, since, tmp_path / "pipe", matches="x")["verdict"] == "unknown"


class Journal:
    """A host with a journal of systemd."""

    is_administrator = True
    secrets = NOTHING

    def __init__(self, code=0, out="", err="", manager="systemd", root=""):
        self.services = types.SimpleNamespace(name=manager)
        self.root = root
        self.answer = (code, out, err)
        self.asked = []

    def run(self, argv, **words):
        from agent.program import Result

        self.asked = argv
        return Result(argv, *self.answer, 0.1)


def test_a_unit(host):
    spec = {"kind": "log", "unit": "nginx.service", "matches": "^Started", "absent": "failed"}
    journal = Journal(out="Started nginx\n")
    assert probe(spec, journal, {"at": 1700000000.25, "logs": {}})["verdict"] == "passed"
    assert journal.asked[:4] == ["journalctl", "--unit", "nginx.service", "--since=@1700000000.250"]
    assert probe(spec, Journal(out="Started nginx\nnginx: failed\n"), {"at": 1.0})["verdict"] == "failed"
    assert probe(spec, Journal(1, err="No journal files were found."), {"at": 1.0})["verdict"] == "unknown"


def test_a_unit_of_a_user(host):
    journal = Journal(out="Started arsip\n", manager="systemd --user")
    journal.is_administrator = False
    spec = {"kind": "log", "unit": "arsip", "matches": "^Started"}
    assert probe(spec, journal, {"at": 1.0})["verdict"] == "passed"
    assert journal.asked[1] == "--user-unit"


def test_a_unit_that_is_a_process_of_ours(host, tmp_path):
    keeper = Journal(manager="processes", root=str(tmp_path))
    (tmp_path / "services").mkdir()
    spec = {"kind": "log", "unit": "arsip.service", "matches": "ready", "absent": "ERROR"}
    add(tmp_path / "services" / "arsip.log", "yesterday: ERROR\n")
    since = {"at": time.time(), "logs": log.marks([spec], keeper)}
    assert probe(spec, keeper, since)["verdict"] == "failed"
    add(tmp_path / "services" / "arsip.log", "ready\n")
    assert probe(spec, keeper, since)["verdict"] == "passed"
    assert keeper.asked == []


def test_a_unit_whose_journal_is_closed_to_us(host):
    journal = Journal()
    spec = {"kind": "log", "unit": "nginx.service", "absent": "failed"}
    assert probe(spec, journal, {"at": 1.0})["verdict"] == "passed"
    journal.is_administrator = False
    assert probe(spec, journal, {"at": 1.0})["verdict"] == "unknown"
