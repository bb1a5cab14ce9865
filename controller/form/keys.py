"""Signing keys: Ed25519, one a name, kept under ``PASANG_HOME/keys`` where only this user reads them."""

from __future__ import annotations

import base64
import hashlib
import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from controller.errors import FormError
from controller.text import Text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME_LIMIT = 120
"""Characters; a name must fit into its line on the paper."""


def tidy_name(name: str) -> str:
    """A person's name in one spelling: composed characters, single spaces.

    Raises:
        FormError: it is empty, too long, or has characters that are not printed.
    """
    tidy = " ".join(unicodedata.normalize("NFC", name).split())
    if not tidy or len(tidy) > NAME_LIMIT or not tidy.isprintable():
        raise FormError(
            Text("nama penanda tangan tidak dapat dipakai", "the signer's name cannot be used"),
            where=repr(name[:NAME_LIMIT]),
            hint=Text(
                f"tulis nama orangnya, paling banyak {NAME_LIMIT} huruf",
                f"write the person's name, {NAME_LIMIT} characters at most",
            ),
        )
    return tidy


def signing_key(folder: Path, name: str) -> Ed25519PrivateKey:
    """The key of a person, made at first use.

    Two processes that make it at once end up with the same key: the first to put its file in place wins.

    Raises:
        FormError: the name cannot be used, or its key file cannot be read or written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = _path(folder, tidy_name(name))
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = Ed25519PrivateKey.generate()
            _put_in_place(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return _read(path)
    except OSError as error:
        raise _unusable(path) from error


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half as records keep it: 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def fingerprint(key: str) -> str:
    """A public key in a form short enough to be compared by eye; empty where it is no key."""
    try:
        raw = base64.b64decode(key, validate=True)
    except ValueError:
        return ""
    digest = hashlib.sha256(raw).hexdigest()[:16]
    return ":".join(digest[i : i + 4] for i in range(0, 16, 4))


def known_keys(folder: Path) -> frozenset[str]:
    """The public keys of everybody whose key lies here; a file that is no key is nobody's."""
    found = set()
    for path in sorted(folder.glob("*.pem")):
        try:
            found.add(public_key(_read(path)))
        except (OSError, FormError):
            continue
    return frozenset(found)


def _path(folder: Path, name: str) -> Path:
    """The name, so that a person finds the file; quoted and short, so that any file system takes it; and exact."""
    readable = quote(name, safe=" ").replace("%", "_").replace(" ", "-")[:60]
    return folder / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:12]}.pem"


def _put_in_place(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # somebody was faster: theirs is the key
    finally:
        draft.unlink()


def _read(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(path) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(path)
    return key


def _unusable(path: Path) -> FormError:
    return FormError(
        Text("kunci tanda tangan tidak dapat dibaca atau dibuat", "the signing key cannot be read or made"),
        where=str(path),
        hint=Text(
            "periksa isi dan hak akses berkas itu; jangan dihapus selama masih ada form yang ditandatangani dengannya",
            "check the file and its permissions; do not delete it while forms signed with it are kept",
        ),
    )
