"""The contract of `deb` on real computers: dpkg and systemd are asked what is there, never the product."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from agent.debian import compare
from tests.contract.computers import LabComputer
from tests.lab.debs import build_deb, nginx, write_repository
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.invented import Fault, build_loket

CONFFILE = "/etc/loket/port"


@pytest.fixture(scope="module")
def computer(boot_module: Boot) -> LabComputer:
    [host] = boot_module()
    return LabComputer(host)


@pytest.fixture
def debs(tmp_path: Path) -> Path:
    folder = tmp_path / "debs"
    folder.mkdir()
    return folder


def here(computer: LabComputer, *names: str) -> list[str]:
    """State and version of packages by dpkg's own word."""
    argv = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}\n", *names]
    return computer.host.run(argv, check=False).stdout.splitlines()


def there_and_back(computer: LabComputer, spec: dict[str, Any], *, before: str = "absent") -> dict[str, Any]:
    """Detect, capture, apply, verify, apply again, undo, undo again; the evidence of the first undo."""
    state = computer.state()
    assert computer.do("detect", "deb", spec)["state"] == before
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    assert computer.state() == state
    applied = computer.do("apply", "deb", spec)
    assert "failed" not in applied, applied
    assert computer.do("verify", "deb", spec)["state"] == "present"
    done = computer.state()
    assert done != state
    assert "failed" not in computer.do("apply", "deb", spec)
    assert computer.state()["packages"] == done["packages"]
    evidence = computer.do("undo", "deb", entry)
    assert "failed" not in evidence, evidence
    assert_same(computer.state(), state)
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), state)
    return evidence["evidence"]


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    for key in before:
        if isinstance(before[key], dict):
            added = now[key].keys() - before[key].keys()
            gone = before[key].keys() - now[key].keys()
            changed = {name for name in before[key].keys() & now[key].keys() if before[key][name] != now[key][name]}
            assert (added, gone, changed) == (set(), set(), set()), key
        assert now[key] == before[key], key


def with_checksums(deb: Path) -> Path:
    """The same package as debhelper builds it: with md5sums."""
    folder = deb.parent / "bongkar"
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    conffiles = (folder / "DEBIAN/conffiles").read_text().split()
    rows = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "DEBIAN" and f"/{path.relative_to(folder)}" not in conffiles
    ]
    (folder / "DEBIAN/md5sums").write_text("".join(rows))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, deb], check=True, capture_output=True)
    shutil.rmtree(folder)
    return deb


def install(computer: LabComputer, *debs: Path) -> None:
    """As an administrator did it by hand, long before."""
    for deb in debs:
        (computer.host.root / "root" / deb.name).write_bytes(deb.read_bytes())
    computer.host.run(["dpkg", "-i", *(f"/root/{deb.name}" for deb in debs)])
    for deb in debs:
        (computer.host.root / "root" / deb.name).unlink()


def purge(computer: LabComputer, *names: str) -> None:
    computer.host.run(["dpkg", "--purge", *names])


def test_an_invented_service(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("loket", build_loket(debs))
    there_and_back(computer, {"payloads": ["loket"]})


def test_the_real_nginx(computer: LabComputer) -> None:
    names = []
    for deb in nginx("bookworm"):
        name = deb.name.split("_")[0]
        computer.add_deb(name, deb)
        names.append(name)
    there_and_back(computer, {"payloads": names})


def test_a_postinst_that_fails(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("loket", build_loket(debs, fault=Fault.POSTINST_FAILS))
    spec = {"payloads": ["loket"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    failed = computer.do("apply", "deb", spec)
    assert failed["failed"]["en"] == (
        "The post-installation script of package loket failed (1): loket: the licence server does not answer."
    )
    assert "licence server" in failed["evidence"]["output"]
    assert computer.do("detect", "deb", spec)["state"] == "different"
    assert "failed" not in computer.do("undo", "deb", entry)
    after = computer.state()
    for path in ("/opt/loket-sisa", "/opt/loket-sisa/data", "/etc/loket", "/etc/loket/sisa", "/var/lib/loket"):
        after["files"].pop(path, None)  # what its scripts wrote beside dpkg is not known to dpkg: residue
    assert_same(after, before)
    computer.host.run(["rm", "-rf", "/opt/loket-sisa", "/etc/loket", "/var/lib/loket"])


def test_a_package_that_refuses_to_go(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("loket", build_loket(debs, fault=Fault.PRERM_FAILS))
    evidence = there_and_back(computer, {"payloads": ["loket"]})
    assert any("silenced" in call for call in evidence["calls"])


@pytest.mark.parametrize(
    ("origin", "fault"),
    [("disk", None), ("disk", Fault.POSTINST_FAILS), ("disk", Fault.PRERM_FAILS), ("payload", Fault.POSTINST_FAILS)],
)
def test_an_upgrade_goes_back_to_the_very_version(
    computer: LabComputer, debs: Path, fault: Fault | None, origin: str
) -> None:
    old = with_checksums(build_loket(debs, "1.0"))
    install(computer, old)
    if origin == "payload":
        computer.add_deb("loket-lama", old)
    host = computer.host
    host.run(["sh", "-c", f"echo 8091 >{CONFFILE}; chmod 600 {CONFFILE}; touch -d 2020-02-02 {CONFFILE}"])
    host.run(["sh", "-c", "echo loket hold | dpkg --set-selections; systemctl restart loket"])
    (debs / "baru").mkdir()
    computer.add_deb("loket", build_loket(debs / "baru", "2.0", fault))
    spec = {"payloads": ["loket"]}
    before = computer.state()
    assert computer.do("detect", "deb", spec)["state"] == "different"
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    assert [row["origin"] for row in entry["before"]] == [origin]
    applied = computer.do("apply", "deb", spec)
    assert ("failed" in applied) == (fault is Fault.POSTINST_FAILS)
    undone = computer.do("undo", "deb", entry)
    assert "failed" not in undone, undone
    host.run(["rm", "-rf", "/opt/loket-sisa", "/etc/loket/sisa", "/var/lib/loket"])
    assert_same(computer.state(), before)
    assert here(computer, "loket") == ["loket 1.0 hold ok installed"]
    assert host.run(["systemctl", "is-active", "loket"]).stdout.strip() == "active"
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), before)
    purge(computer, "loket")
    for digest in (row["digest"] for row in computer.payloads.values()):
        (computer.path("blobs") / digest).unlink(missing_ok=True)


def test_a_package_whose_configuration_was_left(computer: LabComputer, debs: Path) -> None:
    install(computer, build_loket(debs, "1.0"))
    computer.host.run(["sh", "-c", f"echo 8099 >{CONFFILE}; dpkg --remove loket"])
    (debs / "baru").mkdir()
    computer.add_deb("loket", build_loket(debs / "baru", "2.0"))
    assert here(computer, "loket") == ["loket 1.0 deinstall ok config-files"]
    there_and_back(computer, {"payloads": ["loket"]})
    assert here(computer, "loket") == ["loket 1.0 deinstall ok config-files"]
    purge(computer, "loket")


def test_a_conffile_that_only_the_new_version_has(computer: LabComputer, debs: Path) -> None:
    install(computer, build_deb(debs, "paket", "1", files={"/etc/paket/a": "a\n"}, conffiles=["/etc/paket/a"]))
    files = {"/etc/paket/a": "a baru\n", "/etc/paket/b": "b\n"}
    computer.host.run(["sh", "-c", "echo diubah >/etc/paket/a"])
    computer.add_deb("paket", build_deb(debs, "paket", "2", files=files, conffiles=list(files)))
    there_and_back(computer, {"payloads": ["paket"]}, before="different")
    purge(computer, "paket")


def test_a_file_that_moves_to_a_new_package(computer: LabComputer, debs: Path) -> None:
    install(computer, build_deb(debs, "paket", "1", files={"/usr/share/paket/a": "a\n", "/usr/share/paket/b": "b\n"}))
    new = build_deb(debs, "paket", "2", files={"/usr/share/paket/a": "a2\n"}, depends="paket-data (= 2)")
    more = "dpkg\nReplaces: paket (<< 2)\nBreaks: paket (<< 2)"
    data = build_deb(debs, "paket-data", "2", files={"/usr/share/paket/b": "b2\n"}, depends=more)
    computer.add_deb("paket", new)
    computer.add_deb("paket-data", data)
    there_and_back(computer, {"payloads": ["paket", "paket-data"]}, before="different")
    assert computer.host.run(["cat", "/usr/share/paket/b"]).stdout == "b\n"
    purge(computer, "paket")


def test_a_package_that_is_replaced_comes_back(computer: LabComputer, debs: Path) -> None:
    install(computer, build_deb(debs, "paket-tua", "1", files={"/usr/share/paket/a": "a\n"}))
    more = "dpkg\nConflicts: paket-tua\nReplaces: paket-tua\nProvides: paket-tua"
    computer.add_deb("paket", build_deb(debs, "paket", "2", files={"/usr/share/paket/a": "a2\n"}, depends=more))
    there_and_back(computer, {"payloads": ["paket"]})
    assert here(computer, "paket-tua") == ["paket-tua 1 install ok installed"]
    purge(computer, "paket-tua")


def test_a_pre_dependency_among_the_payloads(computer: LabComputer, debs: Path) -> None:
    for name, depends in (("atas", "dpkg\nPre-Depends: tengah"), ("tengah", "bawah"), ("bawah", "")):
        computer.add_deb(name, build_deb(debs, name, files={f"/usr/share/{name}/x": name}, depends=depends))
    there_and_back(computer, {"payloads": ["atas", "tengah", "bawah"]})


def test_what_is_missing_is_found_before_dpkg_runs(computer: LabComputer, debs: Path) -> None:
    needs = "dpkg (>= 1.10), tidak-ada | juga-tidak (>= 2), awk, libc6 (>= 99), python3:any, systemd-sysv, perl-base"
    computer.add_deb("paket", build_deb(debs, "paket", depends=needs))
    spec = {"payloads": ["paket"]}
    missing = computer.do("missing_dependencies", "deb", spec)["missing"]
    libc = computer.host.run(["dpkg-query", "-W", "-f", "${Version}", "libc6"]).stdout
    assert missing == [
        {"package": "paket", "needs": "tidak-ada | juga-tidak (>= 2)", "found": ""},
        {"package": "paket", "needs": "libc6 (>= 99)", "found": libc},
    ]
    before = computer.state()
    failed = computer.do("apply", "deb", spec)
    assert "tidak-ada" in failed["failed"]["id"]
    assert failed["evidence"]["missing"] == missing
    assert_same(computer.state(), before)


def test_another_architecture_is_found_before_dpkg_runs(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket", architecture="s390x"))
    missing = computer.do("missing_dependencies", "deb", {"payloads": ["paket"]})["missing"]
    assert missing == [{"package": "paket", "needs": "architecture s390x", "found": "amd64"}]


def test_a_damaged_payload_never_reaches_dpkg(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket"))
    blob = computer.path("blobs") / computer.payloads["paket"]["digest"]
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert "SHA-256" in computer.do("apply", "deb", {"payloads": ["paket"]})["failed"]["en"]
    assert here(computer, "paket") == []


HOLD = """
import fcntl, sys, time
file = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[1]))
"""


def hold_lock(computer: LabComputer, seconds: float) -> subprocess.Popen[str]:
    """Another package manager at work for a while."""
    argv = ["nsenter", f"--target={computer.host.leader_pid}", "--mount", "--pid", "--"]
    argv += ["python3", "-c", HOLD, str(seconds)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_another_package_manager_is_waited_for(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket"))
    spec = {"payloads": ["paket"], "timeout_s": 0.4}
    with hold_lock(computer, 4):
        began = time.monotonic()
        failed = computer.do("apply", "deb", spec)
        assert time.monotonic() - began < 5
        assert "python3 -c" in failed["failed"]["en"]
        assert "in use by" in failed["failed"]["en"]
    with hold_lock(computer, 1):
        assert "failed" not in computer.do("apply", "deb", {**spec, "timeout_s": 30})
    purge(computer, "paket")


def test_killed_in_the_middle(computer: LabComputer, debs: Path) -> None:
    slow = {"postinst": "if [ -e /run/lambat ]; then sleep 30; fi"}
    computer.add_deb("paket", build_deb(debs, "paket", files={"/etc/paket/a": "a"}, scripts=slow))
    computer.host.run(["touch", "/run/lambat"])
    spec = {"payloads": ["paket"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    failed = computer.do("apply", "deb", {**spec, "timeout_s": 1})
    assert "had not ended" in failed["failed"]["en"]
    assert here(computer, "paket") == ["paket 1.0 install ok half-configured"]
    assert computer.do("detect", "deb", spec)["state"] == "different"
    computer.host.run(["rm", "/run/lambat"])
    assert "failed" not in computer.do("apply", "deb", spec)
    assert here(computer, "paket") == ["paket 1.0 install ok installed"]
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), before)


def test_power_cut_in_the_middle(boot: Boot, debs: Path) -> None:
    [host] = boot()
    computer = LabComputer(host)
    computer.add_deb("loket", build_loket(debs, fault=Fault.SLOW_POSTINST))
    spec = {"payloads": ["loket"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    argv = ["nsenter", f"--target={host.leader_pid}", "--all", "--", "dpkg", "-i"]
    host.run(["cp", f"/var/lib/pasang-uji/blobs/{computer.payloads['loket']['digest']}", "/root/loket.deb"])
    with subprocess.Popen([*argv, "/root/loket.deb"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        time.sleep(2)
        host.power_cycle()
    (host.root / "root/loket.deb").unlink()
    assert computer.do("detect", "deb", spec)["state"] == "different"
    assert "failed" not in computer.do("undo", "deb", entry)
    after = computer.state()
    assert_same({**after, "active": []}, {**before, "active": []})


def test_packages_of_the_computers_own_apt(computer: LabComputer, debs: Path) -> None:
    main = build_deb(debs, "utama", "1.5", files={"/usr/share/utama/x": "x"}, depends="pustaka (>= 1)")
    library = build_deb(debs, "pustaka", "1.2", files={"/usr/share/pustaka/x": "x"})
    host = computer.host
    write_repository(host.root / "srv/gudang", [main, library])
    sources = host.root / "etc/apt/sources.list"
    former = sources.read_text()
    sources.write_text("deb [trusted=yes] file:/srv/gudang ./\n")
    try:
        state = computer.do("detect", "deb", {"packages": ["utama"]})["state"]
        assert state == "absent"
        there_and_back(computer, {"packages": ["utama=1.5"]})
        wrong = computer.do("capture", "deb", {"packages": ["utama=9"]}, keep=computer.keep_folder())
        assert "utama" in wrong["failed"]["en"]
        computer.add_deb("lain", build_deb(debs, "lain", depends="utama"))
        there_and_back(computer, {"payloads": ["lain"], "packages": ["pustaka"]})
    finally:
        sources.write_text(former)
        host.run(["rm", "-rf", "/srv/gudang"])


def test_one_that_others_need_by_now_is_not_torn_out(computer: LabComputer, debs: Path) -> None:
    computer.add_deb("paket", build_deb(debs, "paket"))
    spec = {"payloads": ["paket"]}
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    computer.do("apply", "deb", spec)
    install(computer, build_deb(debs, "pemakai", depends="paket"))
    failed = computer.do("undo", "deb", entry)
    assert "pemakai" in failed["failed"]["id"]
    assert here(computer, "paket", "pemakai") == ["paket 1.0 install ok installed", "pemakai 1.0 install ok installed"]
    purge(computer, "pemakai")
    assert "failed" not in computer.do("undo", "deb", entry)
    assert here(computer, "paket") == []


def contents(host: Host, deb: str) -> list[str]:
    """What dpkg-deb says is in a package: mode, owner, size, name and link of each entry."""
    rows = [line.split(maxsplit=5) for line in host.run(["dpkg-deb", "--contents", deb]).stdout.splitlines()]
    rows = [row for row in rows if row[5] != "./var/log/nginx/"]  # its postinst changes the owner of that folder
    return sorted(" ".join([row[0], row[1], row[2] if row[0][0] == "-" else "", row[5]]) for row in rows)


def test_a_package_packed_again_is_the_same_package(boot: Boot) -> None:
    [host] = boot()
    computer = LabComputer(host)
    install(computer, *nginx("bookworm"))
    host.run(["dpkg-divert", "--local", "--rename", "--divert", "/usr/sbin/nginx.asli", "--add", "/usr/sbin/nginx"])
    host.run(["sh", "-c", "echo bukan nginx >/usr/sbin/nginx"])
    for deb in nginx("bookworm"):
        name = deb.name.split("_")[0]
        (host.root / "root" / deb.name).write_bytes(deb.read_bytes())
        again, original = f"/root/{name}.deb", f"/root/{deb.name}"
        script = "import sys; sys.path.insert(0, '/usr/lib/pasang-uji'); from agent.repack import paragraph, repack;"
        host.run(["python3", "-B", "-c", f"{script} repack(paragraph('{name}', ''), '{again}')"])
        assert contents(host, again) == contents(host, original)
        fields = [sorted(host.run(["dpkg-deb", "-f", path]).stdout.splitlines()) for path in (again, original)]
        assert fields[0] == fields[1]
        for path in (again, original):
            host.run(["dpkg-deb", "-e", path, path + ".control"])
        same = host.run(["diff", "-r", "-x", "control", again + ".control", original + ".control"], check=False)
        assert same.returncode == 0, same.stdout


def test_a_disk_that_fills_up(boot: Boot, debs: Path) -> None:
    [host] = boot(disk_mb=40)
    computer = LabComputer(host)
    big = {"/usr/share/besar/a": os.urandom(15_000_000), "/usr/share/besar/b": os.urandom(15_000_000)}
    computer.add_deb("besar", build_deb(debs, "besar", files=big))
    spec = {"payloads": ["besar"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    failed = computer.do("apply", "deb", spec)
    assert failed["failed"]["en"] == "The disk is full."
    undone = computer.do("undo", "deb", entry)
    assert "failed" not in undone, undone
    assert_same(computer.state(), before)


def test_the_agent_is_killed_and_dpkg_goes_on(computer: LabComputer, debs: Path) -> None:
    slow = {"postinst": "if [ -e /run/lambat ]; then rm /run/lambat; sleep 2; fi"}
    computer.add_deb("paket", build_deb(debs, "paket", files={"/etc/paket/a": "a"}, scripts=slow))
    host = computer.host
    host.run(["touch", "/run/lambat"])
    spec = {"payloads": ["paket"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    kill = "while [ -e /run/lambat ]; do sleep 0.02; done; pkill -KILL -f [d]river.py"
    with subprocess.Popen(["nsenter", f"--target={host.leader_pid}", "--mount", "--pid", "--", "sh", "-c", kill]):
        host.run(computer.argv("apply", "deb", spec), check=False)
    assert host.run(["pgrep", "-x", "dpkg"], check=False).stdout, "dpkg outlived the agent"
    assert "failed" not in computer.do("undo", "deb", entry), "the undo waits for it"
    assert_same(computer.state(), before)


def test_the_agent_dies_at_every_change(computer: LabComputer, debs: Path) -> None:
    """An upgrade, and its undo, each cut off at the 1st, 2nd, … change or program; then undone."""
    old = build_deb(
        debs, "paket", "1", files={"/etc/paket/a": "a\n", "/usr/share/paket/x": "1"}, conffiles=["/etc/paket/a"]
    )
    install(computer, old)
    computer.host.run(["sh", "-c", "echo diubah >/etc/paket/a; touch -d 2021-03-04 /etc/paket/a"])
    files = {"/etc/paket/a": "a2\n", "/etc/paket/b": "b\n", "/usr/share/paket/y": "2"}
    computer.add_deb("paket", build_deb(debs, "paket", "2", files=files, conffiles=["/etc/paket/a", "/etc/paket/b"]))
    computer.add_deb("baru", build_deb(debs, "baru", depends="paket (= 2)"))
    spec = {"payloads": ["paket", "baru"]}
    before = computer.state()
    for verb in ("apply", "undo"):
        for at in itertools.count(1):
            entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
            if verb == "undo":
                assert "failed" not in computer.do("apply", "deb", spec)
            died = computer.do(verb, "deb", spec if verb == "apply" else entry, die_at=at)
            undone = computer.do("undo", "deb", entry)
            assert "failed" not in undone, (verb, at, undone)
            assert_same(computer.state(), before)
            if not died.get("died"):
                break
        assert at > 3
    purge(computer, "paket")


@pytest.mark.parametrize("base", ["bullseye", "trixie"])
def test_other_releases(boot: Boot, debs: Path, base: str) -> None:
    [host] = boot(base)
    computer = LabComputer(host)
    install(computer, build_loket(debs, "1.0"))
    computer.add_deb("loket", build_loket(debs, "2.0", Fault.PRERM_FAILS))
    there_and_back(computer, {"payloads": ["loket"]}, before="different")
    write_repository(
        host.root / "srv/gudang", [build_deb(debs, "utama", depends="pustaka"), build_deb(debs, "pustaka")]
    )
    (host.root / "etc/apt/sources.list").write_text("deb [trusted=yes] file:/srv/gudang ./\n")
    there_and_back(computer, {"packages": ["utama"]})


def test_versions_compare_as_dpkg_compares_them(computer: LabComputer) -> None:
    draw = random.Random(20261122)
    parts = ["0", "1", "9", "10", "00", "a", "b", "Z", "~", "+", ".", "-", "~rc", "dfsg", "2:", "deb12u"]
    pairs = []
    for _ in range(400):
        left, right = ("1" + "".join(draw.choices(parts, k=draw.randint(0, 6))) for _ in range(2))
        if draw.random() < 0.3:
            right = left + draw.choice(parts[:-2])
        if all(re.fullmatch(r"(\d+:)?[\w.+~-]*[\w.+~]", version) for version in (left, right)):
            pairs.append((left, right))
    script = 'while read -r a b; do dpkg --compare-versions "$a" lt "$b" 2>/dev/null && echo "<" && continue; '
    script += 'dpkg --compare-versions "$a" eq "$b" 2>/dev/null && echo "=" || echo ">"; done'
    done = computer.host.run(["bash", "-c", script], text="".join(f"{a} {b}\n" for a, b in pairs))
    assert len(pairs) > 200
    for (left, right), sign in zip(pairs, done.stdout.split(), strict=True):
        order = compare(left, right)
        assert {"<": order < 0, "=": order == 0, ">": order > 0}[sign], (left, sign, right)
        assert (compare(right, left) > 0) == (order < 0)
