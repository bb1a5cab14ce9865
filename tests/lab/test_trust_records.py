"""The record is lost while computers are at work: nothing new begins, they end by themselves, and all is read later."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from controller.records import Store
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.lab import Lab
from tests.lab.office import Office, quiet, wait_for
from tests.lab.test_spine_recovery import gated, has_ended, is_installing, open_gate
from tests.lab.test_trust_leases import installed_once
from tests.postgresql import Server


def check_records(url: str, host: Host) -> None:
    """Every record of the computer's journals stands in the database, once and in order."""
    with closing(Store(url)) as store:
        for form in store.forms(host=host.name):
            (path,) = (host.root / "var/lib/pasang/runs").glob(f"{form.run}.*/journal.ndjson")
            stored = [event["seq"] for event in store.events(form=form.number) if event["source"] == "agent"]
            assert stored == list(range(1, len(path.read_text().splitlines()) + 1))


def test_the_database_stops_in_the_middle(boot: Boot, office: Office, tmp_path: Path, postgresql: Server) -> None:
    """Two at work, one to come: the two end alone, the third is begun by resume and by nobody before."""
    hosts = boot("bookworm", 3)
    url = postgresql.create()
    office.environment = {"PASANG_DATABASE_URL": url}
    office.trust()
    for host in hosts:
        quiet(host)
    inventory = office.inventory(hosts)
    process = office.start("install", gated(tmp_path / "playbook"), "-i", inventory, "-f", "2")
    wait_for(lambda: sum(map(is_installing, hosts)) == 2, f"two at work: {office.said()}")
    working = [host for host in hosts if is_installing(host)]
    (waiting,) = [host for host in hosts if host not in working]
    postgresql.stop()
    try:
        for host in hosts:
            open_gate(host)
        assert process.wait(timeout=40) == 3, office.said()
        assert "pasang resume" in office.said()
        assert "Traceback" not in office.said()
        for host in working:
            wait_for(lambda host=host: has_ended(host), f"{host.name} ending by itself")  # type: ignore[misc]
        assert not list((waiting.root / "var/lib/pasang").glob("runs/*")), "nothing new was begun"
        again = office.pasang("install", tmp_path / "playbook/playbook.yaml", "-i", inventory)
        assert (again.code, "pasang resume" in again.err) == (3, True)
        assert not list((waiting.root / "var/lib/pasang").glob("runs/*"))
    finally:
        postgresql.start()
    done = office.pasang("resume", "-i", inventory, "--json")
    assert (done.code, set(done.outcomes.values())) == (0, {"installed"}), done.summary
    for host in hosts:
        installed_once(host)
        check_records(url, host)


@pytest.fixture
def small(lab: Lab, tmp_path: Path) -> Iterator[Office]:
    """An office whose PASANG_HOME has 24 megabytes of disk."""
    office = Office(lab, tmp_path / "kecil")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", office.home], check=True)
    with closing(office):
        yield office
    subprocess.run(["umount", "--lazy", office.home], check=True)


def test_the_disk_fills_in_the_middle(boot: Boot, small: Office, tmp_path: Path) -> None:
    host, waiting = boot("bookworm", 2)
    small.trust()
    quiet(host)
    inventory = small.inventory([host, waiting])
    process = small.start("install", gated(tmp_path / "playbook"), "-i", inventory, "-f", "1")
    wait_for(lambda: is_installing(host), f"one at work: {small.said()}")
    ballast = small.home / "penuh"
    subprocess.run(["sh", "-c", f"head -c 1G /dev/zero >{ballast}"], stderr=subprocess.DEVNULL)
    open_gate(host)
    assert process.wait(timeout=60) == 3, small.said()
    assert "free some disk space" in small.said()
    assert "Traceback" not in small.said()
    wait_for(lambda: has_ended(host), "the computer ending by itself")
    again = small.pasang("install", tmp_path / "playbook/playbook.yaml", "-i", inventory)
    assert (again.code, "free some disk space" in again.err) == (3, True), again.err
    assert not list((waiting.root / "var/lib/pasang").glob("runs/*")), "nothing new was begun"
    ballast.unlink()
    open_gate(waiting)
    done = small.pasang("resume", "-i", inventory, "--json")
    assert (done.code, set(done.outcomes.values())) == (0, {"installed"}), done.summary
    for each in (host, waiting):
        installed_once(each)
        check_records(f"sqlite:///{small.home / 'pasang.sqlite3'}", each)
