"""`deb` where something comes between: others hold dpkg, agents die, the power goes, the disk is full."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.computers import LabComputer
from tests.contract.packages import (
    assert_same,
    here,
    install,
    purge,
)
from tests.lab.debs import build_deb
from tests.lab.fixtures import Boot
from tests.lab.invented import Fault, build_loket
from tests.lab.space import wait_until

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
    times = unpacked(computer, "paket")
    assert "failed" not in computer.do("apply", "deb", spec)
    assert here(computer, "paket") == ["paket 1.0 install ok installed"]
    assert unpacked(computer, "paket") == times, "it was configured, and then there was nothing left to install"
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), before)


def unpacked(computer: LabComputer, name: str) -> int:
    """How often dpkg says that it unpacked a package."""
    log = computer.host.root / "var/log/dpkg.log"
    lines = log.read_text() if log.exists() else ""
    return len(re.findall(rf"^\S+ \S+ (?:install|upgrade) {name}:", lines, re.MULTILINE))


@contextmanager
def begun(computer: LabComputer, verb: str, spec: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """One verb in a process of its own on that computer, which does not outlive the block."""
    argv = ["nsenter", f"--target={computer.host.leader_pid}", "--all", "--", *computer.argv(verb, "deb", spec)]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_an_installer_that_outlived_its_agent_is_waited_for(boot: Boot, debs: Path) -> None:
    [host] = boot()
    computer = LabComputer(host)
    waits = {"preinst": "while [ -e /run/tunggu ]; do sleep 0.05; done"}
    computer.add_deb("paket", build_deb(debs, "paket", scripts=waits))
    computer.add_deb("lain", build_deb(debs, "lain"))
    spec = {"payloads": ["paket", "lain"]}
    host.run(["touch", "/run/tunggu"])
    open_by = ["sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c '/var/lib/dpkg/lock$'"]
    with begun(computer, "apply", spec) as first:
        wait_until(lambda: unpacked(computer, "paket") == 1, timeout_s=20, what="dpkg at work")
        host.run(["pkill", "--signal", "KILL", "python3"])
        first.communicate()
    with begun(computer, "apply", spec) as second:
        wait_until(lambda: int(host.run(open_by, check=False).stdout) == 2, timeout_s=20, what="the next, waiting")
        host.run(["rm", "/run/tunggu"])
        assert "failed" not in json.loads(second.communicate(timeout=60)[0])
    assert here(computer, "paket", "lain") == ["lain 1.0 install ok installed", "paket 1.0 install ok installed"]
    assert (unpacked(computer, "paket"), unpacked(computer, "lain")) == (1, 1)


def test_a_policy_that_is_left_behind_refuses_nothing(boot: Boot, debs: Path) -> None:
    [host] = boot()
    computer = LabComputer(host)
    waits = {"preinst": "while [ -e /run/tunggu ]; do sleep 0.05; done"}
    computer.add_deb("loket", build_loket(debs, more_scripts=waits))
    spec = {"payloads": ["loket"], "starts_later": ["loket.service"]}
    before = computer.state()
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    host.run(["touch", "/run/tunggu"])
    asked = ["/usr/sbin/policy-rc.d", "--quiet", "loket.service", "start"]
    with begun(computer, "apply", spec) as first:
        wait_until(lambda: unpacked(computer, "loket") == 1, timeout_s=20, what="dpkg at work")
        assert host.run(asked, check=False).returncode == 101
        assert host.run([*asked[:2], "loket", "start"], check=False).returncode == 101
        assert host.run([*asked[:2], "loket.service", "restart"], check=False).returncode == 104
        assert host.run([*asked[:2], "other.service", "start"], check=False).returncode == 104
        host.run(["pkill", "--signal", "KILL", "python3"])
        first.communicate()
    assert host.run(asked, check=False).returncode == 104
    host.run(["rm", "/run/tunggu"])
    wait_until(lambda: here(computer, "loket") == ["loket 1.0 install ok installed"], timeout_s=20, what="dpkg's end")
    assert "loket.service active" in computer.state()["active"]
    assert "failed" not in computer.do("settle", "deb", spec)
    assert not (host.root / "usr/sbin/policy-rc.d").exists()
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
