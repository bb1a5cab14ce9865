"""What the contract of the transports is held against: private sshds on loopback, a slow line, and a fake."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.settings import Secret
from controller.transport import Options

PASSWORDS = {"operator": "Rahasia-Pak 7", "tamu": "tamu-tamu-1"}


@dataclass(frozen=True)
class Connection:
    """As the inventory makes it."""

    kind: str
    address: str = "127.0.0.1"
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    private_key_file: str | None = None
    host_key_checking: bool = True
    timeout_s: float | None = None
    become: bool = False
    become_user: str = "root"
    become_method: str = "sudo"
    become_password: Secret | None = None
    python: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Server:
    """A private sshd of OpenSSH's."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def key(self) -> str:
        return str(self.folder / "user")

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def options(self, **changes: Any) -> Options:
        return Options(**{"known_hosts": self.known_hosts, "answer_timeout_s": 10.0, "total_timeout_s": 5.0, **changes})

    def connection(self, **changes: Any) -> Connection:
        return Connection(**{"kind": "ssh", "port": self.port, "private_key_file": self.key, **changes})

    def trust(self, port: int, *, key: Path | None = None) -> None:
        kind, blob = (key or self.folder / "host.pub").read_text().split()[:2]
        with self.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{port} {kind} {blob}\n")

    def kill_sessions(self) -> None:
        """What a pulled cable is to the client: the server's side of every connection is gone, its sshd first."""
        for pid in reversed(descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [*descendants(int(child)), int(child)]
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)], check=True)
    return path


@contextlib.contextmanager
def sshd(folder: Path, *, config: str = "", inside: tuple[str, ...] = (), keys: str | None = None) -> Iterator[Server]:
    """An sshd with its own key and settings.

    Args:
        folder: its own; emptied by whoever made it.
        config: lines for sshd_config, which win over ours.
        inside: a command that runs sshd, e.g. in a namespace.
        keys: sshd_config's AuthorizedKeysFile.
    """
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    make_key(folder / "host")
    user = make_key(folder / "user")
    (folder / "authorized_keys").write_text(user.with_suffix(".pub").read_text())
    port = free_port()
    (folder / "sshd_config").write_text(
        f"{config}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nStrictModes no\nPidFile none\n"
        f"AuthorizedKeysFile {keys or folder / 'authorized_keys'}\nUsePAM no\nPermitRootLogin yes\nMaxStartups 200\n"
    )
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "sshd"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*inside, program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    server = Server(folder, port, process)
    try:
        wait_for(port, process)
        server.trust(port)
        yield server
    finally:
        server.kill_sessions()
        process.terminate()
        process.wait(10)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "sshd did not start"
        assert time.monotonic() < until, "sshd does not listen"
        time.sleep(0.02)


REALM = r"""
set -eu
folder=${1:?} operator=${2:?} tamu=${3:?}
shift 3
test "$(readlink /proc/self/ns/mnt)" != "$(readlink /proc/$PPID/ns/mnt)"
mount --make-rprivate /
cp -a /etc "$folder/etc"
etc=$folder/etc home=$folder/home
person() {
  echo "$1:x:$2:$2::/home/$1:$3" >> "$etc/passwd"
  echo "$1:x:$2:" >> "$etc/group"
  echo "$1:$4:19000::::::" >> "$etc/shadow"
  mkdir -p "$home/$1/.ssh"
  cp "$folder/authorized_keys" "$home/$1/.ssh/"
  echo 'echo selamat datang; printf "tanpa baris baru> "' > "$home/$1/.bashrc"
  chown -R "$2:$2" "$home/$1"
}
person petugas 4201 /bin/sh '*'
person operator 4202 /bin/bash "$operator"
person tamu 4203 /bin/sh "$tamu"
person tertutup 4204 /usr/sbin/nologin '*'
rm -rf "$etc/sudoers" "$etc/sudoers.d"
printf '%s\n' 'root ALL=(ALL) ALL' 'petugas ALL=(ALL) NOPASSWD: ALL' 'operator ALL=(ALL) ALL' > "$etc/sudoers"
chmod 0440 "$etc/sudoers"
printf '%s required %s\n' auth 'pam_unix.so nodelay' account pam_unix.so session pam_permit.so > "$etc/pam.d/sshd"
cp "$etc/pam.d/sshd" "$etc/pam.d/sudo"
mount --bind "$etc" /etc
mount --bind "$home" /home
exec "$@"
"""
"""sshd in a mount namespace whose /etc has people of its own: real passwords, real PAM, real sudo, and no user added
to the machine."""


@contextlib.contextmanager
def realm(folder: Path, *, config: str = "") -> Iterator[Server]:
    """An sshd with people: petugas (sudo without a password), operator (with one), tamu (none), tertutup (nologin)."""
    hashes = [
        subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=PASSWORDS[name].encode(), stdout=subprocess.PIPE, check=True
        )
        .stdout.decode()
        .strip()
        for name in ("operator", "tamu")
    ]
    inside = ("unshare", "--mount", "sh", "-c", REALM, "realm", str(folder), *hashes)
    with sshd(
        folder,
        config=f"{config}\nUsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n",
        inside=inside,
        keys="/home/%u/.ssh/authorized_keys",
    ) as server:
        yield server


class Line:
    """A forwarder on loopback that delays, counts and fails."""

    def __init__(self, port: int, *, delay_s: float = 0.0, address: str = "127.0.0.1") -> None:
        self._target = (address, port)
        self._delay_s = delay_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.frozen = threading.Event()
        self.heard: bytearray | None = None
        """Set it to hear what is carried."""
        self.turns = [0, 0]
        """How often the word went there, and back, one waiting for the other; of one connection after another. With a
        delay longer than either side takes to think it is what a real line would cost, whatever else keeps this
        computer busy."""
        self.refuse_first = 0
        self.connections = 0
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.connections <= self.refuse_first:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for way, source, sink in ((0, near, far), (1, far, near)):
                threading.Thread(target=self._carry, args=(way, source, sink), daemon=True).start()

    def _carry(self, way: int, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(262144):
                if self.frozen.is_set():
                    continue
                if self.heard is not None:
                    self.heard += data
                turn = self.turns[1] + 1 if way == 0 else self.turns[0]
                time.sleep(self._delay_s)
                sink.sendall(data)
                self.turns[way] = max(self.turns[way], turn)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
