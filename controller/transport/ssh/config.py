"""How to reach a host: the inventory first, then ``ansible_ssh_common_args``, then the user's ssh_config."""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.errors import InventoryError
from controller.inventory import Connection
from controller.text import Text
from controller.transport.base import Options
from controller.transport.ssh.hostkeys import host_name

_FILES = (Path("~/.ssh/config"), Path("/etc/ssh/ssh_config"))
_ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")


@dataclass(frozen=True)
class Way:
    """Everything that decides how a host is reached and believed."""

    host: str
    port: int
    user: str
    known_as: str
    """Under which name its key is kept: a HostKeyAlias, or ``host_name`` of host and port."""
    identities: tuple[Path, ...]
    """Private keys somebody named; empty: the usual ones."""
    only_identities: bool
    """No other keys, not even the agent's."""
    agent: str | None
    """The agent's socket, where it is not the usual one; ``none``: no agent."""
    jumps: tuple[str, ...]
    """``user@host:port`` in order."""
    proxy_command: str | None
    strict: str
    """``yes``, ``accept-new`` or ``no``."""
    known_hosts: tuple[Path, ...]
    """Of the user; empty: the usual ones."""


def way_to(connection: Connection, options: Options) -> Way:
    """The way to ``connection``.

    Raises:
        InventoryError: ``ansible_ssh_common_args`` cannot be understood.
    """
    said = dict(_arguments(connection.extra))
    file = _ssh_config(connection.address, options)

    def first(name: str) -> str | None:
        value = said.get(name) or file.get(name)
        return str(value) if value else None

    host = first("hostname") or connection.address
    port = connection.port or int(first("port") or 22)
    named = [connection.private_key_file] if connection.private_key_file else []
    identities = [*named, *([said["identityfile"]] if "identityfile" in said else file.get("identityfile", []))]
    jump = first("proxyjump")
    command = first("proxycommand")
    return Way(
        host=host,
        port=port,
        user=connection.user or first("user") or getpass.getuser(),
        known_as=first("hostkeyalias") or host_name(host, port),
        identities=tuple(Path(str(path)).expanduser() for path in identities),
        only_identities=(first("identitiesonly") or "no").lower() in ("yes", "true"),
        agent=first("identityagent"),
        jumps=tuple(jump.split(",")) if jump and jump.lower() != "none" else (),
        proxy_command=command if command and command.lower() != "none" else None,
        # Turning the check off must stand in the inventory itself, where it is seen and reviewed.
        strict=_strict(said.get("stricthostkeychecking", "yes") if connection.host_key_checking else "no"),
        known_hosts=tuple(Path(path).expanduser() for path in shlex.split(first("userknownhostsfile") or "")),
    )


def _strict(said: str) -> str:
    return {"no": "no", "off": "no", "false": "no", "accept-new": "accept-new"}.get(said.lower(), "yes")


def _arguments(extra: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What ``ssh``'s arguments in the inventory say, as ``(option in lower case, value)``; the first one wins."""
    for name in reversed(_ARGUMENTS):
        text = extra.get(name)
        if not text:
            continue
        try:
            words = shlex.split(str(text))
        except ValueError as error:
            raise InventoryError(
                Text(f"tidak dapat dibaca: {text}", f"cannot be read: {text}"),
                where=name,
                hint=Text("tutup tanda kutipnya", "close its quotes"),
            ) from error
        found: list[tuple[str, str]] = []
        while words:
            word = words.pop(0)
            letter, value = word[:2], word[2:]
            if letter not in ("-o", "-J", "-i", "-p", "-l"):
                continue
            value = value or (words.pop(0) if words else "")
            if letter == "-o":
                key, _, value = value.replace("=", " ", 1).strip().partition(" ")
                found.append((key.lower(), value.strip()))
            else:
                found.append(({"-J": "proxyjump", "-i": "identityfile", "-p": "port", "-l": "user"}[letter], value))
        yield from reversed(found)


def _ssh_config(host: str, options: Options) -> dict[str, Any]:
    """What ssh_config says of ``host``: keys in lower case."""
    configs = options.once("ssh_config", lambda: [_parsed(text) for file in _FILES if (text := _text(file))])
    merged: dict[str, Any] = {}
    for config in configs:
        for key, value in config.lookup(host).items():
            merged.setdefault(key, value)
    return merged


def _text(file: Path) -> str:
    try:
        text = file.expanduser().read_text("utf-8", "replace")
    except OSError:
        return ""
    lines = (line.strip() for line in text.splitlines())
    return text if any(line and not line.startswith("#") for line in lines) else ""


def _parsed(text: str) -> Any:
    from controller.transport.ssh.library import paramiko

    return paramiko.SSHConfig.from_text(text)
