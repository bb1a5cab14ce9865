"""SSH: connecting, believing the host, being let in.

fabric is not used: it takes the unknown host keys of jump hosts and targets alike, and what it adds to paramiko (jumps,
ssh_config) is little code on top of it.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from controller.errors import Unreachable
from controller.inventory import Connection
from controller.text import Text
from controller.transport.base import Channel, Options, Transport, lost
from controller.transport.ssh import dial, jump, refusals
from controller.transport.ssh.auth import methods
from controller.transport.ssh.channel import SshChannel
from controller.transport.ssh.config import way_to
from controller.transport.ssh.dial import Again
from controller.transport.ssh.hostkeys import SYSTEM_FILES, USER_FILES, HostKey, KnownHosts, trust
from controller.transport.ssh.library import BROKEN, paramiko
from controller.transport.ssh.session import Session

__all__ = ["HostKey", "SshTransport", "fetch_host_key", "trust"]


_GREETING_ROUND_TRIPS = 3
"""TCP; versions and offers; the key exchange."""


class SshTransport(Transport):
    """One SSH connection."""

    def __init__(self, connection: Connection, options: Options) -> None:
        self._connection = connection
        self._options = options
        self._way = way_to(connection, options)
        self._where = f"{self._way.host}:{self._way.port}"
        self._session: Session | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._hop: SshTransport | None = None
        self._host_key: HostKey | None = None
        self._checked = True
        self._may_go_ahead = True

    def connect(self, command: str | None = None) -> None:
        """See ``Transport.connect``."""
        _persist(lambda: self._once(lambda session: self._enter(session, command)), self._options)

    def _once(self, enter: Callable[[Session], None]) -> None:
        """One attempt, from the first byte to ``enter``."""
        self.close()
        try:
            with self._options.gate or nullcontext():
                self._greet()
                assert self._session is not None  # noqa: S101 - for the type checker
                enter(self._session)
        except BaseException:
            self.close()
            raise

    def _greet(self) -> None:
        """Exchanges keys; ``_host_key`` is known afterwards, and not believed yet."""
        options, way = self._options, self._way
        types = list(dict.fromkeys(kind for kind, _ in self._known_keys()))
        sock = self._dial()
        # The kernel watches a TCP line of our own; only a server that hangs is left to find. Behind a jump nobody does.
        look_every_s = options.dead_after_s * (1 / 3 if self._hop or self._process else 2)
        session = self._session = Session(
            sock,
            answer_timeout_s=options.answer_timeout_s,
            look_every_s=look_every_s,
            stall_s=options.dead_after_s * 2 / 3,
        )
        try:
            key = session.greet(types)
        except BROKEN as error:
            raise refusals.no_greeting(self._where, error) from error
        self.round_trips = _GREETING_ROUND_TRIPS + (self._hop.round_trips if self._hop else 0)
        self._host_key = HostKey(way.known_as, key.get_name(), key.asbytes())

    def _dial(self) -> Any:
        way, options = self._way, self._options
        if way.proxy_command:
            stream, self._process = dial.proxy(way.proxy_command, host=way.host, port=way.port, user=way.user)
            return stream
        if not way.jumps:
            return dial.tcp(
                way.host,
                way.port,
                timeout_s=self._connection.timeout_s or options.connect_timeout_s,
                dead_after_s=options.dead_after_s,
            )
        self._hop = jump.borrow(way.jumps, self._connection, options, make=SshTransport)
        hop = self._hop._session
        assert hop is not None  # noqa: S101 - for the type checker
        try:
            return hop.open_channel("direct-tcpip", (way.host, way.port), ("127.0.0.1", 0))
        except BROKEN as error:
            raise Unreachable(
                Text(f"tidak tercapai lewat {way.jumps[-1]}", f"not reached through {way.jumps[-1]}"),
                where=self._where,
                hint=Text("periksa alamat dan port dari komputer perantara", f"look from the jump host: {error}"),
            ) from error

    def _enter(self, session: Session, command: str | None) -> None:
        self._believe()
        ahead = command if self._may_go_ahead else None
        tried: list[str] = []
        allowed: set[str] | None = None
        with contextlib.closing(methods(self._connection, self._way, self._options)) as candidates:
            for method in candidates:
                if isinstance(method, str):
                    tried.append(method)
                    continue
                if allowed is not None and method.kind not in allowed:
                    continue
                tried.append(f"{method.kind} {method.label}".strip())
                self.round_trips += 1
                try:
                    further = session.authenticate(method.attempt, ahead=ahead)
                except paramiko.BadAuthenticationType as error:
                    allowed = set(error.allowed_types)
                except BROKEN as error:
                    if not session.is_active() or "timeout" in str(error):
                        self._give_up(error, tried, ahead)
                else:
                    if not further:
                        return
                    allowed = set(further)
        raise refusals.not_let_in(self._where, self._way.user, tried, allowed)

    def _give_up(self, error: Exception, tried: list[str], ahead: str | None) -> None:
        """The server hung up, or fell silent, in the middle of the authentication."""
        if len(tried) > 1:
            raise refusals.not_let_in(self._where, self._way.user, tried, None) from error
        self._may_go_ahead = self._may_go_ahead and ahead is None
        raise Again(lost(self._where, because=str(error))) from error

    def _believe(self) -> None:
        """Whether the key that the host showed is one we trust.

        Raises:
            HostKeyError: it is not.
        """
        key, way = self._host_key, self._way
        assert key is not None  # noqa: S101 - for the type checker
        keys = self._known_keys()
        if self._known_hosts().revoked(key.name, key.blob):
            raise refusals.revoked_key(self._where, key)
        if any(blob == key.blob for _, blob in keys):
            return
        self._checked = False
        if way.strict == "no":
            return
        if keys:
            raise refusals.changed_key(self._where, key)
        if way.strict != "accept-new" or self._options.known_hosts is None:
            raise refusals.unknown_key(self._where, key)
        trust([key], self._options.known_hosts)

    def _known_keys(self) -> list[tuple[str, bytes]]:
        """As OpenSSH: a host on another port may show the key that is known of its usual one."""
        known = self._known_hosts()
        return known.keys(self._way.known_as) or known.keys(self._way.host)

    def _known_hosts(self) -> KnownHosts:
        ours = self._options.known_hosts
        files = (*(self._way.known_hosts or USER_FILES), *SYSTEM_FILES, *((ours,) if ours else ()))
        return self._options.once(("known_hosts", files), lambda: KnownHosts(files))

    def open(self, command: str) -> Channel:
        """See ``Transport.open``."""
        session = self._session
        if session is None or not self.is_alive():
            raise lost(self._where)
        self.round_trips += 0 if session.went_ahead else 2
        try:
            return SshChannel(session, session.run_command(command), self._where)
        except BROKEN as error:
            raise refusals.no_command(self._where, error, alive=session.is_active()) from error

    def is_alive(self) -> bool:
        """Whether the connection stands, as far as one knows."""
        return self._session is not None and self._session.is_active()

    def describe(self) -> dict[str, str]:
        """See ``Transport.describe``; a key that was taken unchecked says so."""
        key = self._host_key.fingerprint if self._host_key else ""
        return {
            "transport": "ssh",
            "address": self._where,
            "user": self._way.user,
            "host_key": key if self._checked else f"{key} (not checked)",
        }

    def close(self) -> None:
        """See ``Transport.close``."""
        if self._session is not None:
            self._session.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            self._process.wait()
            self._process = None
        if self._hop is not None:
            jump.give_back(self._hop, self._options)
            self._hop = None


def fetch_host_key(connection: Connection, *, options: Options | None = None) -> HostKey:
    """The key that a host shows now, unchecked; the connection is closed before anything is sent to it.

    Raises:
        Unreachable: it shows none.
    """
    transport = SshTransport(connection, options or Options())
    with transport:
        _persist(lambda: transport._once(lambda session: None), transport._options)  # noqa: ARG005
        assert transport._host_key is not None  # noqa: S101 - for the type checker
        return transport._host_key


def _persist(attempt: Callable[[], None], options: Options) -> None:
    """Tries again what may go right in a moment, with growing and uneven waits, for a bounded time in all."""
    began = time.monotonic()
    try:
        attempt()
    except Again:
        from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

        remaining = max(0.0, options.total_timeout_s - (time.monotonic() - began))
        time.sleep(random.uniform(0, min(0.4, remaining)))  # noqa: S311 - it keeps no secret
        try:
            Retrying(
                retry=retry_if_exception_type(Again),
                wait=wait_random_exponential(multiplier=0.4, max=4),
                stop=stop_after_delay(remaining),
                reraise=True,
            )(attempt)
        except Again as again:
            raise again.error from again
