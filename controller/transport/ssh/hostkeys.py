"""Which keys a host may show: OpenSSH's known_hosts files and our own, read without building key objects.

Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": markers, comma-separated patterns, ``[host]:port``, and hashed
names ``|1|salt|HMAC-SHA1(salt, name)``.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fnmatch
import hashlib
import hmac
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from controller.errors import InputError
from controller.text import Text

SYSTEM_FILES = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
USER_FILES = (Path("~/.ssh/known_hosts"), Path("~/.ssh/known_hosts2"))


@dataclass(frozen=True)
class HostKey:
    """A public key of a host, as it showed it."""

    name: str
    """As known_hosts writes it: the host, or ``[host]:port``."""
    type: str
    """E.g. ``ssh-ed25519``."""
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``, as ssh-keygen prints it."""
        return fingerprint(self.blob)


@dataclass(frozen=True)
class _Line:
    marker: str
    names: str
    type: str
    blob: str


def fingerprint(blob: bytes) -> str:
    """``SHA256:…`` of a public key, as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def host_name(address: str, port: int) -> str:
    """The name under which known_hosts keeps a host."""
    return address if port == 22 else f"[{address}]:{port}"


class KnownHosts:
    """The keys of several files, asked by name."""

    def __init__(self, files: Iterable[Path]) -> None:
        self._plain: dict[str, list[_Line]] = {}
        self._others: list[_Line] = []
        for file in files:
            with contextlib.suppress(FileNotFoundError, PermissionError, NotADirectoryError):
                for text in file.expanduser().read_text("utf-8", "replace").splitlines():
                    self._add(text)

    def _add(self, text: str) -> None:
        words = text.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            return
        line = _Line(marker, words[0], words[1], words[2])
        if line.names.startswith("|") or any(character in line.names for character in "*?!"):
            self._others.append(line)
        else:
            for name in line.names.lower().split(","):
                self._plain.setdefault(name, []).append(line)

    def keys(self, name: str) -> list[tuple[str, bytes]]:
        """The keys ``name`` may show, ``(type, blob)`` in the order of the files; empty: nobody knows it."""
        return [(line.type, _blob(line)) for line in self._lines(name) if not line.marker]

    def revoked(self, name: str, blob: bytes) -> bool:
        """Whether a file says that this key must never be taken."""
        return any(line.marker == "@revoked" and _blob(line) == blob for line in self._lines(name))

    def _lines(self, name: str) -> list[_Line]:
        name = name.lower()
        return self._plain.get(name, []) + [line for line in self._others if _matches(line.names, name)]


def _blob(line: _Line) -> bytes:
    try:
        return base64.b64decode(line.blob, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _matches(names: str, name: str) -> bool:
    if names.startswith("|1|"):
        try:
            salt, digest = (base64.b64decode(part) for part in names[3:].split("|"))
        except ValueError:
            return False
        return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
    matched = False
    for pattern in names.lower().split(","):
        wanted = pattern.removeprefix("!")
        # Square brackets are part of a name with a port, never a set of characters.
        if fnmatch.fnmatchcase(name, wanted.replace("[", "[[]")):
            if pattern != wanted:
                return False
            matched = True
    return matched


def trust(keys: Iterable[HostKey], path: Path) -> None:
    """Writes ``keys`` into our own file of known hosts, in place of what it says of the same hosts and types.

    The file appears whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    keys = list(keys)
    new = {(key.name.lower(), key.type) for key in keys}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text("utf-8").splitlines() if path.exists() else []
        kept = [line for line in before if tuple(line.lower().split()[:2]) not in new]
        lines = [f"{key.name} {key.type} {base64.b64encode(key.blob).decode()}" for key in keys]
        handle, temporary = tempfile.mkstemp(prefix=path.name, dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join([*kept, *lines]) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            Text("kunci host tidak dapat disimpan", "the host key cannot be kept"),
            where=str(path),
            hint=Text(f"periksa berkas itu: {error}", f"look at that file: {error}"),
        ) from error
