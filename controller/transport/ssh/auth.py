"""Which keys and passwords are tried, and in which order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from controller.inventory import Connection
from controller.settings import Secret
from controller.transport.base import Options
from controller.transport.ssh.config import Way
from controller.transport.ssh.library import paramiko

_USUAL = ("id_ed25519", "id_ecdsa", "id_rsa")
_PASSPHRASE = "ansible_ssh_private_key_passphrase"  # noqa: S105 - the name of it
Agent: TypeAlias = Callable[[], list[Any]]
_KEYS_LIMIT = 5
"""Servers hang up after six attempts; the password must come to its turn too."""


@dataclass(frozen=True)
class Method:
    """One attempt to be let in."""

    kind: str
    """SSH's name: ``publickey``, ``password``, ``keyboard-interactive``."""
    label: str
    """For a person: which key."""
    attempt: Callable[[Any], list[str]]
    """Called with an authentication handler; returns the methods wanted besides."""


@dataclass(frozen=True)
class _Unusable:
    """A private key that cannot be read: kept, so that it is read once and named in the end."""

    reason: str


def methods(connection: Connection, way: Way, options: Options) -> Generator[Method | str, None, None]:
    """What may be tried, the likeliest first; a string says why something could not be tried.

    A named key comes first, then a password of the inventory, then whatever the agent or the home folder holds.
    """
    passphrase = _secret(connection.extra[_PASSPHRASE]) if connection.extra.get(_PASSPHRASE) else None
    with _agent(way) as agent:
        yield from _methods(connection, way, options, agent, passphrase)


def _methods(
    connection: Connection, way: Way, options: Options, agent: Agent, passphrase: str | None
) -> Iterator[Method | str]:
    tried: set[bytes] = set()
    for path in way.identities:
        key = _private_key(path, passphrase, options)
        if isinstance(key, _Unusable):
            held = _held(path, agent())
            if held is None:
                yield f"{path}: {key.reason}"
                continue
            key = held
        tried.add(key.asbytes())
        yield _with_key(way.user, key, str(path))
    if connection.password is not None:
        yield _with_password(way.user, connection.password)
        yield _with_answers(way.user, connection.password)
    if way.only_identities:
        return
    others = [(key, "agent") for key in agent()]
    if not way.identities:
        for path in (Path("~/.ssh").expanduser() / name for name in _USUAL):
            if path.exists() and not isinstance(key := _private_key(path, passphrase, options), _Unusable):
                others.append((key, str(path)))
    for key, label in others:
        if key.asbytes() not in tried and len(tried) < _KEYS_LIMIT:
            tried.add(key.asbytes())
            yield _with_key(way.user, key, label)


def _secret(value: object) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _private_key(path: Path, passphrase: str | None, options: Options) -> Any:
    """The key in a file, or why it cannot be used; read once, because a passphrase is slow by design."""
    return options.once(("key", path), lambda: _load(path, passphrase))


def _load(path: Path, passphrase: str | None) -> Any:
    try:
        return paramiko.PKey.from_path(path, passphrase.encode() if passphrase else None)
    except FileNotFoundError:
        return _Unusable("no such file")
    except OSError as error:
        return _Unusable(error.strerror or str(error))
    except paramiko.PasswordRequiredException:
        return _Unusable("needs a passphrase")
    except (paramiko.SSHException, paramiko.UnknownKeyType, ValueError, TypeError) as error:
        # cryptography says "password" where a passphrase is missing or wrong.
        return _Unusable("needs a passphrase" if "assword" in str(error) else "not a private key")


@contextlib.contextmanager
def _agent(way: Way) -> Iterator[Agent]:
    """A function that gives the agent's keys; it is asked only where its keys are wanted, and they sign only within."""
    asked: list[Any] = []

    def keys() -> list[Any]:
        if (way.agent or "").lower() == "none":
            return []
        if not asked:
            with contextlib.suppress(paramiko.SSHException):
                asked.append(paramiko.Agent())
        return [key for agent in asked for key in agent.get_keys()]

    try:
        yield keys
    finally:
        for agent in asked:
            agent.close()


def _held(path: Path, agent: list[Any]) -> Any:
    """The agent's key whose public half lies beside ``path``."""
    try:
        public = paramiko.PublicBlob.from_file(str(path) + ".pub").key_blob
    except (OSError, ValueError):
        return None
    return next((key for key in agent if key.asbytes() == public), None)


def _with_key(user: str, key: Any, label: str) -> Method:
    return Method("publickey", label, lambda handler: list(handler.auth_publickey(user, key)))


def _with_password(user: str, password: Secret) -> Method:
    return Method("password", "", lambda handler: list(handler.auth_password(user, password.reveal())))


def _with_answers(user: str, password: Secret) -> Method:
    def answer(_title: str, _instructions: str, questions: list[tuple[str, bool]]) -> list[str]:
        return [password.reveal() for _ in questions]

    return Method("keyboard-interactive", "", lambda handler: list(handler.auth_interactive(user, answer)))
