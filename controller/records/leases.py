"""Leases: which controller works on which computer, so that no other begins there.

A lease is taken by compare-and-set, renewed while its controller lives, and given back. One that was not renewed in
time is anybody's: of many that want it one gets it. All times are the database's, so that the clocks of controllers do
not matter; a clock that jumps makes a lease void at worst, and then the computer's own lock says who is at work.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from controller.records.database import QUICK, Database

TTL_S = 60.0
"""So long after its last renewal a lease holds."""
_TRIES = 5

_NOW_SQLITE = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
_NOW_POSTGRESQL = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
"""Milliseconds since 1970 by the database's clock."""


@dataclass(frozen=True)
class Lease:
    """A lease that somebody else holds; seconds from now by the database's clock."""

    run: str
    host: str
    owner: str
    since_s: float
    """How long ago it was taken."""
    left_s: float | None
    """How long its work may take yet, by its plan; None where nobody knows."""
    expires_s: float
    """When it is void unless it is renewed."""


class Leases:
    """The leases of one controller."""

    def __init__(self, database: Database, owner: str, *, ttl_s: float = TTL_S) -> None:
        """Takes nothing yet.

        Args:
            database: of the records.
            owner: as others are told.
            ttl_s: how long a lease holds without being renewed; the same for all controllers of a database.
        """
        self._database = database
        self._owner = owner
        self._ttl_ms = int(ttl_s * 1000)
        self._now = _NOW_SQLITE if database.is_sqlite else _NOW_POSTGRESQL
        self.holder = os.urandom(8).hex()
        self._process = this_process()

    def take(self, computer: str, *, host: str, run: str, lasts_s: float | None = None) -> Lease | None:
        """Take a lease, or take it again; one that is void is taken over.

        Args:
            computer: which.
            host: under which name we work on it; under another name it is somebody else's, also if that is we.
            run: what for.
            lasts_s: how long that takes at most; None where nobody knows.

        Returns:
            None where we hold it now, else who does.

        Raises:
            RecordError: the record cannot be kept.
        """
        dead = ""
        for _ in range(_TRIES):
            row = self._try(computer, host=host, run=run, lasts_s=lasts_s, dead=dead)
            if row is None:
                return None
            lease, holder, process = row
            if lease.expires_s > 0 and (process == self._process or not is_gone(process)):
                break
            dead = holder
        return lease

    def _try(
        self, computer: str, *, host: str, run: str, lasts_s: float | None, dead: str
    ) -> tuple[Lease, str, str] | None:
        """One compare-and-set: None where it is ours now, else whose it is, its holder and that one's process."""
        now = self._now
        with self._database.transaction(QUICK) as transaction:
            taken = transaction.execute(
                "INSERT INTO lease (computer, host, run, owner, holder, process, since, ends, expires)"  # noqa: S608
                f" VALUES (?, ?, ?, ?, ?, ?, {now}, {now} + CAST(? AS BIGINT), {now} + ?)"
                " ON CONFLICT (computer) DO UPDATE SET host = excluded.host, run = excluded.run,"
                " owner = excluded.owner, holder = excluded.holder, process = excluded.process, ends = excluded.ends,"
                " expires = excluded.expires, since = CASE WHEN lease.holder = excluded.holder"
                " AND lease.host = excluded.host AND lease.run = excluded.run THEN lease.since ELSE excluded.since END"
                " WHERE (lease.holder = excluded.holder AND lease.host = excluded.host) OR lease.holder = ?"
                # What ends too far ahead was renewed before a clock was set back.
                f" OR lease.expires <= {now} OR lease.expires > {now} + ? RETURNING 1",
                [
                    *(computer, host, run, self._owner, self.holder, self._process),
                    *(None if lasts_s is None else int(lasts_s * 1000), self._ttl_ms, dead, 2 * self._ttl_ms),
                ],
            )
            if taken:
                return None
            rows = transaction.execute(
                f"SELECT run, host, owner, {now} - since, ends - {now}, expires - {now}, holder, process"  # noqa: S608
                " FROM lease WHERE computer = ?",
                [computer],
            )
        if not rows:  # given back between the two, where others are let in between
            return Lease(run, host, self._owner, 0.0, None, 0.0), "", ""
        other_run, other_host, owner, since_ms, left_ms, expires_ms, holder, process = rows[0]
        left_s = None if left_ms is None else float(left_ms) / 1000
        lease = Lease(other_run, other_host, owner, max(0.0, float(since_ms) / 1000), left_s, float(expires_ms) / 1000)
        return lease, str(holder), str(process)

    def renew(self) -> None:
        """Let all that are ours hold on.

        Raises:
            RecordError: the record cannot be kept.
        """
        with self._database.transaction(QUICK) as transaction:
            transaction.execute(
                f"UPDATE lease SET expires = {self._now} + ? WHERE holder = ?",  # noqa: S608
                [self._ttl_ms, self.holder],
            )

    def give_back(self, computer: str, *, host: str) -> None:
        """Let go of one that is ours; harmless where it is not.

        Raises:
            RecordError: the record cannot be kept.
        """
        with self._database.transaction(QUICK) as transaction:
            transaction.execute(
                "DELETE FROM lease WHERE computer = ? AND holder = ? AND host = ?", [computer, self.holder, host]
            )

    def give_back_all(self) -> None:
        """Let go of everything that is ours.

        Raises:
            RecordError: the record cannot be kept.
        """
        with self._database.transaction(QUICK) as transaction:
            transaction.execute("DELETE FROM lease WHERE holder = ?", [self.holder])


def this_process() -> str:
    """This process so that others on this computer can see whether it lives: boot, process space, number, beginning.

    Empty where that cannot be told; then a lease of ours is void when it expires, and no sooner. Source: proc(5),
    pid_namespaces(7).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {os.getpid()} {began(os.getpid())}"
    except OSError:
        return ""


def is_gone(process: str) -> bool:
    """Whether a process named by ``this_process`` is gone for certain: it was on this computer, and lives no more."""
    ours = this_process().split()
    theirs = process.split()
    if len(ours) != 4 or len(theirs) != 4 or ours[:2] != theirs[:2]:
        return False
    return began(int(theirs[2])) != theirs[3]


def began(pid: int) -> str | None:
    """When a process of this computer began, in ticks since boot; None where it is gone. Source: proc(5), stat."""
    try:
        state, *more = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if state in "ZX" else more[18]
