"""Ways of real packages and playbooks that no other test has: judged on the computers, with dpkg and systemctl."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tests.lab.debs import build_deb
from tests.lab.fixtures import Boot
from tests.lab.office import Office, quiet, read_at_rest, same
from tests.lab.playbooks import DEBIAN, loket_playbook, write_playbook
from tests.lab.readout import read

OVERRIDES = """
if [ "$1" = configure ]; then
  useradd --system --home-dir /nonexistent arsip
  dpkg-statoverride --update --add arsip arsip 0750 /usr/share/arsip
  exit 1
fi
"""


def test_an_account_goes_with_what_dpkg_keeps_for_it(boot: Boot, office: Office, tmp_path: Path) -> None:
    """dpkg refuses all work while an override names a user that is gone."""
    (host,) = boot("bookworm", 1)
    office.trust()
    quiet(host)
    before, overrides = read(host), host.run(["dpkg-statoverride", "--list"]).stdout
    deb = build_deb(tmp_path, "arsip", files={"/usr/share/arsip/isi": "1"}, scripts={"postinst": OVERRIDES})
    variant = {"when": DEBIAN, "install": [{"deb": {"payloads": ["arsip"]}}], "test": [{"command": {"argv": ["true"]}}]}
    playbook = write_playbook(
        tmp_path / "arsip", name="arsip", version="1.0", payloads={"arsip": deb}, variants=[variant]
    )
    done = office.do("install", playbook, office.inventory([host]))
    row = done.host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), row
    assert same(before, read_at_rest(host)) == {}
    assert host.run(["dpkg-statoverride", "--list"]).stdout == overrides
    other = build_deb(tmp_path, "lain", files={"/usr/share/lain": "1"})
    (host.root / "root/lain.deb").write_bytes(other.read_bytes())
    host.run(["dpkg", "--install", "/root/lain.deb"])


def test_a_configuration_that_restarts_as_often_as_it_may_leaves_the_service_running(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    """systemd takes many restarts for a crash; ours must not keep a service that works from coming back."""
    (host,) = boot("bookworm", 1)
    office.trust()
    quiet(host)
    inventory = office.inventory([host])
    assert office.do("install", loket_playbook(tmp_path / "good"), inventory).code == 0
    before = read(host)
    configure = {
        "decision": "always",
        "attempts": 4,
        "actions": [
            {"file": {"path": "/etc/loket/iidc", "content": "x"}},
            {"service": {"name": "loket", "state": "restarted"}},
        ],
    }
    verify = [{"file": {"path": "/etc/loket/tidak-ada", "exists": True}}]
    playbook = loket_playbook(tmp_path / "bad", configure=configure, verify=verify)
    row = office.do("install", playbook, inventory).host(host.name)
    assert (row["outcome"], row["step"], row["rollback"]["verdict"]) == ("rolled_back", 11, "clean"), row
    assert same(before, read_at_rest(host)) == {}
    assert host.run(["systemctl", "is-active", "loket"]).stdout.strip() == "active"


SERVES = """import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"arsip VERSION")
FAULT
http.server.ThreadingHTTPServer(("127.0.0.1", 8111), Answer).serve_forever()
"""
FAULTS = {"": "", "dies": "import os, threading\nthreading.Timer(1.5, lambda: os._exit(3)).start()"}


def _archive_playbook(folder: Path, version: str, fault: str) -> Path:
    """A program in an archive: its unit is the same for every version, since it names the link."""
    folder.mkdir()
    body = SERVES.replace("VERSION", version).replace("FAULT", FAULTS[fault]).encode()
    packed = folder / f"arsip-{version}.tar.xz"
    with tarfile.open(packed, "w:xz") as archive:
        entry = tarfile.TarInfo("arsip/serve.py")
        entry.size = len(body)
        archive.addfile(entry, io.BytesIO(body))
    define = {"argv": ["/usr/bin/python3", "/opt/arsip/current/serve.py"], "user": "nobody"}
    service = {"name": "arsip", "state": "running", "enabled": True, "stable_for": "3s", "define": define}
    variant = {
        "when": {"os": "linux"},
        "install": [{"archive": {"payload": "arsip", "into": "/opt/arsip", "strip": 1}}],
        "run": [{"service": service}],
        "test": [{"http": {"url": "http://127.0.0.1:8111/", "contains": f"arsip {version}", "within": "5s"}}],
    }
    return write_playbook(folder, name="arsip", version=version, payloads={"arsip": packed}, variants=[variant])


@pytest.mark.parametrize("fault", FAULTS)
def test_what_runs_after_an_upgrade_is_the_new_version(boot: Boot, office: Office, tmp_path: Path, fault: str) -> None:
    """A new release behind the same link leaves the old program running until somebody starts it again."""
    (host,) = boot("bookworm", 1)
    office.trust()
    quiet(host)
    inventory = office.inventory([host])
    fresh = read(host)
    assert office.do("install", _archive_playbook(tmp_path / "old", "1.0", ""), inventory).code == 0
    before = read(host)
    upgrade = _archive_playbook(tmp_path / "new", "2.0", fault)
    row = office.do("install", upgrade, inventory).host(host.name)
    ask = ["python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8111').read().decode())"]
    if fault:
        assert (row["outcome"], row["step"], row["rollback"]["verdict"]) == ("rolled_back", 6, "clean"), row
        assert same(before, read_at_rest(host)) == {}
        assert host.run(ask).stdout.strip() == "arsip 1.0"
        return
    assert row["outcome"] == "installed", row
    assert host.run(ask).stdout.strip() == "arsip 2.0"
    again = office.do("install", upgrade, inventory)
    assert again.outcomes == {host.name: "already_installed"}, again.summary
    gone = office.do("uninstall", upgrade, inventory).host(host.name)
    assert (gone["outcome"], gone["rollback"]["verdict"]) == ("uninstalled", "clean"), gone
    assert same(fresh, read_at_rest(host)) == {}
