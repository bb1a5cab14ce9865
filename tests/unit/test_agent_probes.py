"""Questions to fakes: services, sockets, programs, packages, and a /proc made of files."""

from __future__ import annotations

import re
import types

import pytest

from agent.actions import ActionFailed
from agent.host import processes, sockets
from agent.host.linux import Package
from agent.host.sockets import Socket
from agent.probes import command, patterns, port, process, service, version
from agent.program import Result
from agent.protocol import text

SINCE = {"at": 1_000_000.0, "logs": {}}


class Clock:
    """Time that passes only in sleep; what is to happen meanwhile happens then."""

    def __init__(self):
        self.now = 0.0
        self.events = []

    def monotonic(self):
        return self.now

    def time(self):
        return SINCE["at"] + 60 + self.now

    def sleep(self, seconds):
        self.now += seconds
        for at, happen in list(self.events):
            if at <= self.now:
                self.events.remove((at, happen))
                happen()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(process, "time", clock)
    monkeypatch.setattr(service, "time", clock)
    return clock


class Computer:
    """Processes as files of /proc."""

    def __init__(self, folder, monkeypatch, clock):
        self.folder = folder
        self.clock = clock
        monkeypatch.setattr(processes, "PROC", str(folder))
        monkeypatch.setattr(processes, "age_s", lambda one: self.clock.now - int(one.started) / 100)
        monkeypatch.setattr(processes.os, "getpid", lambda: 1000)
        monkeypatch.setattr(process, "age_s", processes.age_s)

    def start(self, pid, name, argv=(), *, state="S", parent=1, uid=0, started_s=0.0):
        folder = self.folder / str(pid)
        folder.mkdir()
        ticks = int(started_s * 100)
        (folder / "stat").write_text(f"{pid} ({name}) {state} {parent} " + "0 " * 17 + f"{ticks} 0 0\n")
        (folder / "cmdline").write_text("".join(word + "\0" for word in argv))
        (folder / "status").write_text(f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")

    def end(self, pid):
        for file in (self.folder / str(pid)).iterdir():
            file.unlink()
        (self.folder / str(pid)).rmdir()


@pytest.fixture
def computer(tmp_path, monkeypatch, clock):
    return Computer(tmp_path, monkeypatch, clock)


def ask_process(**words):
    return process.ask({"kind": "process", **words}, None, SINCE)


# -- process ----------------------------------------------------------------------------------------------------------


def test_a_process_by_name(computer):
    computer.start(10, "nginx", ["nginx: master process"])
    computer.start(11, "nginx", ["nginx: worker process"], uid=33)
    answer = ask_process(name="nginx")
    assert (answer.verdict, answer.needed, answer.found) == ("passed", "≥ 1", "2 (nginx 10, nginx 11)")
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


@pytest.mark.parametrize(
    ("count", "verdict", "needed"),
    [
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
    answer = ask_process(name="worker", count=count)
    assert (answer.verdict, answer.needed) == (verdict, needed)


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


# -- service ----------------------------------------------------------------------------------------------------------


def state(active="active", **more):
    fields = {"known": True, "enabled": True, "main_pid": 10, "restarts": 0, "active_for_s": 30.0, "result": "success"}
    return types.SimpleNamespace(active=active, **{**fields, **more})


class Manager:
    """Answers what it is given, the last for ever; ``trouble`` is raised instead."""

    name = "systemd"

    def __init__(self, *states, trouble=None):
        self.states = list(states)
        self.trouble = trouble
        self.reads = 0

    def read(self, name):
        self.reads += 1
        if self.trouble:
            raise self.trouble
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def ask_service(manager, **words):
    host = types.SimpleNamespace(services=manager)
    return service.ask({"kind": "service", "name": "nginx", **words}, host, SINCE)


@pytest.mark.parametrize(
    ("words", "found", "verdict"),
    [
        ({"state": "running"}, state(), "passed"),
        ({"state": "running"}, state("reloading"), "passed"),
        ({"state": "running"}, state("failed", result="exit-code"), "failed"),
        ({"state": "running"}, state("activating"), "failed"),
        ({"state": "running"}, state(known=False, active="inactive"), "failed"),
        ({"state": "stopped"}, state("inactive"), "passed"),
        ({"state": "stopped"}, state("failed"), "passed"),
        ({"state": "stopped"}, state(known=False, active="inactive"), "passed"),
        ({"state": "stopped"}, state("deactivating"), "failed"),
        ({"enabled": True}, state("inactive"), "passed"),
        ({"enabled": True}, state(enabled=False), "failed"),
        ({"enabled": False}, state(enabled=False), "passed"),
        ({"enabled": False}, state(), "failed"),
        ({"enabled": True}, state(enabled=None), "unknown"),
        ({"enabled": True}, state(known=False, active="inactive", enabled=None), "failed"),
        ({"state": "running", "enabled": True}, state(enabled=False), "failed"),
    ],
)
def test_service(clock, words, found, verdict):
    answer = ask_service(Manager(found), **words)
    assert answer.verdict == verdict
    assert (answer.reason is None) == (verdict == "passed")


def test_service_says_what_it_found(clock):
    answer = ask_service(
        Manager(state("failed", result="exit-code", enabled=False, main_pid=0)), state="running", enabled=True
    )
    assert (answer.needed, answer.found) == ("active, enabled", "failed, disabled, exit-code")


def test_a_manager_that_refuses(clock):
    answer = ask_service(Manager(trouble=ActionFailed(text("tidak menjawab", "no answer"))), state="running")
    assert (answer.verdict, answer.reason["en"]) == ("unknown", "no answer")


def test_a_service_old_enough_is_asked_once(clock):
    manager = Manager(state(active_for_s=2.0))
    assert ask_service(manager, state="running", stable_for_s=2).verdict == "passed"
    assert (manager.reads, clock.now) == (1, 0.0)


def test_a_young_service_is_watched(computer, clock):
    computer.start(10, "nginx")
    manager = Manager(state(active_for_s=0.5), state(active_for_s=2.1))
    assert ask_service(manager, state="running", stable_for_s=2).verdict == "passed"
    assert manager.reads == 2
    assert 1.5 <= clock.now < 1.7


@pytest.mark.parametrize(
    "later",
    [
        state("failed", main_pid=0, result="exit-code"),
        state("activating", main_pid=0),
        state(main_pid=11, restarts=1, active_for_s=0.1),
        state(main_pid=10, restarts=1, active_for_s=0.1),
    ],
)
def test_a_service_that_dies_while_watched(computer, clock, later):
    computer.start(10, "nginx")
    clock.events.append((0.3, lambda: computer.end(10)))
    answer = ask_service(Manager(state(active_for_s=0.0), later), state="running", stable_for_s=20)
    assert (answer.verdict, answer.final) == ("failed", True)
    assert clock.now < 0.6


def test_a_service_that_keeps_dying_is_watched_for_longer(computer, clock):
    computer.start(10, "nginx")
    loop = [state(active_for_s=3.0, restarts=4), state("activating", main_pid=0, restarts=4)]
    clock.events.append((1.0, lambda: computer.end(10)))
    assert ask_service(Manager(*loop), state="running", stable_for_s=2).verdict == "failed"
    assert clock.now < 1.3


def test_a_restart_of_before_the_run_does_not_count(clock):
    manager = Manager(state(active_for_s=86400.0, restarts=3))
    assert ask_service(manager, state="running", stable_for_s=2).verdict == "passed"
    assert clock.now == 0.0


# -- port -------------------------------------------------------------------------------------------------------------

HTTP = Socket("tcp", "0.0.0.0", 80, 501)
LOCAL = Socket("tcp", "127.0.0.1", 5432, 502)
DUAL = Socket("tcp", "::", 443, 503)
DNS = Socket("udp", "127.0.0.53", 53, 504)


def ask_port(number, sockets=(HTTP, LOCAL, DUAL, DNS), **words):
    host = types.SimpleNamespace(os="linux", listening=lambda: list(sockets))
    return port.ask({"kind": "port", "port": number, **words}, host, SINCE)


@pytest.mark.parametrize(
    ("number", "words", "verdict"),
    [
        (80, {}, "passed"),
        (80, {"address": "192.0.2.7"}, "passed"),
        (80, {"address": "0.0.0.0"}, "passed"),
        (80, {"address": "::1"}, "failed"),
        (443, {"address": "::1"}, "passed"),
        (443, {"address": "127.0.0.1"}, "passed"),
        (5432, {"address": "localhost"}, "passed"),
        (5432, {"address": "0.0.0.0"}, "failed"),
        (5432, {"address": "::ffff:127.0.0.1"}, "passed"),
        (53, {}, "failed"),
        (53, {"protocol": "udp"}, "passed"),
        (81, {}, "failed"),
        (81, {"state": "free"}, "passed"),
        (5432, {"state": "free", "address": "192.0.2.7"}, "passed"),
    ],
)
def test_port(number, words, verdict):
    assert ask_port(number, **words).verdict == verdict


@pytest.fixture
def owners(monkeypatch):
    """Holders by inode, as the kernel would tell."""
    known = {
        501: processes.Process(10, 1, "nginx", ["nginx: master"], "1"),
        502: processes.Process(11, 1, "postgres", [], "1"),
    }

    def holders(inodes, preferred=""):
        return {known[one].pid: known[one] for one in inodes if one in known}

    monkeypatch.setattr(processes, "holders", holders)
    return known


def test_whose_port(owners):
    answer = ask_port(80, process="nginx")
    assert (answer.verdict, answer.needed, answer.found) == ("passed", "80/tcp nginx", "0.0.0.0:80 nginx")
    answer = ask_port(80, process="apache2")
    assert (answer.verdict, answer.final) == ("failed", False)
    assert "nginx" in answer.reason["id"]


def test_whose_port_cannot_be_told(owners):
    assert ask_port(443, process="nginx").verdict == "unknown"


def test_a_port_that_is_taken(owners):
    answer = ask_port(80, state="free")
    assert (answer.verdict, answer.found) == ("failed", "0.0.0.0:80 nginx")


def test_sockets_that_cannot_be_listed():
    def refuse():
        raise PermissionError(13, "Permission denied")

    host = types.SimpleNamespace(os="linux", listening=refuse)
    for words in ({}, {"state": "free"}):
        answer = port.ask({"kind": "port", "port": 80, **words}, host, SINCE)
        assert (answer.verdict, answer.final) == ("unknown", True)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000001000000", "::1"),
        ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
    ],
)
def test_addresses_of_proc(written, meant):
    assert sockets.address_of(written) == meant  # as a little-endian computer writes them


def test_holders_are_found_by_their_descriptors(computer):
    computer.start(10, "nginx")
    computer.start(11, "cupsd")
    for pid, links in ((10, ["/dev/null", "socket:[501]"]), (11, ["socket:[502]"])):
        folder = computer.folder / str(pid) / "fd"
        folder.mkdir()
        for number, link in enumerate(links):
            (folder / str(number)).symlink_to(link)
    assert set(processes.holders({501})) == {10}
    assert set(processes.holders({501, 502})) == {10, 11}
    assert set(processes.holders({501, 502}, "cupsd")) == {11}
    assert set(processes.holders({502}, "nginx")) == {11}
    assert processes.holders({503}) == {}


# -- command and version ----------------------------------------------------------------------------------------------


class Programs:
    """A host whose programs all answer alike."""

    def __init__(self, code=0, out="", err="", trouble=None, packages=()):
        self.answer = (code, out, err)
        self.trouble = trouble
        self.asked = []
        self.known = dict(packages)

    def run(self, argv, **words):
        self.asked.append((argv, words))
        if self.trouble:
            raise self.trouble
        return Result(argv, *self.answer, 0.5)

    def packages(self):
        return self.known


MISSING = FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize(
    ("words", "host", "verdict"),
    [
        ({}, Programs(), "passed"),
        ({}, Programs(1), "failed"),
        ({"exit_code": 3}, Programs(3), "passed"),
        ({"exit_code": [0, 3]}, Programs(3), "passed"),
        ({"exit_code": 3}, Programs(0), "failed"),
        ({}, Programs(-9), "failed"),
        ({}, Programs(None), "failed"),
        ({}, Programs(trouble=MISSING), "failed"),
        ({"stdout_matches": r"^ok$"}, Programs(out="one\nok\ntwo\n"), "passed"),
        ({"stdout_matches": r"^ok$"}, Programs(err="ok\n"), "failed"),
        ({"stderr_matches": r"test is successful"}, Programs(err="nginx: test is successful\n"), "passed"),
        ({"stderr_matches": r"x"}, Programs(), "failed"),
        ({"contains": "successful"}, Programs(err="test is successful\n"), "passed"),
        ({"contains": "a.c"}, Programs(out="abc"), "failed"),
        ({"stdout_matches": "["}, Programs(), "unknown"),
    ],
)
def test_command(words, host, verdict):
    answer = command.ask({"kind": "command", "argv": ["nginx", "-t"], **words}, host, SINCE)
    assert answer.verdict == verdict
    assert (answer.reason is None) == (verdict == "passed")


def test_command_passes_on_what_it_is_told():
    host = Programs()
    command.ask({"kind": "command", "argv": ["x", "-y"], "timeout_s": 3, "environment": {"A": "b"}}, host, SINCE)
    assert host.asked == [(["x", "-y"], {"timeout_s": 3.0, "environment": {"A": "b"}, "directory": None})]


def test_command_shows_the_last_line():
    answer = command.ask({"kind": "command", "argv": ["x"]}, Programs(1, err="first\n[emerg] no such file\n"), SINCE)
    assert answer.found == "exit 1, “[emerg] no such file”"
    assert "emerg" in answer.reason["id"]
    answer = command.ask({"kind": "command", "argv": ["x"], "timeout_s": 5}, Programs(None), SINCE)
    assert "5 s" in answer.reason["en"]


@pytest.mark.parametrize(
    ("words", "host", "verdict", "found"),
    [
        ({"equals": "1.22.1"}, Programs(err="nginx version: nginx/1.22.1\n"), "passed", "1.22.1"),
        ({"equals": "1.22"}, Programs(err="nginx version: nginx/1.22.1\n"), "failed", "1.22.1"),
        ({"equals": "1.22.1.0"}, Programs(err="nginx version: nginx/1.22.1\n"), "passed", "1.22.1"),
        ({"range": ">=1.20,<2"}, Programs(1, out="nginx/1.22.1"), "passed", "1.22.1"),
        ({"range": ">=1.9"}, Programs(out="nginx/1.10"), "passed", "1.10"),
        ({"range": ">=2"}, Programs(out="nginx/1.22.1"), "failed", "1.22.1"),
        ({"equals": "1"}, Programs(out="no version here"), "failed", "-"),
        ({"equals": "1"}, Programs(trouble=MISSING), "failed", "-"),
        ({"equals": "1"}, Programs(None), "failed", "-"),
        ({"equals": "1", "pattern": "("}, Programs(out="1"), "unknown", "?"),
        ({"equals": "main", "pattern": "on (.*)"}, Programs(out="on main\n"), "passed", "main"),
        ({"range": ">=1", "pattern": "on (.*)"}, Programs(out="on main\n"), "unknown", "main"),
    ],
)
def test_version_of_a_program(words, host, verdict, found):
    spec = {"kind": "version", "argv": ["nginx", "-v"], "pattern": r"nginx/([\d.]+)", **words}
    answer = version.ask(spec, host, SINCE)
    assert (answer.verdict, answer.found) == (verdict, found)


def test_a_version_is_found_without_a_pattern():
    host = Programs(out="OpenSSL 3.0.15 3 Sep 2024\n")
    assert (
        version.ask({"kind": "version", "argv": ["openssl", "version"], "equals": "3.0.15"}, host, SINCE).verdict
        == "passed"
    )


def package(number, status="installed"):
    return Programs(packages={"nginx": Package(number, status, "amd64")})


@pytest.mark.parametrize(
    ("words", "host", "verdict"),
    [
        ({"equals": "1.22.1-9+deb12u1"}, package("1.22.1-9+deb12u1"), "passed"),
        ({"equals": "1.22.1-9"}, package("1.22.1-9+deb12u1"), "failed"),
        ({"equals": "1.22.1"}, package("1.22.1-9+deb12u1"), "passed"),
        ({"equals": "1.22.1"}, package("1:1.22.1-9"), "passed"),
        ({"equals": "2:1.22.1"}, package("1:1.22.1-9"), "failed"),
        ({"equals": "1.22"}, package("1.22.1-9"), "failed"),
        ({"range": ">=1.22,<1.23"}, package("1.22.1-9"), "passed"),
        ({"range": "<=1.22.1"}, package("1.22.1-9"), "passed"),
        ({"range": ">=1.22.1-10"}, package("1.22.1-9"), "failed"),
        ({"range": "<1.0"}, package("1.0~rc1-1"), "passed"),
        ({"range": ">=1"}, package("1.22.1-9", "config-files"), "failed"),
        ({"range": ">=1"}, package("1.22.1-9", "half-configured"), "failed"),
        ({"range": ">=1"}, Programs(), "failed"),
    ],
)
def test_version_of_a_package(words, host, verdict):
    assert version.ask({"kind": "version", "package": "nginx", **words}, host, SINCE).verdict == verdict


# -- patterns ---------------------------------------------------------------------------------------------------------


def test_only_the_end_of_a_text_is_searched():
    content = "early" + "x" * patterns.TEXT_LIMIT
    assert patterns.search("early", content) is None
    assert patterns.search("x$", content) is not None


@pytest.mark.parametrize("pattern", ["(", "*", "(?P<a", "[z-a]"])
def test_not_a_pattern(pattern):
    with pytest.raises(patterns.PatternTrouble, match=re.escape(pattern)):
        patterns.search(pattern, "x")


def test_a_value_that_fits_a_table():
    assert patterns.short("a\n  b") == "“a b”"
    assert len(patterns.short("y" * 500)) < 90
