"""Computers held in the record while this controller works on them, and the thread that renews that while it lives."""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable

from controller.errors import RecordError
from controller.inventory import Host
from controller.records import Leases
from controller.run.work import HostWork

RENEW_S = 15.0
"""How often leases are renewed: thrice may fail before they are void."""


class Keeper:
    """Takes, renews and gives back the leases of one controller. Safe to share between threads; close it."""

    def __init__(self, leases: Leases, fail: Callable[[RecordError], None]) -> None:
        """Holds nothing yet.

        Args:
            leases: of this controller.
            fail: told where they cannot be renewed: then nothing new may begin.
        """
        self._leases = leases
        self._fail = fail
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def take(self, work: HostWork) -> None:
        """Hold a computer for a work, or hold it on.

        Raises:
            Busy: another controller works on it, or this one under another name.
            RecordError: the record cannot be kept.
        """
        lasts_s = work.plan.lasts_s() if work.plan is not None else None
        other = self._leases.take(place_of(work.host), host=work.host.name, run=work.id, lasts_s=lasts_s)
        if other is not None:
            from controller.run.held import of_lease  # most computers are free

            raise of_lease(other).error()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._thread.start()

    def give_back(self, host: Host) -> None:
        """Let go of a computer; harmless where it is not held.

        Raises:
            RecordError: the record cannot be kept.
        """
        self._leases.give_back(place_of(host), host=host.name)

    def close(self) -> None:
        """Let go of everything. What cannot be given back is void when it expires."""
        self._closed.set()
        if self._thread is None:
            return
        self._thread.join()
        try:
            self._leases.give_back_all()
        except RecordError:
            return

    def _renew(self) -> None:
        while not self._closed.wait(RENEW_S):
            try:
                self._leases.renew()
            except RecordError as error:
                self._fail(error)
                return


def place_of(host: Host) -> str:
    """What a lease is for: the computer under its name and at its address.

    Another name for the same computer is not known here, as one address may be two computers behind two gateways: it is
    the lock on the computer itself that tells.
    """
    connection = host.connection
    address = platform.node() if connection.kind == "local" else connection.address
    return f"{host.name} {connection.kind}://{address}:{connection.port or ''}"
