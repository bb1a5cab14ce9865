"""Disks that are too small, that fill up, and packages that lie about what they need: nothing half-done is left."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.lab.debs import build_deb
from tests.lab.fixtures import Boot
from tests.lab.office import Office, Run, quiet, read_at_rest, same, wait_for
from tests.lab.playbooks import loket_variant, nginx_playbook, write_playbook
from tests.lab.readout import read

BIG_BYTES = 60 * 1024 * 1024


def test_too_small_a_disk_is_found_before_anything_is_done(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bookworm", disk_mb=40)
    office.trust()
    quiet(host)
    before = read(host)
    done = office.do("install", nginx_playbook(tmp_path / "nginx"), office.inventory([host]))
    row = done.host(host.name)
    assert (done.code, row["outcome"], row["step"]) == (1, "not_eligible", 4), row
    form = office.form(row["form"])
    (disk,) = [r for r in form["requirements"] if r["kind"] == "disk_free"]
    assert disk["verdict"] == "not_met"
    for amount in (disk["needed"], disk["found"]):  # in both languages, where they write it otherwise
        shown = amount.values() if isinstance(amount, dict) else [amount]
        assert all(re.fullmatch(r"[\d.,]+ MB", each) for each in shown), disk
    assert {(arc["step"], arc["to"]) for arc in form["arcs"]} == {(4, 1)}
    assert same(before, read_at_rest(host)) == {}
    assert list((host.root / "var/lib/pasang/blobs").glob("*.part")) == []


def _lying_deb(folder: Path) -> Path:
    """A package that says that it takes a kilobyte, and takes sixty megabytes."""
    folder.mkdir(parents=True)
    honest = build_deb(folder, "bohong", "1.0", files={"/usr/share/bohong/isi": bytes(BIG_BYTES)})
    root = folder / "root"
    subprocess.run(["dpkg-deb", "-R", honest, root], check=True)
    control = root / "DEBIAN/control"
    control.write_text(re.sub(r"Installed-Size: \d+", "Installed-Size: 1", control.read_text()))
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "-b", root, honest], check=True, capture_output=True)
    variant = loket_variant(
        install=[{"deb": {"payloads": ["bohong"]}}], run=[], test=[{"file": {"path": "/usr/share/bohong/isi"}}]
    )
    return write_playbook(folder, name="bohong", version="1.0", payloads={"bohong": honest}, variants=[variant])


def test_a_package_that_lies_about_its_size(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bookworm", disk_mb=48)
    office.trust()
    quiet(host)
    before = read(host)
    done = office.do("install", _lying_deb(tmp_path / "bohong"), office.inventory([host]))
    row = done.host(host.name)
    assert done.code == 1
    assert row["outcome"] in ("not_eligible", "rolled_back"), row
    assert row["outcome"] == "not_eligible" or row["rollback"]["verdict"] == "clean", row
    assert same(before, read_at_rest(host)) == {}


def test_a_disk_that_fills_while_a_payload_arrives(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bookworm", disk_mb=200)
    office.trust()
    quiet(host)
    before = read(host)
    folder = tmp_path / "besar"
    folder.mkdir()
    (folder / "besar.bin").write_bytes(os.urandom(BIG_BYTES))
    variant = {
        "when": {"os": "linux"},
        "install": [{"file": {"path": "/srv/besar", "payload": "besar"}}],
        "test": [{"file": {"path": "/srv/besar"}}],
    }
    playbook = write_playbook(
        folder, name="besar", version="1", payloads={"besar": folder / "besar.bin"}, variants=[variant]
    )
    process = office.start("install", playbook, "-i", office.inventory([host]), "--json")
    blobs = host.root / "var/lib/pasang/blobs"
    wait_for(lambda: bool(list(blobs.glob("*.part"))) or process.poll() is not None, "the push")
    host.run(["sh", "-c", "head -c 1G /dev/zero >/var/tmp/penuh"], check=False)
    code = process.wait(timeout=60)
    (host.root / "var/tmp/penuh").unlink()
    done = Run(code, (office.folder / "out").read_text(), (office.folder / "err").read_text())
    row = done.host(host.name)
    assert code in (1, 4), row
    assert row["outcome"] in ("not_eligible", "rolled_back"), row
    assert re.search(r"[Nn]o space left|full|make room", row["reason"]), row
    assert same(before, read_at_rest(host)) == {}
    again = office.do("install", playbook, office.inventory([host]))
    assert again.outcomes == {host.name: "installed"}, again.summary
