"""Who waits at a port: asked of sockets and of a /proc made of files."""

from __future__ import annotations

import types

import pytest

from agent.host import processes, sockets
from agent.host.sockets import Socket
from agent.probes import asked, port
from tests.unit.probing import SINCE

HTTP = Socket("tcp", "0.0.0.0", 80, 501)
LOCAL = Socket("tcp", "127.0.0.1", 5432, 502)
DUAL = Socket("tcp", "::", 443, 503)
DNS = Socket("udp", "127.0.0.53", 53, 504)


def ask_port(number, sockets=(HTTP, LOCAL, DUAL, DNS), **words):
    host = types.SimpleNamespace(os="linux", listening=lambda: list(sockets))
    return asked(port, {"kind": "port", "port": number, **words}, host, SINCE)


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
    assert (answer.verdict, answer.found) == ("passed", "0.0.0.0:80 nginx")
    assert port.needed({"port": 80, "process": "nginx"}) == "80/tcp nginx"
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
        answer = asked(port, {"kind": "port", "port": 80, **words}, host, SINCE)
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
