"""SSH against OpenSSH's own server: whom we believe, how we are let in, how we are not, and on which lines."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import MARK
from controller.errors import AccessRefused, HostKeyError, LineLost, Unreachable
from controller.settings import Secret
from controller.transport import boot, connect, transport_to
from controller.transport.ssh import fetch_host_key, trust
from tests.contract.transports import PASSWORDS, Line, Server, free_port, make_key, realm, sshd

STAGE = b"import os,sys\nsys.stdout.write('%d %s\\n'%(os.getuid(),i.readline().decode().strip()))\n"
JOB = MARK + b'{"stage":%d}\n' % len(STAGE) + STAGE + b"halo\n"
NOT_ROOT = os.geteuid() != 0


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if NOT_ROOT:
        pytest.skip("needs root: an sshd with people of its own lives in a mount namespace")
    with realm(tmp_path_factory.mktemp("realm")) as made:
        yield made


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    made = Line(server.port)
    server.trust(made.port)
    yield made
    made.close()


def answer(server: Server, **changes: Any) -> bytes:
    with boot(server.connection(**changes), options=server.options()) as channel:
        channel.write(JOB)
        return channel.read_line(20)


# Whom we believe


def test_an_unknown_key_is_shown_and_not_taken(server: Server, tmp_path: Path) -> None:
    options = server.options(known_hosts=tmp_path / "known_hosts")
    with pytest.raises(HostKeyError) as caught:
        connect(server.connection(), options=options)
    printed = subprocess.run(["ssh-keygen", "-lf", f"{server.folder}/host.pub"], stdout=subprocess.PIPE, check=True)
    assert printed.stdout.decode().split()[1] in caught.value.say("id")
    assert "pasang hosts trust" in caught.value.say("en")
    assert not (tmp_path / "known_hosts").exists()


def test_a_fetched_key_is_trusted_and_then_known(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "home" / "known_hosts"
    key = fetch_host_key(server.connection(), options=server.options(known_hosts=path))
    trust([key], path)
    with connect(server.connection(), options=server.options(known_hosts=path)) as transport:
        assert transport.describe()["host_key"] == key.fingerprint


def test_a_changed_key_is_refused_until_it_is_trusted_anew(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text().split()
    path.write_text(f"[127.0.0.1]:{server.port} {other[0]} {other[1]}\n")
    with pytest.raises(HostKeyError) as caught:
        connect(server.connection(), options=server.options(known_hosts=path))
    assert "CHANGED" in caught.value.say("en")
    trust([fetch_host_key(server.connection())], path)
    connect(server.connection(), options=server.options(known_hosts=path)).close()
    assert len(path.read_text().splitlines()) == 1


def test_the_key_type_that_is_known_is_asked_for(tmp_path: Path) -> None:
    ecdsa = make_key(tmp_path / "ecdsa", kind="ecdsa")
    rsa = make_key(tmp_path / "rsa", kind="rsa")
    (tmp_path / "sshd").mkdir()
    with sshd(tmp_path / "sshd", config=f"HostKey {ecdsa}\nHostKey {rsa}") as server:
        for key in (ecdsa, rsa):
            server.known_hosts.write_text("")
            server.trust(server.port, key=key.with_suffix(".pub"))
            printed = subprocess.run(["ssh-keygen", "-lf", key], capture_output=True, text=True, check=True).stdout
            with connect(server.connection(), options=server.options()) as transport:
                assert transport.describe()["host_key"] == printed.split()[1]


def test_openssh_itself_writes_the_files_we_read(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "known_hosts"
    path.write_text(server.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-Hf", str(path)], check=True, capture_output=True)
    assert "127.0.0.1" not in path.read_text()
    connect(server.connection(), options=server.options(known_hosts=path)).close()


@pytest.mark.parametrize(
    "changes",
    [{"host_key_checking": False}, {"extra": {"ansible_ssh_common_args": "-o StrictHostKeyChecking=no"}}],
)
def test_unchecked_only_where_the_inventory_says_so_and_it_shows(
    server: Server, tmp_path: Path, changes: dict[str, Any]
) -> None:
    with connect(server.connection(**changes), options=server.options(known_hosts=tmp_path / "none")) as transport:
        assert transport.describe()["host_key"].endswith("(not checked)")


# How we are let in


def test_the_agent_and_an_encrypted_key_it_holds(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path / "key", passphrase="kata-kunci")
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    assert answer(server, private_key_file=str(key), extra={"ansible_ssh_private_key_passphrase": Secret("kata-kunci")})
    with pytest.raises(AccessRefused) as caught:
        answer(server, private_key_file=str(key))
    assert "passphrase" in caught.value.say("en")
    ask = tmp_path / "ask"
    ask.write_text("#!/bin/sh\necho kata-kunci\n")
    ask.chmod(0o700)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "s")], stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "s").exists():
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "s"))
        environment = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, stdin=subprocess.DEVNULL)
        assert answer(server, private_key_file=str(key)).endswith(b"halo\n")
        assert answer(server, private_key_file=None).endswith(b"halo\n")
    finally:
        agent.terminate()
        agent.wait()


def test_a_wrong_key_names_what_was_tried(server: Server, tmp_path: Path) -> None:
    with pytest.raises(AccessRefused) as caught:
        connect(server.connection(private_key_file=str(make_key(tmp_path / "stray"))), options=server.options())
    said = caught.value.say("en")
    assert "publickey" in said
    assert "stray" in said


def test_the_second_key_is_tried_after_the_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    make_key(tmp_path / ".ssh" / "id_ed25519")
    (tmp_path / ".ssh" / "config").write_text(
        f"Host loket\n  HostName 127.0.0.1\n  Port {server.port}\n"
        f"  IdentityFile ~/.ssh/id_ed25519\n  IdentityFile {server.key}\n"
    )
    assert answer(server, address="loket", port=None, private_key_file=None).endswith(b"halo\n")


def test_jump_hosts_are_believed_no_more_than_targets(server: Server, tmp_path: Path) -> None:
    (tmp_path / "jump").mkdir()
    with sshd(tmp_path / "jump") as jump:
        with (jump.folder / "authorized_keys").open("a") as file:
            file.write(Path(server.key + ".pub").read_text())
        extra = {"ansible_ssh_common_args": f"-J 127.0.0.1:{jump.port}"}
        with pytest.raises(HostKeyError):
            answer(server, extra=extra)
        server.trust(jump.port, key=jump.folder / "host.pub")
        assert answer(server, extra=extra).endswith(b"halo\n")
        near = Line(jump.port)
        server.trust(near.port, key=jump.folder / "host.pub")
        options = server.options()
        extra = {"ansible_ssh_common_args": f"-J 127.0.0.1:{near.port}"}
        for _ in range(2):
            behind = [connect(server.connection(extra=extra), options=options) for _ in range(3)]
            for transport in behind:
                transport.close()
        assert near.connections == 2  # one for all that are there at a time
        near.close()
        ssh = f"ssh -F none -i {server.key} -o UserKnownHostsFile={server.known_hosts} -p {jump.port} 127.0.0.1"
        assert answer(server, extra={"ansible_ssh_common_args": f'-o ProxyCommand="{ssh} -W %h:%p"'}).endswith(
            b"halo\n"
        )


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys(server: Server, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "key", kind=kind)
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    assert answer(server, private_key_file=str(key)).endswith(b"halo\n")


def test_a_server_that_is_not_known_to_count_from_zero_is_asked_step_by_step(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.transport.ssh.session._KNOWN_TO_START_AT_ZERO", ("SSH-2.0-Lain",))
    with boot(server.connection(), options=server.options()) as channel:
        channel.write(JOB)
        assert channel.read_line(20).endswith(b"halo\n")
        assert channel.round_trips == 7


def test_one_connection_carries_several_channels(server: Server) -> None:
    transport = transport_to(server.connection(), options=server.options())
    with transport:
        transport.connect("echo satu; cat")
        channels = [transport.open(f"echo {word}; cat") for word in ("satu", "dua", "satu")]
        assert [channel.read_line(10) for channel in channels] == [b"satu\n", b"dua\n", b"satu\n"]
        assert transport.round_trips == 4 + 2 + 2


def test_the_gate_is_held_only_while_connecting(server: Server) -> None:
    gate = threading.BoundedSemaphore(1)
    transports = [connect(server.connection(), options=server.options(gate=gate)) for _ in range(3)]
    assert gate.acquire(blocking=False)
    for transport in transports:
        transport.close()


# People with passwords


@pytest.mark.parametrize("user", ["operator", "tamu"])
def test_a_password_lets_in(people: Server, user: str) -> None:
    changes = {"user": user, "private_key_file": None, "password": Secret(PASSWORDS[user])}
    assert answer(people, **changes).endswith(b"halo\n")


def test_questions_are_answered_with_the_password(tmp_path: Path) -> None:
    if NOT_ROOT:
        pytest.skip("needs root: an sshd with people of its own lives in a mount namespace")
    with realm(tmp_path, config="PasswordAuthentication no") as server:
        changes = {"user": "operator", "private_key_file": None, "password": Secret(PASSWORDS["operator"])}
        assert answer(server, **changes).endswith(b"halo\n")


def test_a_key_and_a_password_where_both_are_wanted(tmp_path: Path) -> None:
    if NOT_ROOT:
        pytest.skip("needs root: an sshd with people of its own lives in a mount namespace")
    with realm(tmp_path, config="AuthenticationMethods publickey,password") as server:
        assert answer(server, user="operator", password=Secret(PASSWORDS["operator"])).endswith(b"halo\n")
        with pytest.raises(AccessRefused) as caught:
            answer(server, user="operator")
        assert "password" in caught.value.say("en")


def test_a_wrong_password_is_refused_and_not_shown(people: Server) -> None:
    with pytest.raises(AccessRefused) as caught:
        answer(people, user="operator", private_key_file=None, password=Secret("Salah-1"))
    assert "password" in caught.value.say("en")
    assert "Salah-1" not in caught.value.say("en")


def test_sudo_without_a_password(people: Server) -> None:
    assert answer(people, user="petugas", become=True) == b"0 halo\n"
    assert answer(people, user="petugas", become=True, become_user="tamu") == b"4203 halo\n"
    assert answer(people, user="petugas", become=True, become_password=Secret("tidak diminta")) == b"0 halo\n"


def test_sudo_with_a_password(people: Server) -> None:
    assert answer(people, user="operator", become=True, become_password=Secret(PASSWORDS["operator"])) == b"0 halo\n"


def test_sudo_refuses_a_wrong_password_and_is_told_nothing_else(people: Server) -> None:
    with pytest.raises(AccessRefused) as caught:
        answer(people, user="operator", become=True, become_password=Secret("Salah-2"))
    assert "ansible_become_password" in caught.value.say("id")
    assert "Salah-2" not in caught.value.say("en")


@pytest.mark.parametrize(
    ("user", "password", "word"),
    [
        ("operator", None, "wants a password"),
        ("tamu", PASSWORDS["tamu"], "may not use sudo"),
        ("tertutup", None, "login shell"),
    ],
)
def test_sudo_says_why_not(people: Server, user: str, password: str | None, word: str) -> None:
    with pytest.raises(AccessRefused) as caught:
        answer(people, user=user, become=True, become_password=Secret(password) if password else None)
    assert word in caught.value.say("en")


# Lines


def test_nobody_listens(server: Server) -> None:
    with pytest.raises(Unreachable) as caught:
        connect(server.connection(port=free_port()), options=server.options())
    assert "refused" in caught.value.say("en")


def test_a_name_nobody_knows(server: Server) -> None:
    with pytest.raises(Unreachable) as caught:
        connect(server.connection(address="tidak-ada.example.invalid"), options=server.options())
    assert "name" in caught.value.say("en")


def test_nothing_answers(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            connect(server.connection(port=port, timeout_s=0.3), options=server.options(total_timeout_s=0.5))
        assert time.monotonic() - began < 2
        assert "no answer" in caught.value.say("en")
        for one in held:
            one.close()


@pytest.mark.parametrize(("greeting", "word"), [(b"", "before greeting"), (b"HTTP/1.1 400 Bad\r\n" * 200, "not SSH")])
def test_something_else_answers(server: Server, greeting: bytes, word: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def serve() -> None:
            while True:
                try:
                    visitor, _ = other.accept()
                except OSError:
                    return
                visitor.sendall(greeting)
                visitor.close()

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(Unreachable) as caught:
            connect(server.connection(port=other.getsockname()[1]), options=server.options(total_timeout_s=0.3))
        other.shutdown(socket.SHUT_RDWR)
    assert word in caught.value.say("en")


def test_a_busy_sshd_is_asked_again(server: Server, line: Line) -> None:
    line.refuse_first = 2
    assert answer(server, port=line.port).endswith(b"halo\n")
    assert line.connections == 3


def test_a_line_that_goes_dead_is_lost_in_time(server: Server, line: Line) -> None:
    options = server.options(dead_after_s=0.4)
    with connect(server.connection(port=line.port), options=options) as transport, transport.open("cat") as channel:
        channel.write(b"hidup\n")
        assert channel.read_line(10) == b"hidup\n"
        time.sleep(1.0)
        channel.write(b"masih\n")
        assert channel.read_line(10) == b"masih\n"
        line.frozen.set()
        began = time.monotonic()
        with pytest.raises(LineLost):
            channel.read_line(30)
        assert time.monotonic() - began < 4


def test_a_line_that_takes_nothing_more_is_lost_in_time(server: Server, line: Line) -> None:
    """Whoever stands in between takes what the server never gets: the kernel sees nothing wrong."""
    options = server.options(dead_after_s=0.9)
    with connect(server.connection(port=line.port), options=options) as transport, transport.open("cat") as channel:
        channel.write(b"hidup\n")
        assert channel.read_line(10) == b"hidup\n"
        line.frozen.set()
        began = time.monotonic()
        with pytest.raises(LineLost):
            channel.write(bytes(16 * 1024 * 1024))
        assert time.monotonic() - began < 4.5


def test_a_program_that_takes_nothing_for_long_is_waited_for(server: Server, line: Line) -> None:
    options = server.options(dead_after_s=0.3)
    data = bytes(8 * 1024 * 1024)
    with connect(server.connection(port=line.port), options=options) as transport:
        channel = transport.open("sleep 2; wc -c")
        channel.write(data)
        channel.close_write()
        assert int(channel.read_line(20)) == len(data)


def test_it_takes_five_round_trips_until_the_first_answer(server: Server) -> None:
    turns = []
    for _ in range(5):  # the most frequent: where this computer is busy, a word may come too late for its turn
        line = Line(server.port, delay_s=0.05)
        server.trust(line.port)
        with boot(server.connection(port=line.port), options=server.options()) as channel:
            channel.write(JOB)
            channel.read_line(20)
            turns.append(line.turns[1])
            assert channel.round_trips == 5
        line.close()
    assert statistics.mode(turns) == 4  # and TCP's own, for which the forwarder answers
