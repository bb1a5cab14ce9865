"""``ansible_*`` variables → how to reach one host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller import units
from controller.errors import Problem
from controller.settings import Secret
from controller.source import nearest
from controller.text import Text
from controller.units import UnitError

_KINDS = {
    "ssh": "ssh", "smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh",
    "winrm": "winrm", "psrp": "winrm",
    "local": "local", "memory": "memory",
}  # fmt: skip
_PORTS = {"ssh": 22, "winrm": 5986}


@dataclass(frozen=True)
class Connection:
    """How one host is reached, out of its ``ansible_*`` variables.

    ``None`` means "not said": the transport, or ``ssh_config``, decides.
    """

    kind: str
    """``ssh``, ``winrm``, ``local`` or ``memory``."""
    address: str
    port: int | None = None
    """None for ssh where the inventory does not say, so that ssh_config may; 5986 (or 5985) for winrm."""
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
    extra: Mapping[str, Any] = field(default_factory=dict)
    """The other ``ansible_ssh_*``, ``ansible_winrm_*``, ``ansible_psrp_*`` variables, by their full names."""

    @property
    def system(self) -> str:
        """What the computer must be running to be reached like this: ``windows`` or ``linux``."""
        return "windows" if self.kind == "winrm" else "linux"


def resolve(variables: Mapping[str, Any]) -> tuple[Connection | None, list[Problem]]:
    """The connection of a host, or what stands against it.

    Args:
        variables: of the host, with ``inventory_hostname``, and all ``{{ … }}`` in ``ansible_*`` filled in.
    """
    reading = _Reading(variables)
    said = str(variables.get("ansible_connection") or "ssh")
    kind = _KINDS.get(said.rsplit(".", 1)[-1])
    if kind is None:
        near = nearest(said, sorted(_KINDS), 1) or ["ssh"]
        reading.mistake(
            "ansible_connection",
            Text(f"sambungan '{said}' tidak dikenal", f"the connection '{said}' is not known"),
            Text(f"tulis {near[0]} (ada: ssh, winrm, local)", f"write {near[0]} (there are: ssh, winrm, local)"),
        )
        return None, reading.problems
    port = reading.first(f"ansible_{kind}_port", "ansible_port", to=units.port)
    if kind == "winrm" and port is None:
        port = 5985 if str(variables.get("ansible_winrm_scheme", "")).lower() == "http" else _PORTS["winrm"]
    connection = Connection(
        kind=kind,
        address=reading.first("ansible_ssh_host" if kind == "ssh" else "", "ansible_host", to=_text)
        or str(variables["inventory_hostname"]),
        port=port,
        user=reading.first(f"ansible_{kind}_user", "ansible_user", to=_text),
        password=reading.secret(
            "ansible_ssh_pass",
            "ansible_ssh_password",
            "ansible_winrm_password",
            "ansible_winrm_pass",
            "ansible_password",
        ),
        private_key_file=reading.first("ansible_ssh_private_key_file", "ansible_private_key_file", to=_text),
        host_key_checking=reading.flag("ansible_ssh_host_key_checking", "ansible_host_key_checking", otherwise=True),
        timeout_s=reading.first("ansible_ssh_timeout", "ansible_timeout", to=_seconds),
        become=reading.flag("ansible_become", otherwise=False),
        become_user=reading.first("ansible_become_user", to=_text) or "root",
        become_method=reading.first("ansible_become_method", to=_text) or "sudo",
        become_password=reading.secret("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass"),
        python=_interpreter(reading.first("ansible_python_interpreter", to=_text)),
        extra=reading.rest(("ansible_ssh_", "ansible_winrm_", "ansible_psrp_", "ansible_memory_", "ansible_become_")),
    )
    return (None if reading.problems else connection), reading.problems


class _Reading:
    """Variables of one host while they are read; remembers which were used and what was wrong."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables
        self._used: set[str] = set()
        self.problems: list[Problem] = []

    def mistake(self, variable: str, what: Text, hint: Text) -> None:
        """Remember what is wrong with a variable of this host."""
        self.problems.append(Problem("", Text(f"{variable}: {what.id}", f"{variable}: {what.en}"), hint))

    def first(self, *names: str, to: Callable[[Any], Any]) -> Any:
        """The first of the variables that is set, converted; None where none is, or where it does not fit."""
        self._used.update(names)
        for name in names:
            value = self._variables.get(name)
            if value is None or value == "":
                continue
            try:
                return to(value)
            except UnitError as error:
                self.mistake(name, error.what, error.hint)
                return None
        return None

    def flag(self, *names: str, otherwise: bool) -> bool:
        """As ``first``, for true and false."""
        value = self.first(*names, to=units.boolean)
        return otherwise if value is None else bool(value)

    def secret(self, *names: str) -> Secret | None:
        """As ``first``, for secrets."""
        value = self.first(*names, to=lambda v: v if isinstance(v, Secret) else Secret(str(v)))
        return value if isinstance(value, Secret) else None

    def rest(self, prefixes: tuple[str, ...]) -> dict[str, Any]:
        """Variables with one of the prefixes that nothing has used."""
        return {k: v for k, v in self._variables.items() if k.startswith(prefixes) and k not in self._used}


def _text(value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        return units.string(value)
    return str(value)


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise UnitError(
            Text(f"'{value}' bukan jumlah detik", f"'{value}' is not a number of seconds"),
            Text("tulis misalnya 10", "write for example 10"),
        )
    return seconds


def _interpreter(said: str | None) -> str | None:
    """A path; ``auto`` and its kin mean that the transport looks for one."""
    return None if said is None or said.startswith("auto") else said
