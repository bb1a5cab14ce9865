"""What software leaves behind where nobody looks: data, processes, accounts, alternatives. Judged on the computers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.debs import build_deb, fetch
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import Office, quiet, read_at_rest, same
from tests.lab.playbooks import DEBIAN, loket_playbook, write_playbook
from tests.lab.readout import read

FAILS = [{"command": {"argv": ["false"]}}]
PASSES = [{"command": {"argv": ["true"]}}]


def _playbook(
    folder: Path, scripts: Mapping[str, str], *, version: str = "1.0", test: Any = FAILS, **package: Any
) -> Path:
    """Software that is one package with these scripts; unless asked otherwise its test fails."""
    folder.mkdir()
    deb = build_deb(
        folder, "arsip", version, scripts=scripts, **{"files": {"/usr/share/arsip/isi": version}, **package}
    )
    variant = {"when": DEBIAN, "install": [{"deb": {"payloads": ["arsip"]}}], "test": test}
    return write_playbook(folder, name="arsip", version=version, payloads={"arsip": deb}, variants=[variant])


def _rested(boot: Boot, office: Office) -> Host:
    (host,) = boot("bookworm", 1)
    office.trust()
    quiet(host)
    return host


def _residue(row: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["kind"], each["name"], each["change"]) for each in row["rollback"]["residue"]}


DATA = """
if [ "$1" = configure ]; then
  useradd --system --home-dir /var/lib/arsip arsip
  mkdir -p /var/lib/arsip/isi /var/www/html /srv/arsip
  touch /var/lib/arsip/isi/1 /var/lib/arsip/isi/2 /var/log/arsip.log /var/www/html/index.html /srv/arsip/x
  chown -R arsip: /var/lib/arsip
fi
"""
WRITES = "sleep 0.2; runuser -u arsip -- sh -c 'echo x >> /var/lib/arsip/isi/1'; false"
UNUSER = 'if [ "$1" = purge ]; then userdel arsip; fi'


def test_data_goes_with_the_software_whose_scripts_leave_it(boot: Boot, office: Office, tmp_path: Path) -> None:
    """Its user is gone, and the next one gets the number, and with it the files."""
    host = _rested(boot, office)
    host.run(["sh", "-c", "mkdir /srv/lama && touch /srv/lama/penting"])
    before = read(host)
    # A service of the new user goes on writing at any time, not only while we are at work.
    late = [{"command": {"argv": ["sh", "-c", WRITES]}}]
    playbook = _playbook(tmp_path / "arsip", {"postinst": DATA, "postrm": UNUSER}, test=late)
    row = office.do("install", playbook, office.inventory([host])).host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), row
    assert same(before, read_at_rest(host)) == {}
    kept = host.run(["sh", "-c", "find /var/lib/pasang/runs/*/keep/leftovers -type f | wc -l"]).stdout
    assert int(kept) >= 4, "nothing is lost"


MOVES = """
if [ "$1" = configure ]; then
  useradd --system arsip
  mv /var/lib/lama /var/lib/baru
  chown arsip: /var/lib/baru
fi
"""


def test_what_was_there_before_is_never_taken_away_and_keeps_its_account(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    host = _rested(boot, office)
    host.run(["sh", "-c", "mkdir /var/lib/lama && echo penting > /var/lib/lama/data && sleep 0.1"])
    row = office.do("install", _playbook(tmp_path / "arsip", {"postinst": MOVES}), office.inventory([host])).host(
        host.name
    )
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "residue"), row
    assert {("file", "/var/lib/baru", "added"), ("file", "/var/lib/lama", "removed")} <= _residue(row)
    assert ("user", "arsip", "added") in _residue(row)
    assert (host.root / "var/lib/baru/data").read_text() == "penting\n"
    assert host.run(["stat", "--format=%U", "/var/lib/baru"]).stdout.strip() == "arsip"


def test_data_that_was_used_since_is_not_removed_with_the_software(boot: Boot, office: Office, tmp_path: Path) -> None:
    host = _rested(boot, office)
    inventory = office.inventory([host])
    before = read(host)
    playbook = _playbook(tmp_path / "arsip", {"postinst": DATA}, test=PASSES)
    assert office.do("install", playbook, inventory).code == 0
    host.run(["runuser", "-u", "arsip", "--", "sh", "-c", "echo surat > /var/lib/arsip/isi/surat"])
    row = office.do("uninstall", playbook, inventory).host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("uninstalled", "residue"), row
    assert _residue(row) == {
        ("file", "/var/lib/arsip", "added"), ("user", "arsip", "added"), ("group", "arsip", "added")
    }  # fmt: skip
    assert (host.root / "var/lib/arsip/isi/surat").read_text() == "surat\n"
    left = same(before, read(host))
    assert {name for name in left if not name.startswith(("/var/lib/arsip", "people", "/etc/"))} == set(), left


INSTANCE = """[Service]
ExecStart=/usr/share/arsip/bin/arsip 600
ExecStop=/bin/sleep 600
[Install]
WantedBy=multi-user.target
"""
BESIDE = """
if [ "$1" = configure ]; then
  cp /bin/sleep /usr/share/arsip/bin/arsip
  systemctl daemon-reload; systemctl start arsip@satu
  cp /bin/sleep /usr/share/arsip/bin/lain; systemd-run --quiet /usr/share/arsip/bin/lain 600
fi
"""
UNBESIDE = """
if [ "$1" = remove ]; then
  systemctl stop --no-block arsip@satu; rm /usr/share/arsip/bin/arsip /usr/share/arsip/bin/lain
fi
"""


def test_nothing_runs_on_unseen(boot: Boot, office: Office, tmp_path: Path) -> None:
    """An instance of a template that is stopping is stopped; a process of a program that is gone is named."""
    host = _rested(boot, office)
    files = {"/lib/systemd/system/arsip@.service": INSTANCE, "/usr/share/arsip/bin/isi": "1"}
    playbook = _playbook(tmp_path / "arsip", {"postinst": BESIDE, "prerm": UNBESIDE}, files=files)
    row = office.do("install", playbook, office.inventory([host])).host(host.name)
    assert _residue(row) == {("process", "/usr/share/arsip/bin/lain", "added")}, row
    units = host.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "arsip@*"]).stdout
    assert units == ""
    assert host.run(["pgrep", "--full", "share/arsip/bin/arsip"], check=False).stdout == ""


PEOPLE = """
if [ "$1" = configure ]; then
  useradd --system arsip
  usermod --append --groups adm www-data
  useradd --no-create-home siti
fi
"""


def test_accounts_come_back_each_by_itself(boot: Boot, office: Office, tmp_path: Path) -> None:
    """Somebody's account, made in those seconds, stays whatever else is put back in its file."""
    host = _rested(boot, office)
    before = read(host)
    playbook = _playbook(tmp_path / "arsip", {"postinst": PEOPLE})
    row = office.do("install", playbook, office.inventory([host])).host(host.name)
    assert _residue(row) == {("user", "siti", "added"), ("group", "siti", "added")}, row
    assert host.run(["id", "siti"]).stdout.startswith("uid=1")
    assert host.run(["id", "--name", "--groups", "www-data"]).stdout.strip() == "www-data"
    host.run(["userdel", "siti"])
    assert same(before, read_at_rest(host)) == {}


def test_an_account_made_meanwhile_is_no_residue_of_a_removal(boot: Boot, office: Office, tmp_path: Path) -> None:
    host = _rested(boot, office)
    inventory = office.inventory([host])
    playbook = _playbook(tmp_path / "arsip", {"postinst": DATA, "postrm": UNUSER}, test=PASSES)
    assert office.do("install", playbook, inventory).code == 0
    host.run(["useradd", "siti"])
    row = office.do("uninstall", playbook, inventory).host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("uninstalled", "clean"), row
    host.run(["id", "siti"])


PROVIDES = """
if [ "$1" = configure ]; then
  update-alternatives --install /usr/bin/loket-alat alat /usr/share/arsip/isi 50 \
    --slave /usr/share/man/man1/alat.1 alat.1 /usr/share/arsip/isi
fi
"""
WITHDRAWS = "update-alternatives --remove alat /usr/share/arsip/isi"


def test_alternatives_are_as_before(boot: Boot, office: Office, tmp_path: Path) -> None:
    """An old package withdraws its own before the new one fails; a new one whose removal fails leaves its own."""
    host = _rested(boot, office)
    inventory = office.inventory([host])
    fresh = read(host)
    database = "/var/lib/dpkg/alternatives/alat"
    row = office.do(
        "install", _playbook(tmp_path / "new", {"postinst": PROVIDES, "prerm": "exit 1"}), inventory
    ).host(host.name)  # fmt: skip
    assert row["rollback"]["verdict"] == "clean", row
    assert same(fresh, read_at_rest(host)) == {}
    assert not (host.root / database[1:]).exists()

    old = _playbook(tmp_path / "old", {"postinst": PROVIDES, "prerm": WITHDRAWS}, test=PASSES)
    assert office.do("install", old, inventory).code == 0
    before, content = read(host), (host.root / database[1:]).read_text()
    failing = {"preinst": "exit 1"}
    row = office.do("install", _playbook(tmp_path / "worse", failing, version="2.0"), inventory).host(host.name)
    assert row["rollback"]["verdict"] == "clean", row
    assert same(before, read_at_rest(host)) == {}
    assert (host.root / database[1:]).read_text() == content
    assert host.run(["cat", "/usr/bin/loket-alat"]).stdout == "1.0"


def test_a_service_is_restarted_once_on_the_way_back_and_the_version_is_said(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    host = _rested(boot, office)
    inventory = office.inventory([host])
    assert office.do("install", loket_playbook(tmp_path / "good"), inventory).code == 0
    configure = {
        "decision": "always",
        "attempts": 3,
        "actions": [
            {"file": {"path": "/etc/loket/iidc", "content": "x"}},
            {"service": {"name": "loket", "state": "restarted"}},
        ],
    }
    verify = [{"file": {"path": "/etc/loket/tidak-ada", "exists": True}}]
    install = [{"file": {"path": "/etc/loket/lain", "content": "x"}}, {"deb": {"payloads": ["loket"]}}]
    host.run(["touch", "/etc/loket/lain"])
    bad = loket_playbook(tmp_path / "bad", configure=configure, verify=verify, install=install)
    row = office.do("install", bad, inventory).host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), row
    assert row["rollback"]["restored"] == "1.0"
    started = host.run(["journalctl", "--unit=loket", "--quiet", "--output=cat", "--grep=^Started"]).stdout
    assert len(started.splitlines()) == 1 + 1 + 3 + 1, "installed; new software; three visits; back"


ITS_OWN = """
if [ "$1" = configure ]; then
  getent passwd arsip >/dev/null || useradd --system --home-dir /var/lib/arsip arsip
  mkdir -p /var/lib/arsip && chown arsip: /var/lib/arsip
fi
"""


def test_software_is_removed_whole_after_a_failed_upgrade(boot: Boot, office: Office, tmp_path: Path) -> None:
    """The old version's scripts ran once more on the way back: what they touched is still the software's."""
    host = _rested(boot, office)
    inventory = office.inventory([host])
    before = read(host)
    old = _playbook(tmp_path / "old", {"postinst": ITS_OWN}, test=PASSES)
    assert office.do("install", old, inventory).code == 0
    bad = _playbook(tmp_path / "bad", {"postinst": ITS_OWN}, version="2.0")
    assert office.do("install", bad, inventory).host(host.name)["rollback"]["verdict"] == "clean"
    row = office.do("uninstall", old, inventory).host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("uninstalled", "clean"), row
    assert same(before, read_at_rest(host)) == {}


def test_what_was_taken_over_from_another_package_comes_back(boot: Boot, office: Office, tmp_path: Path) -> None:
    host = _rested(boot, office)
    inventory = office.inventory([host])
    theme, listed = "/usr/share/kantor/tema.css", host.root / "var/lib/dpkg/info/kantor.list"
    deb = build_deb(tmp_path, "kantor", files={theme: "lama", "/usr/share/kantor/isi": "isi"})
    (host.root / "srv/kantor.deb").write_bytes(deb.read_bytes())
    host.run(["dpkg", "--install", "/srv/kantor.deb"])
    before = listed.read_bytes()
    for name, test in (("bad", FAILS), ("good", PASSES)):
        package = {"files": {theme: "baru"}, "depends": "dpkg\nReplaces: kantor"}
        playbook = _playbook(tmp_path / name, {}, test=test, **package)
        row = office.do("install", playbook, inventory).host(host.name)
        if test is PASSES:
            assert theme not in listed.read_text()
            row = office.do("uninstall", playbook, inventory).host(host.name)
        assert row["rollback"]["verdict"] == "clean", row
        assert (listed.read_bytes(), (host.root / theme[1:]).read_text()) == (before, "lama")


def test_the_real_lighttpd_leaves_nothing(boot: Boot, office: Office, tmp_path: Path) -> None:
    host = _rested(boot, office)
    debs = {path.name.split("_")[0]: path for path in fetch("bookworm", ["lighttpd"])}
    before = read(host)
    variant = {"when": DEBIAN, "install": [{"deb": {"payloads": list(debs)}}], "test": FAILS}
    playbook = write_playbook(tmp_path / "web", name="web", version="1", payloads=debs, variants=[variant])
    row = office.do("install", playbook, office.inventory([host])).host(host.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), row
    assert same(before, read_at_rest(host)) == {}
