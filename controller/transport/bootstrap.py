"""From a login shell to our own Python, in one command line: the first stage.

The command finds a Python, which prints the mark, throws its input away up to the same mark, reads ``{"stage": n}``
and runs the n bytes that follow. Nobody waits for anybody: the caller writes the whole job at once, and reads later
whether it was let in. Only where sudo wants a password is the mark awaited first, because a sudo that refuses the
password would take the lines after it for more passwords, and lock the account.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.protocol import CHUNK_BYTES, MARK
from controller.errors import AccessRefused, AgentFault, HostError, InventoryError, LineLost, NoPython
from controller.inventory import Connection
from controller.settings import Secret
from controller.text import Text
from controller.transport.base import Channel, Transport

_SENTENCE = MARK.decode().strip()
_TOO_OLD = 99
_NO_PYTHON = MARK.strip() + b" nopython"
_NO_MUSL = "/lib/ld-musl*"
"""What a shell makes of it where there is no such file: the same."""
_PROMPT = "pasang-sudo:"
NOISE_LIMIT_BYTES = 1024 * 1024
TAIL_BYTES = 300
_GLANCE_S = 0.2
UNPACKING_S = 600.0
"""Some thousand files, on a slow disk."""
START_S = 120.0
"""A login shell's profile and a Python on a computer that is busy with other things."""
_NAMES = (
    "python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 /usr/libexec/platform-python"
)

# Words and syntax that Python 2.7 and 3.6 understand too, so that they can say 99. No quote, no backslash, no dollar:
# it stands within double quotes within single quotes.
_PYTHON = (
    "import sys;sys.version_info<(3,8)and sys.exit(99);m=sys.argv[1];i=sys.stdin.buffer;"
    "sys.stdout.write(m+chr(10));sys.stdout.flush();any(l.strip()==m.encode()for l in i)or sys.exit();"
    "n=list(eval(i.readline()or sys.exit()).values())[0];s=i.read(n);len(s)==n and exec(s)"
)

_REFUSALS: tuple[tuple[str, Text, Text | None], ...] = (
    (
        r"not in the sudoers|may not run sudo|is not allowed to (execute|run)",
        Text("pengguna ini tidak diizinkan memakai sudo", "this user may not use sudo"),
        Text("daftarkan di sudoers, atau pakai ansible_user lain", "add it to sudoers, or use another ansible_user"),
    ),
    (
        r"must have a tty",
        Text("sudo menuntut terminal (requiretty)", "sudo demands a terminal (requiretty)"),
        Text("hapus `Defaults requiretty` bagi pengguna ini", "drop `Defaults requiretty` for this user"),
    ),
    (
        r"password is required|no askpass|a terminal is required|no password was provided",
        Text("sudo meminta kata sandi dan tidak ada yang diberikan", "sudo wants a password and none was given"),
        Text("isi ansible_become_password, atau beri NOPASSWD", "set ansible_become_password, or grant NOPASSWD"),
    ),
    (
        rf"incorrect password|{_PROMPT}.*{_PROMPT}",
        Text("sudo menolak kata sandi", "sudo refused the password"),
        Text("periksa ansible_become_password", "check ansible_become_password"),
    ),
    (
        r"account (validation failure|.*expired|.*locked)|unknown user|you do not exist",
        Text("sudo menolak akun ini", "sudo refused this account"),
        None,
    ),
    (
        r"sudo['’]?: (command )?(not found|No such file)|sudo: unrecognized|sudo: (not found|command not found)",
        Text("sudo tidak terpasang di komputer itu", "sudo is not installed on that computer"),
        Text("pasang sudo, atau masuk sebagai root", "install sudo, or log in as root"),
    ),
    (
        r"currently not available|nologin",
        Text("akun ini tidak mempunyai shell", "this account has no login shell"),
        Text("pakai ansible_user lain", "use another ansible_user"),
    ),
)


def boot_command(
    python: str | None = None,
    *,
    become_user: str | None = None,
    asks_password: bool = False,
    root: str | None = None,
    brings: bool = False,
) -> str:
    """The command line that any login shell (sh, bash, csh, fish) understands alike.

    Args:
        python: tried first, before the names known; ``auto…`` means none.
        become_user: run through sudo as this user; None: as oneself.
        asks_password: the first line of the input is a password for sudo.
        root: the agent's folder, where it is not the usual one.
        brings: also a Python that was brought there is looked for.

    Raises:
        InventoryError: one of them would not survive a shell.
    """
    hint = _plain("ansible_python_interpreter", "" if not python or python.startswith("auto") else python)
    _plain("ansible_become_user", become_user or "")
    search = (
        f"for p in {hint} {_NAMES} {brought(root) if brings else ''};do command -v $p>/dev/null||continue;"
        f'$p -ISc "{_PYTHON}" "{_SENTENCE}";r=$?;case $r in {_TOO_OLD}|12[67]);;*)exit $r;esac;done;'
        f"echo {_NO_PYTHON.decode()} $(uname -sm) {_NO_MUSL}"
    )
    return _as(become_user, search, asks_password=asks_password)


def bring_command(
    digest: str, *, become_user: str | None = None, asks_password: bool = False, root: str | None = None
) -> str:
    """The command line that takes an archive with a Python from its input, and keeps it if it is whole.

    It prints the mark, throws its input away up to the same mark (as the first stage does, and for the same reason),
    and takes the rest to its end; its last word is ``brought``, or ``failed``. What is brought has shown that it runs,
    and is on the disk, before it can be found; each has a folder of its own, so that two at once do not meet.

    Args:
        digest: the archive's SHA-256.
        become_user: as for ``boot_command``, like the others.
        asks_password: likewise.
        root: likewise.
    """
    where = (
        f"r={_plain('pasang_root', root)}"
        if root
        else ("if test $(id -u) = 0;then r=/var/lib/pasang;else r=$HOME/.local/share/pasang-agent;fi")
    )
    take = (
        f'{where};d=$r/python;umask 077;echo "{_SENTENCE}";'
        f'while read -r l;do test "$l" = "{_SENTENCE}"&&break;done;'
        f"p=$(mkdir -p $d&&mktemp -d $d/.XXXXXX)&&cat>$p/archive"
        f'&&echo "{digest}  $p/archive"|sha256sum -c>/dev/null'
        f"&&tar -xzf $p/archive -C $p&&rm $p/archive&&$p/python/bin/python3 -ISc 0&&sync&&mv $p $d/{digest}${{p##*/}}"
        "&&echo brought||{ rm -rf $p;echo failed; }"
    )
    return _as(become_user, take, asks_password=asks_password)


def brought(root: str | None) -> str:
    """Where a Python that was brought may be, as words of a shell."""
    roots = [_plain("pasang_root", root)] if root else ["/var/lib/pasang", "$HOME/.local/share/pasang-agent"]
    return " ".join(f"{folder}/python/*/python/bin/python3" for folder in roots)


def _as(become_user: str | None, script: str, *, asks_password: bool) -> str:
    if become_user is None:
        return f"exec sh -c '{script}'"
    manner = f"-S -p {_PROMPT}" if asks_password else "-n"
    return f"exec env LC_ALL=C sudo {manner} -H -u {become_user} sh -c '{script}'"


def _plain(name: str, value: str) -> str:
    """A value that every shell takes as it is."""
    if not re.fullmatch(r"[\w./+@-]*", value, re.ASCII) or value.startswith("-"):
        raise InventoryError(
            Text(f"{value!r} tidak dapat dipakai", f"{value!r} cannot be used"),
            where=name,
            hint=Text("tulis satu nama atau jalur saja", "write one name or path only"),
        )
    return value


def launch(
    transport: Transport, connection: Connection, *, root: str | None = None, brings: bool = False
) -> BootChannel:
    """Connects and starts the first stage; whether it runs is known by the first ``read_line``.

    Raises:
        Unreachable: or one of its children.
    """
    return _begin(transport, connection, lambda **how: boot_command(connection.python, root=root, brings=brings, **how))


def leave_python(
    transport: Transport,
    connection: Connection,
    archive: Path,
    digest: str,
    *,
    root: str | None = None,
    progress: Callable[[str, int, int], None],
) -> None:
    """Connects, and leaves a Python on a computer that has none, in the agent's folder.

    Args:
        transport: the way there, not connected yet; the caller closes it.
        connection: of the inventory.
        archive: a tar.gz with ``python/bin/python3`` in it.
        digest: its SHA-256, which the computer checks.
        root: the agent's folder, where it is not the usual one.
        progress: called with the digest, what was sent, and the size.

    Raises:
        Unreachable: or one of its children.
        NoPython: the computer could not keep it.
    """
    channel = _begin(transport, connection, lambda **how: bring_command(digest, root=root, **how))
    size_bytes, sent_bytes, word = archive.stat().st_size, 0, b""
    try:
        channel.write(MARK)
        with archive.open("rb") as file:
            while data := file.read(CHUNK_BYTES):
                channel.write(data)
                sent_bytes += len(data)
                progress(digest, sent_bytes, size_bytes)
        channel.close_write()
        word = channel.read_line(UNPACKING_S).strip()
    except LineLost:
        with suppress(LineLost, TimeoutError):  # it may have stopped reading because it could not go on
            word = channel.read_line(_GLANCE_S).strip()
        if word != b"failed":
            raise
    except TimeoutError as error:
        raise LineLost(
            Text("komputer itu terlalu lama membuka Python", "that computer takes too long to unpack the Python"),
            where=connection.address,
        ) from error
    if word != b"brought":
        said = " ".join(channel.errors().split())[-TAIL_BYTES:]
        raise NoPython(
            Text(f"Python tidak dapat ditaruh di komputer itu: {said}", f"Python could not be brought there: {said}"),
            where=connection.address,
            hint=Text("periksa ruang disk, tar dan sha256sum di komputer itu", "check its disk, tar and sha256sum"),
        )


def _begin(transport: Transport, connection: Connection, command_of: Callable[..., str]) -> BootChannel:
    """A command under sudo where that is asked for; the channel's first line comes behind the mark."""
    if connection.become and connection.become_method != "sudo":
        raise InventoryError(
            Text(f"{connection.become_method!r} tidak didukung", f"{connection.become_method!r} is not supported"),
            where="ansible_become_method",
            hint=Text("pakai sudo", "use sudo"),
        )
    become_user = connection.become_user if connection.become else None
    if become_user == transport.describe()["user"]:
        become_user = None
    password = connection.become_password if become_user else None
    command = command_of(become_user=become_user, asks_password=password is not None)
    transport.connect(command)
    return BootChannel(transport, transport.open(command), where=connection.address, password=password)


class BootChannel(Channel):
    """The channel to the first stage. It skips what login shells print, and says why there is no first stage."""

    def __init__(self, transport: Transport, inner: Channel, *, where: str, password: Secret | None = None) -> None:
        super().__init__()
        self.transport = transport
        self._inner = inner
        self._where = where
        self._started = False
        self._must_wait = password is not None
        self._noise_bytes = 0
        self._noise = b""
        self._refused: HostError | None = None
        self._until = time.monotonic() + START_S
        self.round_trips = transport.round_trips
        if password is not None:
            self._inner.write(password.reveal().splitlines()[0].encode() + b"\n" if password.reveal() else b"\n")

    def read_line(self, timeout_s: float | None = None) -> bytes:
        """See ``Channel.read_line``.

        Raises:
            AccessRefused: sudo or the login shell did not let us in.
            NoPython: nothing there can run the agent.
        """
        if self._started:
            return super().read_line(timeout_s)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._await_mark(deadline)
        return super().read_line(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _await_mark(self, deadline: float | None) -> None:
        while not self._started:
            if self._refused is not None:
                raise self._refused
            until = self._until if deadline is None else min(deadline, self._until)
            remaining = max(0.0, until - time.monotonic())
            try:
                line = super().read_line(min(remaining, _GLANCE_S) if self._must_wait else remaining)
            except TimeoutError:
                asked = self._inner.errors().count(_PROMPT) if self._must_wait else 0
                if asked > 1 or time.monotonic() >= self._until:
                    self._refused = self._refusal()
                elif time.monotonic() >= until:
                    raise
                continue
            self._noise_bytes += len(line)
            self._noise = (self._noise + line)[-TAIL_BYTES:]
            if _NO_PYTHON in line:
                self._refused = self._no_python(line.partition(_NO_PYTHON)[2].decode("utf-8", "replace").split())
            elif not line or self._noise_bytes > NOISE_LIMIT_BYTES:
                self._refused = self._refusal()
            self._started = line.endswith(MARK)

    def _send(self, data: bytes) -> None:
        if self._must_wait and not self._started:
            self._await_mark(None)
        try:
            self._inner._send(data)
        except LineLost:
            if self._started:
                raise
            self._await_mark(time.monotonic() + 1)
            raise

    def _receive(self, timeout_s: float | None) -> bytes:
        return self._inner._receive(timeout_s)

    def _no_python(self, words: list[str]) -> NoPython:
        error = NoPython(
            Text("tidak ada Python 3.8 ke atas di komputer itu", "there is no Python 3.8 or newer on that computer"),
            where=self._where,
            hint=Text(
                "pasang paket python3, isi ansible_python_interpreter dengan jalurnya, atau bawakan Python: "
                "`pasang runtime add cpython-….tar.gz`",
                "install the package python3, set ansible_python_interpreter to its path, or have one brought: "
                "`pasang runtime add cpython-….tar.gz`",
            ),
        )
        if len(words) > 1:
            error.platform = f"{words[0].lower()}-{words[1]}-{'glibc' if words[2:] == [_NO_MUSL] else 'other'}"
        return error

    def _refusal(self) -> HostError:
        """Why there was no mark, out of what was said instead; nologin says it on stdout."""
        status = self._inner.exit_status()
        flat = " ".join((self._noise.decode("utf-8", "replace") + " " + self._inner.errors()).split())
        for pattern, what, hint in _REFUSALS:
            if re.search(pattern, flat):
                about = "rights" if "sudo" in what.en else "login"
                return AccessRefused(what, where=self._where, hint=hint).of(about)
        said = flat[-TAIL_BYTES:] or ("no answer" if status is None else f"exit {status}")
        return AgentFault(
            Text(f"program awal tidak dapat dimulai: {said}", f"the first stage could not start: {said}"),
            where=self._where,
            hint=Text(
                "coba masuk dengan ssh dan pengguna yang sama, lalu jalankan python3",
                "try ssh with the same user, and run python3 there",
            ),
        )

    def close_write(self) -> None:
        """See ``Channel.close_write``."""
        self._inner.close_write()

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``."""
        return self._inner.exit_status()

    def errors(self) -> str:
        """See ``Channel.errors``."""
        return self._inner.errors()

    def close(self) -> None:
        """Closes the channel and the transport it came with."""
        self.transport.close()
