"""The contract of `service`: with systemd on a real computer, and with plain processes of ours."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.computers import LabComputer, ThisComputer, tree
from tests.lab.fixtures import Boot

SLEEP = {"argv": ["/bin/sleep", "86400"], "description": "uji 100% $HOME"}


def unit_file(computer: LabComputer, name: str, lines: str, install: str = "WantedBy=multi-user.target") -> None:
    """A unit as a package ships it."""
    path = computer.host.root / f"lib/systemd/system/{name}.service"
    path.write_text(f"[Unit]\nDescription=uji\n[Service]\n{lines}\n[Install]\n{install}\n")
    computer.host.run(["systemctl", "daemon-reload"])


def show(computer: LabComputer, name: str, *properties: str) -> list[str]:
    argv = ["systemctl", "show", "--value", *(f"--property={word}" for word in properties), name]
    return [line for line in computer.host.run(argv).stdout.splitlines() if line]


def forget(computer: LabComputer, name: str) -> None:
    host = computer.host
    host.run(["systemctl", "disable", "--now", "--quiet", name], check=False)
    (host.root / f"lib/systemd/system/{name}.service").unlink(missing_ok=True)
    host.run(["systemctl", "daemon-reload"])
    host.run(["systemctl", "reset-failed", name], check=False)


def there_and_back(
    computer: LabComputer, spec: dict[str, Any], *, before: str, again: bool = True
) -> tuple[list[str], list[str]]:
    """Apply and undo, each also where nothing is to be done; the rows of units and of their files that came between."""
    state = computer.state()
    assert computer.do("detect", "service", spec)["state"] == before
    entry = computer.do("capture", "service", spec, keep=computer.keep_folder())["entry"]
    assert computer.state() == state
    assert "failed" not in computer.do("undo", "service", entry)
    assert computer.state() == state, "undo of what never began"
    applied = computer.do("apply", "service", spec)
    assert "failed" not in applied, applied
    assert computer.do("verify", "service", spec)["state"] == "present"
    there = computer.state()
    if again:
        pid = show(computer, spec["name"], "MainPID")
        assert "failed" not in computer.do("apply", "service", spec)
        assert show(computer, spec["name"], "MainPID") == pid
    for _ in range(2):
        undone = computer.do("undo", "service", entry)
        assert "failed" not in undone, undone
        assert computer.state() == state
    assert computer.do("detect", "service", spec)["state"] == before
    return added(there["active"], state["active"]), added(there["unit files"], state["unit files"])


def added(now: list[str], before: list[str]) -> list[str]:
    return [row for row in now if row not in before]


@pytest.fixture
def unit(computer: LabComputer) -> Any:
    unit_file(computer, "uji", "ExecStart=/bin/sleep 86400\nExecReload=/bin/true")
    yield "uji"
    forget(computer, "uji")


def test_started_and_enabled(computer: LabComputer, unit: str) -> None:
    spec = {"name": unit, "state": "running", "enabled": True, "stable_for_s": 0.5}
    assert there_and_back(computer, spec, before="different") == (["uji.service active"], ["uji.service enabled"])


def test_stopped_and_disabled(computer: LabComputer, unit: str) -> None:
    computer.host.run(["systemctl", "enable", "--now", "--quiet", unit])
    spec = {"name": unit, "state": "stopped", "enabled": False}
    assert there_and_back(computer, spec, before="different") == ([], ["uji.service disabled"])
    assert show(computer, unit, "ActiveState", "UnitFileState") == ["active", "enabled"]


def test_enabled_alone(computer: LabComputer, unit: str) -> None:
    spec = {"name": unit, "enabled": True}
    assert there_and_back(computer, spec, before="different") == ([], ["uji.service enabled"])


def test_restarted_is_an_effect_each_time(computer: LabComputer, unit: str) -> None:
    computer.host.run(["systemctl", "start", unit])
    spec = {"name": unit, "state": "restarted"}
    assert computer.do("detect", "service", spec)["state"] == "present"
    entry = computer.do("capture", "service", spec, keep=computer.keep_folder())["entry"]
    assert entry["late"] is True
    first = show(computer, unit, "MainPID")
    computer.do("apply", "service", spec)
    second = show(computer, unit, "MainPID")
    computer.do("undo", "service", entry)
    assert len({*first, *second, *show(computer, unit, "MainPID")}) == 3


def test_reloaded_keeps_the_process(computer: LabComputer, unit: str) -> None:
    computer.host.run(["systemctl", "start", unit])
    spec = {"name": unit, "state": "reloaded"}
    pid = show(computer, unit, "MainPID")
    assert "failed" not in computer.do("apply", "service", spec)
    assert computer.do("verify", "service", spec)["state"] == "present"
    assert show(computer, unit, "MainPID") == pid


def test_reload_of_one_that_was_stopped_leaves_it_stopped_after_undo(computer: LabComputer, unit: str) -> None:
    spec = {"name": unit, "state": "reloaded"}
    assert there_and_back(computer, spec, before="different", again=False) == (["uji.service active"], [])


def test_a_reload_that_fails_says_why(computer: LabComputer) -> None:
    unit_file(computer, "uji", "ExecStart=/bin/sleep 86400\nExecReload=/bin/sh -c 'echo baris 3 salah >&2; exit 1'")
    computer.host.run(["systemctl", "start", "uji"])
    failed = computer.do("apply", "service", {"name": "uji", "state": "reloaded"})
    assert "could not be reloaded" in failed["failed"]["en"]
    assert "baris 3 salah" in failed["evidence"]["log"]
    forget(computer, "uji")


def test_defined_by_us(computer: LabComputer) -> None:
    spec = {"name": "salam", "state": "running", "enabled": True, "stable_for_s": 0.3, "define": SLEEP}
    assert there_and_back(computer, spec, before="absent") == (["salam.service active"], ["salam.service enabled"])


def test_a_definition_takes_every_word_as_it_is(computer: LabComputer) -> None:
    words = ["100% $HOME ${A}", 'a "b" \\c', "tab\there", "", "'x'", "%n", "~/x"]
    script = (
        "import json,os,sys,time; json.dump([sys.argv[1:], os.environ['ISI'], os.getcwd()], open('/run/uji.json','w'))"
    )
    define = {
        "argv": ["/usr/bin/python3", "-c", script + "; time.sleep(999)", *words],
        "environment": {"ISI": 'a "b" $c %d \\e'},
        "directory": "/srv",
    }
    spec = {"name": "kata", "state": "running", "define": define}
    assert "failed" not in computer.do("apply", "service", spec)
    assert computer.do("detect", "service", spec)["state"] == "present"
    for _ in range(50):
        done = computer.host.run(["cat", "/run/uji.json"], check=False)
        if done.returncode == 0 and done.stdout:
            break
        time.sleep(0.1)
    assert json.loads(done.stdout) == [[*words[:-1], "/root/x"], 'a "b" $c %d \\e', "/srv"]
    computer.host.run(["systemctl", "stop", "kata"])
    (computer.host.root / "etc/systemd/system/kata.service").unlink()
    computer.host.run(["systemctl", "daemon-reload"])


def test_a_service_of_another_user(computer: LabComputer) -> None:
    spec = {"name": "salam", "state": "running", "define": {**SLEEP, "user": "petugas"}, "stable_for_s": 0.2}
    assert there_and_back(computer, spec, before="absent")[0] == ["salam.service active"]
    computer.do("apply", "service", spec)
    assert computer.host.run(["pgrep", "-u", "petugas", "-x", "sleep"]).stdout
    forget(computer, "salam")
    (computer.host.root / "etc/systemd/system/salam.service").unlink()
    computer.host.run(["systemctl", "daemon-reload"])
    unknown = {**spec, "define": {**SLEEP, "user": "tidak-ada"}}
    entry = computer.do("capture", "service", unknown, keep=computer.keep_folder())["entry"]
    computer.do("apply", "service", unknown)
    found = computer.do("verify", "service", unknown)
    assert found.get("state") == "different", found
    assert "failed" not in computer.do("undo", "service", entry)


def test_a_new_definition_restarts_and_the_old_one_comes_back(computer: LabComputer) -> None:
    spec = {"name": "salam", "state": "running", "define": SLEEP}
    computer.do("apply", "service", spec)
    before = computer.state()
    newer = {**spec, "define": {**SLEEP, "argv": ["/bin/sleep", "77777"]}}
    assert computer.do("detect", "service", newer)["state"] == "different"
    entry = computer.do("capture", "service", newer, keep=computer.keep_folder())["entry"]
    assert "failed" not in computer.do("apply", "service", newer)
    assert computer.do("verify", "service", newer)["state"] == "present"
    pid = show(computer, "salam", "MainPID")[0]
    assert "77777" in computer.host.run(["cat", f"/proc/{pid}/cmdline"]).stdout
    for _ in range(2):
        assert "failed" not in computer.do("undo", "service", entry)
        pid = show(computer, "salam", "MainPID")[0]
        assert "86400" in computer.host.run(["cat", f"/proc/{pid}/cmdline"]).stdout
    now = computer.state()
    assert now["active"] == before["active"]
    assert now["unit files"] == before["unit files"]
    forget(computer, "salam")
    (computer.host.root / "etc/systemd/system/salam.service").unlink()
    computer.host.run(["systemctl", "daemon-reload"])


@pytest.mark.parametrize("restart", ["no", "always\nRestartSec=100ms"])
def test_one_that_dies_after_a_moment_is_not_stable(computer: LabComputer, restart: str) -> None:
    unit_file(computer, "uji", f"ExecStart=/bin/sh -c 'sleep 1; echo lisensi habis; exit 3'\nRestart={restart}")
    spec = {"name": "uji", "state": "running", "stable_for_s": 2}
    assert "failed" not in computer.do("apply", "service", spec)
    found = computer.do("verify", "service", spec)
    assert found.get("state") == "different", found
    assert "did not stay up for 2 s" in found["reason"]["en"]
    assert "lisensi habis" in found["reason"]["en"]
    forget(computer, "uji")


def test_one_that_has_been_up_for_longer_is_not_waited_for(computer: LabComputer, unit: str) -> None:
    computer.host.run(["systemctl", "start", unit])
    time.sleep(3.2)
    began = time.monotonic()
    assert computer.do("detect", "service", {"name": unit, "state": "running", "stable_for_s": 3})["state"] == "present"
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ("exit 78", "does not run: failed, disabled, exit-code, exit code 78 (tidak ada berkas)"),
        ("exit 0", "ended as soon as it was started: inactive, disabled, without an error (tidak ada berkas)"),
        ("kill -9 $$$$", "does not run: failed, disabled, signal, signal 9 (tidak ada berkas)"),
    ],
)
@pytest.mark.parametrize("stable", [{}, {"stable_for_s": 1}])
def test_one_that_ends_at_once_says_why(computer: LabComputer, end: str, says: str, stable: dict[str, Any]) -> None:
    unit_file(computer, "uji", f"Type=exec\nExecStart=/bin/sh -c 'echo tidak ada berkas; {end}'")
    spec = {"name": "uji", "state": "running", **stable}
    computer.do("apply", "service", spec)
    time.sleep(0.2)
    found = computer.do("verify", "service", spec)
    assert found.get("state") == "different", found
    assert found["reason"]["en"] == f"Service uji {says}"
    forget(computer, "uji")


def test_a_program_that_is_not_there_says_so(computer: LabComputer) -> None:
    spec = {"name": "salam", "state": "running", "define": {"argv": ["/usr/bin/tidak-ada"]}}
    before = computer.state()
    entry = computer.do("capture", "service", spec, keep=computer.keep_folder())["entry"]
    failed = computer.do("apply", "service", spec)
    assert "salam" in failed["failed"]["en"]
    assert "tidak-ada" in failed["evidence"]["log"]
    assert "failed" not in computer.do("undo", "service", entry)
    assert computer.state() == before


def test_one_that_is_never_ready_is_given_up(computer: LabComputer) -> None:
    unit_file(computer, "uji", "Type=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 999")
    failed = computer.do("apply", "service", {"name": "uji", "state": "running"})
    assert "not ready in time" in failed["failed"]["en"]
    forget(computer, "uji")


def test_masked_and_unknown_are_told_apart(computer: LabComputer, unit: str) -> None:
    computer.host.run(["systemctl", "mask", "--quiet", unit])
    spec = {"name": unit, "state": "running"}
    assert computer.do("detect", "service", spec)["state"] == "different"
    assert "systemctl unmask uji" in computer.do("apply", "service", spec)["failed"]["en"]
    computer.host.run(["systemctl", "unmask", "--quiet", unit])
    spec = {"name": "tidak-ada", "state": "running"}
    assert computer.do("detect", "service", spec)["state"] == "absent"
    assert "There is no service tidak-ada" in computer.do("apply", "service", spec)["failed"]["en"]
    assert computer.do("detect", "service", {"name": "tidak-ada", "state": "stopped"})["state"] == "present"


def test_the_users_own_systemd(boot: Boot) -> None:
    [host] = boot()
    drop_in = host.root / "etc/systemd/system/user@.service.d/lab.conf"  # what logind does, which the lab has not
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n")
    host.run(["sh", "-ec", "install -d -o petugas -m 700 /run/user/$(id -u petugas); systemctl daemon-reload"])
    host.run(["sh", "-ec", "systemctl start user@$(id -u petugas)"])
    computer = LabComputer(host)
    computer.become("petugas")
    home = host.root / "home/petugas"
    before = tree(home)
    spec = {"name": "salam", "state": "running", "enabled": True, "stable_for_s": 0.3, "define": SLEEP}
    assert computer.do("detect", "service", spec)["state"] == "absent"
    entry = computer.do("capture", "service", spec, keep="/tmp/keep")["entry"]
    applied = computer.do("apply", "service", spec)
    assert applied["evidence"]["manager"] == "systemd --user"
    assert computer.do("verify", "service", spec)["state"] == "present"
    assert (home / ".config/systemd/user/default.target.wants/salam.service").is_symlink()
    assert host.run(["pgrep", "-u", "petugas", "-x", "sleep"]).stdout
    assert "failed" not in computer.do("undo", "service", entry)
    assert tree(home, without=(".pasang",)) == before
    assert not host.run(["pgrep", "-u", "petugas", "-x", "sleep"], check=False).stdout


# --- without systemd --------------------------------------------------------------------------------------------------


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """This computer with a service manager of ours; what a test leaves running is ended."""
    from agent.host import services
    from agent.host.keeper import Keeper

    monkeypatch.setattr(services, "services_of", Keeper)
    computer = ThisComputer(tmp_path)
    yield computer
    for path in (computer.agent_root / "services").glob("*.pid"):
        try:
            os.killpg(json.loads(path.read_text())["pid"], signal.SIGKILL)
        except ProcessLookupError:
            continue


def pid_of(computer: ThisComputer, name: str) -> int:
    return int(json.loads((computer.agent_root / f"services/{name}.pid").read_text())["pid"])


def test_a_plain_process(plain: ThisComputer, tmp_path: Path) -> None:
    define = {
        "argv": ["sh", "-c", "echo mulai; sleep 86400 & wait"],
        "environment": {"A": "1"},
        "directory": str(tmp_path),
    }
    spec = {"name": "salam", "state": "running", "stable_for_s": 0.3, "define": define}
    before = tree(plain.agent_root)
    assert plain.do("detect", "service", spec)["state"] == "absent"
    entry = plain.do("capture", "service", spec, keep=str(tmp_path / "keep"))["entry"]
    assert "failed" not in plain.do("undo", "service", entry)
    assert "failed" not in plain.do("apply", "service", spec)
    assert plain.do("verify", "service", spec)["state"] == "present"
    pid = pid_of(plain, "salam")
    assert os.getsid(pid) == pid != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == tmp_path
    assert (plain.agent_root / "services/salam.log").read_text() == "mulai\n"
    plain.do("apply", "service", spec)
    assert pid_of(plain, "salam") == pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for _ in range(2):
        assert "failed" not in plain.do("undo", "service", entry)
        assert tree(plain.agent_root) == before
    for number in (pid, *children):
        stat = Path(f"/proc/{number}/stat")
        assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_a_plain_process_that_dies_is_caught(plain: ThisComputer) -> None:
    spec = {
        "name": "salam",
        "state": "running",
        "stable_for_s": 6,
        "define": {"argv": ["sh", "-c", "sleep 0.3; echo habis"]},
    }
    assert "failed" not in plain.do("apply", "service", spec)
    began = time.monotonic()
    found = plain.do("verify", "service", spec)
    assert found.get("state") == "different", found
    assert "habis" in found["reason"]["en"]
    assert time.monotonic() - began < 5, "its end is seen when it happens"


def test_a_plain_process_that_does_not_listen_is_ended(plain: ThisComputer, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.host import keeper

    monkeypatch.setattr(keeper, "TERM_S", 0.3)
    define = {"argv": ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]}
    plain.do("apply", "service", {"name": "keras", "state": "running", "stable_for_s": 0.3, "define": define})
    pid = pid_of(plain, "keras")
    assert "failed" not in plain.do("apply", "service", {"name": "keras", "state": "stopped"})
    assert not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_another_process_with_the_same_number_is_not_ours(plain: ThisComputer) -> None:
    spec = {"name": "salam", "state": "running", "define": SLEEP}
    plain.do("apply", "service", spec)
    real = pid_of(plain, "salam")
    path = plain.agent_root / "services/salam.pid"
    mark = json.loads(path.read_text())
    path.write_text(json.dumps({**mark, "pid": os.getpid()}))
    assert plain.do("detect", "service", spec)["state"] == "different"
    assert "failed" not in plain.do("apply", "service", {"name": "salam", "state": "stopped"})
    os.killpg(real, signal.SIGKILL)


@pytest.mark.parametrize(
    ("define", "says"),
    [
        ({"argv": ["/tidak/ada"]}, "No such file"),
        ({"argv": ["/bin/sleep", "1"], "directory": "/tidak/ada"}, "No such file"),
        ({"argv": ["/etc/passwd"]}, "Permission denied"),
    ],
)
def test_a_plain_process_that_cannot_start_says_why(plain: ThisComputer, define: dict[str, Any], says: str) -> None:
    failed = plain.do("apply", "service", {"name": "salam", "state": "running", "define": define})
    assert says in failed["failed"]["en"]


def test_without_systemd_nothing_starts_with_the_computer(plain: ThisComputer) -> None:
    failed = plain.do("apply", "service", {"name": "salam", "enabled": True, "define": SLEEP})
    assert "no systemd" in failed["failed"]["en"]


def hung(computer: LabComputer, name: str, verb: str, state: str) -> dict[str, Any]:
    """How an order to a service hung, and was given up."""
    answer = computer.do("apply", "service", {"name": name, "state": state, "stall_s": 2})
    assert answer["failed"]["en"].startswith(f"Service {name} could not be {verb}: it did not get on for 2 seconds")
    assert f"waiting for the service {name}.service: " in answer["failed"]["en"]
    stopped: dict[str, Any] = answer["evidence"]["stopped"]
    assert stopped["why"] == "stall"
    assert stopped["seconds"] < 5
    return stopped


def test_a_start_that_hangs_is_given_up_whole(computer: LabComputer) -> None:
    hangs = "/bin/sh -c 'trap \"\" TERM; while :; do sleep 600; done'"
    unit_file(computer, "macet", f"Type=oneshot\nTimeoutStartSec=infinity\nTimeoutStopSec=infinity\nExecStart={hangs}")
    try:
        stopped = hung(computer, "macet", "started", "running")
        assert [row["command"] for row in stopped["processes"] if row.get("unit")][-1] == "sleep 600"
        assert show(computer, "macet", "ActiveState") == ["failed"]
        left = computer.host.run(["systemctl", "list-jobs", "--no-legend"]).stdout
        assert left.strip() in ("", "No jobs running.")
        assert computer.host.run(["pgrep", "-fx", "sleep 600"], check=False).stdout == ""
    finally:
        forget(computer, "macet")


def test_a_reload_that_hangs_leaves_what_serves(computer: LabComputer) -> None:
    unit_file(computer, "macet", "ExecStart=/bin/sleep 86400\nExecReload=/bin/sleep 600")
    computer.host.run(["systemctl", "start", "macet"])
    pid = show(computer, "macet", "MainPID")
    try:
        stopped = hung(computer, "macet", "reloaded", "reloaded")
        assert [row["command"] for row in stopped["processes"] if row.get("unit")] == ["/bin/sleep 600"]
        assert show(computer, "macet", "ActiveState", "MainPID") == [*pid, "active"]
        assert computer.host.run(["pgrep", "-fx", "/bin/sleep 600"], check=False).stdout == ""
    finally:
        forget(computer, "macet")
