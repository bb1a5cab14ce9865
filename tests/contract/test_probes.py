"""The probes against real processes, sockets, programs and locks of this computer."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from agent.host import sockets, this_host
from agent.host.locks import holder_among
from agent.host.processes import holders, of_deleted_programs, process_of, processes
from agent.probes import CannotTell, patterns, probe
from agent.redact import NOTHING
from agent.requirements import busy, counted

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def host(tmp_path):
    return this_host(str(tmp_path))


@pytest.fixture
def since():
    return {"at": time.time(), "logs": {}}


@contextlib.contextmanager
def program(source, *arguments):
    """A Python program of ours, ended afterwards; it has written its first line when this begins."""
    child = subprocess.Popen([sys.executable, "-c", source, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        line = child.stdout.readline()
        yield child, line.strip()
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


WAIT = "import sys, time; print('up', flush=True); time.sleep(float(sys.argv[1]))"
LISTEN = """
import socket, sys, time
one = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, getattr(socket, sys.argv[2]))
one.bind((sys.argv[1], 0))
sys.argv[2] == 'SOCK_STREAM' and one.listen()
print(one.getsockname()[1], flush=True)
time.sleep(60)
"""
LOCK = """
import fcntl, os, sys, time
one = os.open(sys.argv[1], os.O_RDWR)
fcntl.lockf(one, fcntl.LOCK_EX)
print('held', flush=True)
time.sleep(60)
"""


GUEST = """
mount -t tmpfs guest "$1" && mkdir "$1/usr" && mount --bind /usr "$1/usr" || exit 1
for each in /bin /lib /lib64; do [ ! -e "$each" ] || cp -a "$each" "$1/"; done
cp /usr/bin/sleep "$1/tamu" && exec chroot "$1" /tamu "$2"
"""


@contextlib.contextmanager
def guest(folder, seconds, *namespaces):
    """``tamu``, with a root folder of its own and in namespaces of its own, as in a container; its number here."""
    words = ["unshare", *namespaces, "--", "sh", "-c", GUEST, "sh", str(folder), seconds]
    child = subprocess.Popen(words, start_new_session=True)
    try:
        deadline = time.monotonic() + 10
        while not (found := [p.pid for p in processes(everywhere=True) if p.argv == ["/tamu", seconds]]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield found[0]
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


# -- process ----------------------------------------------------------------------------------------------------------


def test_a_process_that_runs_and_ends(host, since):
    spec = {"kind": "process", "cmdline": r" 61\.25$"}
    with program(WAIT, "61.25") as (child, _):
        row = probe(spec, host, since)
        assert row["verdict"] == "passed"
        assert str(child.pid) in row["found"]
        assert probe({**spec, "user": str(os.geteuid())}, host, since)["verdict"] == "passed"
        assert probe({**spec, "user": "65533"}, host, since)["verdict"] == "failed"
        assert probe({**spec, "count": {"at_most": 0}}, host, since)["verdict"] == "failed"
    assert probe(spec, host, since)["verdict"] == "failed"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces: root only")
def test_what_runs_in_a_container_is_not_this_computers(host, since, tmp_path):
    spec = {"kind": "process", "cmdline": r"/tamu 6\d\.75$"}
    with guest(tmp_path, "61.75", "--mount", "--pid", "--fork") as number:
        os.unlink(f"/proc/{number}/root/tamu")
        assert process_of(number) is not None
        assert probe(spec, host, since)["verdict"] == "failed"
        assert "/tamu" not in of_deleted_programs()
        assert counted(["tamu"]) == {"tamu": 0}
    with guest(tmp_path, "62.75", "--mount") as number:  # a daemon that was moved into a folder is no container
        os.unlink(f"/proc/{number}/root/tamu")
        assert probe(spec, host, since)["verdict"] == "passed"
        assert counted(["tamu"]) == {"tamu": 1}
        assert [path for path in of_deleted_programs() if path.endswith("/tamu")]


def test_a_process_nobody_waited_for_does_not_run(host, since):
    child = subprocess.Popen([sys.executable, "-c", "", "zombie-7531"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_of(child.pid) is None
        assert probe({"kind": "process", "cmdline": "zombie-7531"}, host, since)["verdict"] == "failed"
    finally:
        child.wait()


def test_a_process_that_lives_long_enough(host, since):
    with program(WAIT, "62.25"):
        row = probe({"kind": "process", "cmdline": r" 62\.25$", "stable_for_s": 0.4}, host, since)
    assert row["verdict"] == "passed"


def test_a_process_that_does_not(host, since):
    with program(WAIT, "0.2625"):
        row = probe({"kind": "process", "cmdline": r" 0\.2625$", "stable_for_s": 30}, host, since)
    assert row["verdict"] == "failed"
    assert row["seconds"] < 5


def test_within_waits_for_what_comes_later(host, since, tmp_path):
    path = tmp_path / "ready"
    source = (
        "import sys, time; print('up', flush=True); time.sleep(0.2); open(sys.argv[1], 'w').close(); time.sleep(60)"
    )
    with program(source, str(path)):
        assert probe({"kind": "file", "path": str(path)}, host, since)["verdict"] == "failed"
        row = probe({"kind": "file", "path": str(path), "within_s": 20}, host, since)
    assert row["verdict"] == "passed"
    assert row["attempts"] > 1


# -- port -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "kind", "protocol"),
    [("127.0.0.1", "SOCK_STREAM", "tcp"), ("127.0.0.1", "SOCK_DGRAM", "udp"), ("::1", "SOCK_STREAM", "tcp")],
)
def test_a_port_and_who_holds_it(host, since, address, kind, protocol):
    with program(LISTEN, address, kind) as (child, number):
        spec = {"kind": "port", "port": int(number), "protocol": protocol}
        name = process_of(child.pid).name
        row = probe({**spec, "process": name}, host, since)
        assert row["verdict"] == "passed"
        assert name in row["found"]
        assert f"{number}" in row["found"]
        assert probe({**spec, "process": "nginx"}, host, since)["verdict"] == "failed"
        assert probe({**spec, "address": address}, host, since)["verdict"] == "passed"
        assert probe({**spec, "address": "192.0.2.1"}, host, since)["verdict"] == "failed"
        taken = probe({**spec, "state": "free"}, host, since)
        assert taken["verdict"] == "failed"
        assert name in taken["found"]
        inode = {one.inode for one in host.listening() if one.port == int(number)}
        assert set(holders(inode)) == {child.pid}
    assert probe({**spec, "state": "free", "within_s": 5}, host, since)["verdict"] == "passed"
    assert probe(spec, host, since)["verdict"] == "failed"


def test_both_ways_to_list_sockets_agree(monkeypatch):
    with program(LISTEN, "127.0.0.1", "SOCK_STREAM") as (_, one), program(LISTEN, "::1", "SOCK_DGRAM") as (_, other):
        asked = set(sockets.listening())

        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(sockets, "diagnosed", refuse)
        read = set(sockets.listening())
    ours = {("tcp", "127.0.0.1", int(one)), ("udp", "::1", int(other))}
    assert ours <= {row[:3] for row in asked}
    assert ours <= {row[:3] for row in read}
    assert {row for row in asked if row[:3] in ours} == {row for row in read if row[:3] in ours}
    monkeypatch.setattr(sockets, "TABLES", dict.fromkeys(sockets.TABLES, "/nowhere"))
    with pytest.raises(OSError, match="nowhere"):
        sockets.listening()


# -- command ----------------------------------------------------------------------------------------------------------


def test_a_command_that_hangs_is_stopped_with_its_children(host, since, tmp_path):
    note = tmp_path / "child"
    source = (
        "import subprocess, sys, time; child = subprocess.Popen(['sleep', '63.25']);"
        "open(sys.argv[1], 'w').write(str(child.pid)); time.sleep(60)"
    )
    row = probe({"kind": "command", "argv": [sys.executable, "-c", source, str(note)], "timeout_s": 1.5}, host, since)
    assert row["verdict"] == "failed"
    assert "1.5" in row["reason"]["en"]
    gone = time.monotonic() + 5
    while process_of(int(note.read_text())) and time.monotonic() < gone:
        time.sleep(0.02)
    assert process_of(int(note.read_text())) is None


def test_a_command_that_is_not_there(host, since):
    row = probe({"kind": "command", "argv": ["no-such-program-here"]}, host, since)
    assert row["verdict"] == "failed"
    assert "no-such-program-here" in row["reason"]["id"]


def test_no_shell_reads_the_arguments(host, since):
    row = probe({"kind": "command", "argv": ["echo", "$HOME; ls"], "stdout_matches": r"^\$HOME; ls$"}, host, since)
    assert row["verdict"] == "passed"


def test_a_version(host, since):
    wanted = ".".join(map(str, sys.version_info[:3]))
    spec = {"kind": "version", "argv": [sys.executable, "--version"], "pattern": r"Python ([\d.]+)"}
    assert probe({**spec, "equals": wanted}, host, since)["verdict"] == "passed"
    assert probe({**spec, "range": ">=3.8,<4"}, host, since)["verdict"] == "passed"
    assert probe({**spec, "range": ">=4"}, host, since)["verdict"] == "failed"


def test_a_catastrophic_pattern_is_stopped(monkeypatch):
    began = time.monotonic()
    with pytest.raises(CannotTell, match="more simply"):
        patterns.search(r"^(a+)+$", "a" * 64 + "b", patience_s=0.2)
    assert time.monotonic() - began < 3
    assert patterns.search(r"^b$", "a\nb\nc") is not None  # and the timer does not go off later
    time.sleep(0.3)


def test_patterns_off_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(patterns.search("b", "abc")))
    thread.start()
    thread.join()
    assert found[0].group(0) == "b"


# -- the package manager's locks --------------------------------------------------------------------------------------


@pytest.fixture
def locks(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    path.write_text("")
    monkeypatch.setattr(busy, "LOCKS", (str(tmp_path / "never-used"), str(path)))
    return str(path)


def test_a_lock_that_is_only_a_file(locks):
    assert busy.package_manager_holder(NOTHING) is None


def test_a_lock_that_is_held(locks):
    with program(LOCK, locks) as (child, _):
        who = f"{NOTHING.head(' '.join(child.args), 80)} (pid {child.pid})"
        assert busy.package_manager_holder(NOTHING) == who
        # Asking took no lock and gave none back.
        assert busy.package_manager_holder(NOTHING) is not None
        # As somebody who may not open it, by the kernel's list.
        assert holder_among({os.stat(locks).st_ino}, NOTHING) == who
    assert busy.package_manager_holder(NOTHING) is None
    assert holder_among({os.stat(locks).st_ino}, NOTHING) is None


def test_asking_does_not_lose_our_own_lock(locks):
    with open(locks, "r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert busy.package_manager_holder(NOTHING) is None  # our own is no obstacle to us


# -- http -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server(answer, *, context=None, pause_s=0.0, family=socket.AF_INET):
    """A server of one answer at a port of its own; yields the port and what it was asked."""
    asked = []
    with socket.socket(family) as door:
        door.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        door.listen()

        def serve():
            while True:
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                with line, contextlib.suppress(OSError):
                    if context:
                        line = context.wrap_socket(line, server_side=True)
                    asked.append(line.recv(65536))
                    for piece in answer if isinstance(answer, list) else [answer]:
                        line.sendall(piece)
                        time.sleep(pause_s)
                    if context:
                        line.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield door.getsockname()[1], asked
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join(5)


OK = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 16\r\n\r\nWelcome to nginx"


def test_http(host, since):
    with server(OK) as (number, asked):
        spec = {"kind": "http", "url": f"http://127.0.0.1:{number}/a?b=c", "status": 200, "contains": "nginx"}
        row = probe(spec, host, since)
        assert row["verdict"] == "passed"
        assert (
            probe({**spec, "headers": {"Server": r"nginx/1\.22"}, "matches": "^Welcome"}, host, since)["verdict"]
            == "passed"
        )
        assert probe({**spec, "status": 204}, host, since)["verdict"] == "failed"
        assert probe({**spec, "contains": "apache"}, host, since)["verdict"] == "failed"
        assert probe({**spec, "url": f"http://localhost:{number}/"}, host, since)["verdict"] == "passed"
    head = asked[0].decode().split("\r\n")
    assert head[0] == "GET /a?b=c HTTP/1.1"
    assert f"Host: 127.0.0.1:{number}" in head
    assert "Connection: close" in head


def test_http_over_ipv6(host, since):
    with server(OK, family=socket.AF_INET6) as (number, asked):
        assert probe({"kind": "http", "url": f"http://[::1]:{number}/"}, host, since)["verdict"] == "passed"
    assert f"Host: [::1]:{number}".encode() in asked[0]


def test_http_in_pieces(host, since):
    body = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{"up": \r\n5\r\ntrue}\r\n0\r\n\r\n'
    with server([body[i : i + 7] for i in range(0, len(body), 7)], pause_s=0.002) as (number, _):
        row = probe({"kind": "http", "url": f"http://127.0.0.1:{number}/", "json": {"up": True}}, host, since)
    assert row["verdict"] == "passed"


@pytest.mark.parametrize(
    ("answer", "pause_s"),
    [
        ([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 200], 0.05),
        ([b"", b""], 0.7),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1"] + [b""] * 2, 0.7),
    ],
)
def test_http_from_a_server_that_dawdles(host, since, answer, pause_s):
    began = time.monotonic()
    with server(answer, pause_s=pause_s) as (number, _):
        row = probe({"kind": "http", "url": f"http://127.0.0.1:{number}/", "timeout_s": 0.3}, host, since)
        seconds = time.monotonic() - began
    assert row["verdict"] == "failed"
    assert "0.3" in row["reason"]["en"]
    assert seconds < 2


def test_http_where_nobody_is(host, since):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        row = probe({"kind": "http", "url": url, "within_s": 0.3}, host, since)
    assert row["verdict"] == "failed"
    assert row["attempts"] > 2
    assert "refused" in row["reason"]["en"]
    row = probe({"kind": "http", "url": "http://no-such-host.invalid/"}, host, since)
    assert row["verdict"] == "failed"


def test_http_with_a_wrong_address_asks_once(host, since):
    row = probe({"kind": "http", "url": "ftp://127.0.0.1/", "within_s": 30}, host, since)
    assert (row["verdict"], row["attempts"]) == ("failed", 1)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1, signed by itself."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pc1.example.invalid")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


def test_https(host, since, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with server(OK, context=context) as (number, _):
        spec = {"kind": "http", "url": f"https://127.0.0.1:{number}/", "contains": "nginx"}
        row = probe(spec, host, since)
        assert row["verdict"] == "failed"
        assert "not trusted" in row["reason"]["en"]
        assert probe({**spec, "ca_file": str(certificate / "cert.pem")}, host, since)["verdict"] == "passed"
        assert probe({**spec, "insecure": True}, host, since)["verdict"] == "passed"
        other = {**spec, "url": f"https://localhost:{number}/", "ca_file": str(certificate / "cert.pem")}
        assert probe(other, host, since)["verdict"] == "failed"  # trusted, but not for this name
        row = probe({**spec, "ca_file": "/nowhere/ca.pem", "within_s": 5}, host, since)
        assert (row["verdict"], row["attempts"]) == ("failed", 1)
        assert "/nowhere/ca.pem" in row["reason"]["en"]


def test_https_where_http_is_spoken(host, since):
    with server(OK) as (number, _):
        row = probe({"kind": "http", "url": f"https://127.0.0.1:{number}/", "insecure": True}, host, since)
    assert row["verdict"] == "failed"


def test_plain_http_loads_no_mail_parser_and_no_tls(tmp_path):
    """What ``agent/http1.py`` is there for; a computer pays for every module."""
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]); from agent.probes import probe;"
        "from agent.host import this_host;"
        "row = probe({'kind': 'http', 'url': 'http://127.0.0.1:1/'}, this_host('/tidak/ada'), {'at': 0});"
        "heavy = {'ssl', 'http.client', 'urllib.request', 'urllib.parse', 'email', 'psutil', 'encodings.idna'};"
        "print(row['verdict'], *sorted(heavy & set(sys.modules)))"
    )
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", source, folder], capture_output=True, text=True, timeout=30
    )
    assert (result.stdout.strip(), result.stderr) == ("failed", "")
