"""How to reach a Windows computer, out of Ansible's ``ansible_winrm_*``; what would be unsafe is refused here."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller import units
from controller.errors import InventoryError, Problem
from controller.inventory import Connection
from controller.settings import Secret
from controller.text import Text
from controller.units import UnitError

_METHODS = {
    "ntlm": "ntlm", "negotiate": "ntlm",
    "kerberos": "kerberos", "credssp": "credssp", "certificate": "certificate",
    "basic": "basic", "plaintext": "basic", "ssl": "ssl",
}  # fmt: skip
"""Ansible's words. ``ssl`` is a certificate where one is named, and Basic inside TLS where none is."""
_ENCRYPTS = ("ntlm", "kerberos", "credssp")
"""Those that encrypt messages by what proved the person. Source: MS-WSMV 2.2.9.1."""
_PASSED_ON = ("realm", "service", "keytab", "kerberos_hostname_override", "proxy")
_PASSED_ON_FLAGS = ("kerberos_delegation", "credssp_disable_tlsv1_2", "send_cbt")
HTTP_PORT = 5985


@dataclass(frozen=True)
class Way:
    """Everything that decides how a computer is reached and believed."""

    endpoint: str
    where: str
    """``host:port``"""
    methods: tuple[str, ...]
    """How we say who we are, tried in order: ``ntlm``, ``kerberos``, ``credssp``, ``certificate``, ``basic``."""
    user: str = ""
    password: Secret | None = None
    validate: bool = True
    """Whether the computer's certificate is checked; means nothing without TLS."""
    authorities: str | None = None
    """A file or folder of certificates that are believed; None: those that Python's libraries bring along."""
    encryption: str = "auto"
    connect_timeout_s: float = 10.0
    operation_timeout_s: int = 20
    """How long the computer may hold a question to which it has no answer yet."""
    read_timeout_s: int = 30
    extra: dict[str, Any] = field(default_factory=dict)
    """What pywinrm is told besides, by its own names."""

    @property
    def tls(self) -> bool:
        """Whether the line is HTTPS."""
        return self.endpoint.startswith("https:")


def way_to(connection: Connection, *, connect_timeout_s: float) -> Way:
    """The way to ``connection``.

    Raises:
        InventoryError: every variable that cannot be used, and a password that anybody on the line could read.
    """
    reading = _Reading(connection)
    port = connection.port or HTTP_PORT + 1
    scheme = reading.one_of("scheme", "http", "https") or ("http" if port == HTTP_PORT else "https")
    encryption = reading.one_of("message_encryption", "auto", "always", "never") or "auto"
    validate = reading.one_of("server_cert_validation", "validate", "ignore") != "ignore"
    files = {name: reading.file(name) for name in ("cert_pem", "cert_key_pem")}
    authorities = reading.file("ca_trust_path")
    methods = reading.methods(has_certificate=files["cert_pem"] is not None)
    for method in methods:
        reading.check(method, scheme, encryption, all(files.values()))
    operation_s = reading.value("operation_timeout_sec", _seconds) or Way.operation_timeout_s
    read_s = reading.value("read_timeout_sec", _seconds) or max(Way.read_timeout_s, operation_s + 10)
    if read_s <= operation_s:
        reading.mistake(
            "read_timeout_sec",
            Text("harus lebih lama daripada operation_timeout_sec", "must be longer than operation_timeout_sec"),
            Text(f"tulis misalnya {operation_s + 10}", f"write for example {operation_s + 10}"),
        )
    path = str(reading.said("path") or "/wsman")
    passed_on = {name: str(said) for name in _PASSED_ON if (said := reading.said(name)) is not None}
    flags = {name: said for name in _PASSED_ON_FLAGS if (said := reading.value(name, units.boolean)) is not None}
    if reading.problems:
        raise InventoryError.of(reading.problems)
    host = f"[{connection.address}]" if ":" in connection.address else connection.address
    return Way(
        endpoint=f"{scheme}://{host}:{port}/{path.lstrip('/')}",
        where=f"{host}:{port}",
        methods=methods,
        user=connection.user or "",
        password=connection.password,
        validate=validate,
        authorities=authorities or _system_authorities(),
        encryption=encryption,
        connect_timeout_s=connection.timeout_s or connect_timeout_s,
        operation_timeout_s=operation_s,
        read_timeout_s=read_s,
        extra={**{name: file for name, file in files.items() if file}, **passed_on, **flags},
    )


def _system_authorities() -> str | None:
    """Where this computer keeps the authorities it believes, an office's own among them."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath


def _seconds(value: Any) -> int:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        seconds = 0
    if not 1 <= seconds <= 3600:
        raise UnitError(
            Text(f"'{value}' bukan jumlah detik", f"'{value}' is not a number of seconds"),
            Text("tulis misalnya 30", "write for example 30"),
        )
    return seconds


class _Reading:
    """A connection's WinRM variables while they are read; remembers what was wrong."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.problems: list[Problem] = []

    def mistake(self, name: str, what: Text, hint: Text) -> None:
        """Remember what is wrong with a variable; ``name`` without Ansible's prefix where it has WinRM's."""
        full = name if name.startswith("ansible_") else f"ansible_winrm_{name}"
        where = self._connection.address
        self.problems.append(Problem(where, Text(f"{full}: {what.id}", f"{full}: {what.en}"), hint))

    def said(self, name: str) -> Any:
        """What the inventory says, None where nothing."""
        value = self._connection.extra.get(f"ansible_winrm_{name}")
        return None if value == "" else value

    def value(self, name: str, to: Callable[[Any], Any]) -> Any:
        """The same, converted."""
        said = self.said(name)
        try:
            return None if said is None else to(said)
        except UnitError as error:
            self.mistake(name, error.what, error.hint)
            return None

    def one_of(self, name: str, *words: str) -> str | None:
        """One of some words."""
        said = self.said(name)
        if said is None or str(said).lower() in words:
            return None if said is None else str(said).lower()
        one = ", ".join(words)
        self.mistake(
            name,
            Text(f"'{said}' tidak dikenal", f"'{said}' is not known"),
            Text(f"tulis salah satu dari {one}", f"write one of {one}"),
        )
        return None

    def file(self, name: str) -> str | None:
        """A file or folder that is there."""
        said = self.said(name)
        if said is None:
            return None
        path = Path(str(said)).expanduser()
        if not path.exists():
            self.mistake(
                name,
                Text(f"{path} tidak ada", f"there is no {path}"),
                Text("tulis jalur berkas yang ada", "write the path of a file that is there"),
            )
        return str(path)

    def methods(self, *, has_certificate: bool) -> tuple[str, ...]:
        """The ways to say who we are, in pywinrm's words."""
        said = self.said("transport") or "ntlm"
        words = [str(word).strip().lower() for word in (said if isinstance(said, list) else str(said).split(","))]
        for word in words:
            if word not in _METHODS:
                known = ", ".join(_METHODS)
                self.mistake(
                    "transport",
                    Text(f"'{word}' tidak dikenal", f"'{word}' is not known"),
                    Text(f"tulis salah satu dari {known}", f"write one of {known}"),
                )
        found = [_METHODS[word] for word in words if word in _METHODS]
        ssl_is = "certificate" if has_certificate else "basic"
        return tuple(dict.fromkeys(ssl_is if method == "ssl" else method for method in found))

    def check(self, method: str, scheme: str, encryption: str, has_certificate: bool) -> None:
        """What ``method`` needs, and what it must not be used for."""
        safe = Text(
            "pakai ansible_winrm_scheme: https (port 5986), atau ansible_winrm_transport: ntlm",
            "use ansible_winrm_scheme: https (port 5986), or ansible_winrm_transport: ntlm",
        )
        if scheme == "http" and method == "basic":
            self.mistake(
                "transport",
                Text(
                    "Basic lewat http ditolak: kata sandi akan terbaca oleh siapa pun di jaringan",
                    "Basic over http is refused: anybody on the network could read the password",
                ),
                safe,
            )
        elif scheme == "http" and method == "certificate":
            self.mistake("transport", Text("sertifikat perlu https", "a certificate needs https"), safe)
        elif scheme == "http" and encryption == "never":
            self.mistake(
                "message_encryption",
                Text(
                    "'never' lewat http ditolak: semua perintah akan terbaca di jaringan",
                    "'never' over http is refused: every command could be read on the network",
                ),
                Text("hapus baris itu, atau pakai https", "drop that line, or use https"),
            )
        elif encryption == "always" and method not in _ENCRYPTS:
            self.mistake(
                "message_encryption",
                Text(f"{method} tidak dapat mengenkripsi pesan", f"{method} cannot encrypt messages"),
                Text("tulis auto; https sudah mengenkripsi", "write auto; https encrypts already"),
            )
        if method == "certificate" and not has_certificate:
            self.mistake(
                "transport",
                Text("sertifikat belum disebut", "no certificate is named"),
                Text("isi ansible_winrm_cert_pem dan _cert_key_pem", "set ansible_winrm_cert_pem and _cert_key_pem"),
            )
        if method in ("certificate", "kerberos"):
            return
        for name, value in (("ansible_user", self._connection.user), ("ansible_password", self._connection.password)):
            if not value:
                what = Text(f"belum diisi; {method} memerlukannya", f"is not set; {method} needs it")
                self.mistake(name, what, Text(f"isi {name}", f"set {name}"))
