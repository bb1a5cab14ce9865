"""Which processes run, since when and as whom: asked of a /proc made of files."""

from __future__ import annotations

import types

import pytest

from agent.host import processes
from agent.probes import asked, process
from tests.unit.probing import SINCE


def ask_process(**words):
    return asked(process, {"kind": "process", **words}, None, SINCE)


def test_a_process_by_name(computer):
    computer.start(10, "nginx", ["nginx: master process"])
    computer.start(11, "nginx", ["nginx: worker process"], uid=33)
    answer = ask_process(name="nginx")
    assert (answer.verdict, answer.found) == ("passed", "2 (nginx 10, nginx 11)")
    assert ask_process(name="ngin").verdict == "failed"


def test_a_name_longer_than_the_kernel_keeps(computer):
    computer.start(10, "prometheus-node", ["/usr/bin/prometheus-node-exporter", "--web"])
    assert ask_process(name="prometheus-node-exporter").verdict == "passed"


@pytest.mark.parametrize("name", ["a) S 1 (b", "with space", "(sd-pam)", ")"])
def test_names_that_break_naive_readers(computer, name):
    computer.start(10, name, ["x"])
    assert ask_process(name=name).verdict == "passed"


def test_the_dead_do_not_run(computer):
    computer.start(10, "nginx", state="Z")
    computer.start(11, "nginx", state="X")
    answer = ask_process(name="nginx")
    assert (answer.verdict, answer.found, answer.final) == ("failed", "0", False)


def test_a_process_by_command_line(computer):
    computer.start(10, "java", ["/usr/bin/java", "-jar", "/opt/arsip/arsip.jar"])
    computer.start(11, "kworker/0:1", [])
    assert ask_process(cmdline=r"-jar .*arsip\.jar$").verdict == "passed"
    assert ask_process(cmdline="kworker").verdict == "failed"
    assert ask_process(cmdline="(").verdict == "unknown"


def test_we_and_our_parents_are_not_it(computer):
    computer.start(900, "pasang", ["pasang", "install", "nginx"])
    computer.start(1000, "python3", ["python3", "agent.pyz", "nginx"], parent=900)
    assert ask_process(cmdline="nginx").verdict == "failed"
    computer.start(1001, "nginx", ["nginx"], parent=900)
    assert ask_process(cmdline="nginx").found == "1 (nginx 1001)"


@pytest.mark.parametrize("listener", ["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "/usr/sbin/sshd"])
def test_who_let_us_in_is_not_ours(computer, listener):
    computer.start(10, "sshd", [listener])
    computer.start(11, "sshd", ["sshd: ani [priv]"], parent=10)
    computer.start(12, "sshd", ["sshd: ani@notty"], parent=11)
    computer.start(13, "sudo", ["sudo", "python3"], parent=12)
    computer.start(1000, "python3", ["python3", "agent.pyz"], parent=13)
    assert processes.own_family() == {11, 12, 13, 1000}
    assert ask_process(name="sshd").found == "1 (sshd 10)"


@pytest.mark.parametrize(
    ("count", "verdict", "needed"),
    [
        ({}, "passed", "≥ 1"),
        ({"at_least": 2}, "passed", "≥ 2"),
        ({"at_least": 3}, "failed", "≥ 3"),
        ({"at_most": 2}, "passed", "1–2"),
        ({"at_most": 1}, "failed", "= 1"),
        ({"at_most": 0}, "failed", "= 0"),
        ({"at_least": 2, "at_most": 2}, "passed", "= 2"),
    ],
)
def test_how_many(computer, count, verdict, needed):
    computer.start(10, "worker")
    computer.start(11, "worker")
    assert ask_process(name="worker", count=count).verdict == verdict
    assert process.needed({"count": count}) == needed


def test_that_none_runs(computer):
    assert ask_process(name="worker", count={"at_most": 0}, stable_for_s=2).verdict == "passed"


def test_as_whom(computer):
    computer.start(10, "nginx", uid=0)
    computer.start(11, "nginx", uid=33)
    assert ask_process(name="nginx", user="33").found == "1 (nginx 11)"
    assert ask_process(name="nginx", user="root").found == "1 (nginx 10)"
    answer = ask_process(name="nginx", user="nobody-of-that-name")
    assert answer.verdict == "failed"
    assert "nobody-of-that-name" in answer.reason["id"]


def test_age_is_proof_without_waiting(computer, clock):
    clock.now = 100.0
    computer.start(10, "nginx", started_s=90)
    assert ask_process(name="nginx", stable_for_s=5).verdict == "passed"
    assert clock.now == 100.0


def test_waits_for_what_is_missing(computer, clock):
    clock.now = 100.0
    computer.start(10, "nginx", started_s=99)
    assert ask_process(name="nginx", stable_for_s=5).verdict == "passed"
    assert 104 <= clock.now < 104.2


def test_one_that_dies_is_seen_at_once(computer, clock):
    clock.now = 100.0
    computer.start(10, "nginx", started_s=100)
    clock.events.append((101.0, lambda: computer.end(10)))
    answer = ask_process(name="nginx", stable_for_s=60)
    assert answer.verdict == "failed"
    assert "60" in answer.reason["en"]
    assert clock.now < 101.2


def test_a_successor_is_another(computer, clock):
    clock.now = 100.0
    computer.start(10, "nginx", started_s=100)

    def restart():
        computer.end(10)
        computer.start(10, "nginx", started_s=101)

    clock.events.append((101.0, restart))
    assert ask_process(name="nginx", stable_for_s=5).verdict == "failed"


def test_enough_of_them_stay(computer, clock):
    clock.now = 100.0
    for pid in (10, 11, 12):
        computer.start(pid, "worker", started_s=100)
    clock.events.append((101.0, lambda: computer.end(11)))
    assert ask_process(name="worker", count={"at_least": 2}, stable_for_s=3).verdict == "passed"


def test_no_proc_and_no_psutil(monkeypatch):
    monkeypatch.setattr(processes, "PROC", "/nowhere")
    answer = ask_process(name="nginx")
    assert (answer.verdict, answer.final) == ("unknown", True)


def test_psutil_answers_where_there_is_no_proc(monkeypatch):
    def row(pid, status="running"):
        info = {"pid": pid, "ppid": 0, "name": "Arsip.exe", "cmdline": [], "status": status, "create_time": 5.5}
        return types.SimpleNamespace(info=info)

    psutil = types.SimpleNamespace(STATUS_ZOMBIE="zombie", process_iter=lambda fields: [row(4), row(5, "zombie")])
    monkeypatch.setattr(processes.sys, "platform", "win32")
    monkeypatch.setitem(processes.sys.modules, "psutil", psutil)
    assert ask_process(name="Arsip.exe").found == "1 (Arsip.exe 4)"
    monkeypatch.setitem(processes.sys.modules, "psutil", None)
    assert ask_process(name="Arsip.exe").verdict == "unknown"
