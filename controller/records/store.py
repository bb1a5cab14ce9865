"""The store: append records, ask for them, give out form numbers.

``event`` is the truth and is only ever appended to. ``run`` and ``form`` answer the frequent questions (which run was
the last, which computers are still open) and are brought forward in the same transaction that appends.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from controller.records.database import USUAL, Database, Transaction
from controller.records.leases import Leases
from controller.records.record import OPEN_OUTCOMES, Pen, Record, encode, now
from controller.records.redact import Redactor
from controller.settings import Secret

if TYPE_CHECKING:
    from agent.faults import Fault

_INSERT = """INSERT INTO event (run, host, form, source, writer, seq, type, at, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, host, form, source, writer, seq) DO NOTHING"""
_COLUMNS = "number, run, host, software, version, location, mode, opened_at, state, step, verdict, ended_at"
_SIGNED = "EXISTS (SELECT 1 FROM event WHERE event.form = form.number AND event.type = 'signed')"


@dataclass(frozen=True)
class RunRow:
    """A run, as the list of runs shows it. Times are RFC 3339 in UTC; ``ended_at`` is None while it is open."""

    id: str
    opened_at: str
    command: str
    by: str
    ended_at: str | None


@dataclass(frozen=True)
class FormRow:
    """A form (a host run), as the list of forms shows it.

    ``state`` is the outcome of the last ``host_ended``, and ``running`` before there is one.
    """

    number: str
    run: str
    host: str
    software: str
    version: str
    location: str
    mode: str
    opened_at: str
    state: str
    step: int | None
    verdict: str | None
    ended_at: str | None
    signed: bool


class Store:
    """The record of one installation of Pasang. Safe to share between threads; close it, or use it in ``with``."""

    def __init__(
        self, url: str | Secret, *, redactor: Redactor | None = None, clock: Callable[[], datetime] = now
    ) -> None:
        """Opens the database, creating and migrating it as needed.

        Args:
            url: ``sqlite:///PATH`` or ``postgresql://…``.
            redactor: knows the secrets of the fleet; replace ``store.redactor`` once the inventory has been read.
            clock: of the controller's own records.

        Raises:
            InputError: the URL names no database we know.
            RecordError: the database cannot be opened.
        """
        self._database = Database(url.reveal() if isinstance(url, Secret) else url)
        self.redactor = redactor or Redactor()
        self.pen = Pen(clock)
        self._fault = _armed()
        self._passed: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def leases(self, owner: str) -> Leases:
        """The leases that a controller takes; ``owner`` is who others are told."""
        return Leases(self._database, owner)

    # Writing

    def record(self, type: str, *, run: str, host: str = "", form: str = "", **fields: object) -> Record:
        """A new record of this controller, stamped and without secrets; hand it to ``append`` or a ``Writer``."""
        return self.redactor.redact(self.pen.record(type, run=run, host=host, form=form, **fields))

    def allocate_form_numbers(self, year: int, count: int) -> list[str]:
        """Numbers that no other form has or will have, ascending; those never used leave a gap, and that is allowed."""
        with self._database.transaction() as transaction:
            transaction.execute(
                "INSERT INTO form_series (year, last) VALUES (?, ?)"
                " ON CONFLICT (year) DO UPDATE SET last = form_series.last + excluded.last",
                [year, count],
            )
            last = int(transaction.execute("SELECT last FROM form_series WHERE year = ?", [year])[0][0])
        return [f"FI-{year:04d}-{number:06d}" for number in range(last - count + 1, last + 1)]

    def append(self, records: Sequence[Record], *, commit: str = USUAL) -> int:
        """Stores records in one transaction, without secrets. A record twice is a record once.

        Args:
            records: in the order in which they happened.
            commit: ``DURABLE`` for what nobody can tell us again: that something was ordered, decided, signed.

        Returns:
            How many were new.

        Raises:
            RecordError: they could not be stored; none of them was.
        """
        if not records:
            return 0
        clean = [self.redactor.redact(record) for record in records]
        rows = [
            (
                r["run"],
                r.get("host", ""),
                r.get("form", ""),
                r["source"],
                r.get("writer", ""),
                r["seq"],
                r["type"],
                r["at"],
                encode(r),
            )
            for r in clean
        ]
        points = self._points(clean) if self._fault else []
        self._reach(points, "before")
        with self._database.transaction(commit) as transaction:
            new = transaction.execute_many(_INSERT, rows)
            for record in clean:
                if record["source"] == "controller":
                    _project(transaction, record)
        self._reach(points, "after")
        return new

    def _points(self, records: Iterable[Record]) -> list[str]:
        """The names of records that are about to be stored: ``controller:pushed#1``, ``controller:agent.intent#2``."""
        names = []
        for record in records:
            kind = record["type"] if record["source"] == "controller" else f"{record['source']}.{record['type']}"
            self._passed[kind] += 1
            names.append(f"controller:{kind}#{self._passed[kind]}")
        return names

    def _reach(self, points: Iterable[str], place: str) -> None:
        for point in points:
            if self._fault:
                self._fault.reach(f"{point}:{place}")

    # Reading

    def events(self, *, form: str | None = None, run: str | None = None, host: str | None = None) -> list[Record]:
        """Records in the order in which they were stored: all of a form, or of a run, or of a host within a run."""
        wanted = {"form": form, "run": run, "host": host}
        where, parameters = _where(wanted)
        rows = self._database.query(f"SELECT body FROM event{where} ORDER BY id", parameters)  # noqa: S608
        return [json.loads(body) for (body,) in rows]

    def forms(
        self,
        *,
        host: str | None = None,
        software: str | None = None,
        run: str | None = None,
        states: Iterable[str] | None = None,
        limit: int | None = None,
    ) -> list[FormRow]:
        """Forms that fit every filter given, newest first."""
        where, parameters = _where({"host": host, "software": software, "run": run}, states=states)
        sql = f"SELECT {_COLUMNS}, {_SIGNED} FROM form{where} ORDER BY opened_at DESC, number DESC"  # noqa: S608
        if limit is not None:
            sql += " LIMIT ?"
            parameters.append(limit)
        return [_form_row(row) for row in self._database.query(sql, parameters)]

    def form(self, number: str) -> FormRow | None:
        """One form; None where there is none of this number."""
        sql = f"SELECT {_COLUMNS}, {_SIGNED} FROM form WHERE number = ?"  # noqa: S608
        return next((_form_row(row) for row in self._database.query(sql, [number])), None)

    def run(self, id: str) -> RunRow | None:
        """One run; None where there is none of this name."""
        rows = self._database.query("SELECT id, opened_at, command, by, ended_at FROM run WHERE id = ?", [id])
        return RunRow(*rows[0]) if rows else None

    def last_run(self) -> RunRow | None:
        """The run opened last; None where there was none yet."""
        rows = self._database.query(
            "SELECT id, opened_at, command, by, ended_at FROM run ORDER BY opened_at DESC, id DESC LIMIT 1"
        )
        return RunRow(*rows[0]) if rows else None

    def open_forms(self, run: str | None = None) -> list[FormRow]:
        """Forms whose computer still has work of ours, by host: what ``resume`` goes on with.

        Beside those running or waiting for a decision or a reboot: those unreachable *after* the agent had spoken or
        the line had dropped, for then work may be going on there; and those that need a person because the agent
        stopped in the middle or waits for one, for it goes on when it is asked again.
        """
        where, parameters = _where({"run": run})
        condition = (
            f"(state IN ({', '.join('?' * len(OPEN_OUTCOMES))})"  # noqa: S608 - question marks only
            " OR (state = 'unreachable' AND EXISTS (SELECT 1 FROM event"
            " WHERE event.form = form.number AND (event.source = 'agent' OR event.type = 'line_lost')))"
            " OR (state = 'needs_person' AND EXISTS (SELECT 1 FROM event WHERE event.form = form.number"
            " AND event.source = 'agent') AND NOT EXISTS (SELECT 1 FROM event WHERE event.form = form.number"
            " AND event.source = 'agent' AND event.type = 'run_ended')))"
        )
        glue = " AND " if where else " WHERE "
        sql = f"SELECT {_COLUMNS}, {_SIGNED} FROM form{where}{glue}{condition} ORDER BY host, number"  # noqa: S608
        return [_form_row(row) for row in self._database.query(sql, [*parameters, *OPEN_OUTCOMES])]

    def stop_of(self, form: str) -> Record | None:
        """A person's order to stop the work of a form, the first one; None where nobody gave one."""
        sql = "SELECT body FROM event WHERE form = ? AND type = 'stop_asked' ORDER BY id LIMIT 1"
        rows = self._database.query(sql, [form])
        return json.loads(rows[0][0]) if rows else None

    def last_agent_seq(self, form: str) -> int:
        """The number of the last record of the agent that we have for a form; 0 where we have none."""
        rows = self._database.query("SELECT MAX(seq) FROM event WHERE form = ? AND source = 'agent'", [form])
        return int(rows[0][0] or 0)


def _armed() -> Fault | None:
    """The fault that a test has armed for this process; None, as ever but in tests."""
    path = os.environ.get("PASANG_FAULT")
    if path is None:
        return None
    from agent.faults import Fault

    return Fault(path)


def _where(equal: Mapping[str, str | None], *, states: Iterable[str] | None = None) -> tuple[str, list[object]]:
    """A WHERE clause of the conditions that were given; column names come from this module alone."""
    conditions = [f"{column} = ?" for column, value in equal.items() if value is not None]
    parameters: list[object] = [value for value in equal.values() if value is not None]
    if states is not None:
        wanted = sorted(set(states))
        conditions.append(f"state IN ({', '.join('?' * len(wanted))})" if wanted else "1 = 0")
        parameters.extend(wanted)
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), parameters


def _form_row(row: tuple[Any, ...]) -> FormRow:
    return FormRow(*(*row[:-1], bool(row[-1])))


def _project(transaction: Transaction, record: Record) -> None:
    """Brings ``run`` and ``form`` forward; the same record twice changes nothing."""
    match record["type"]:
        case "run_opened":
            transaction.execute(
                "INSERT INTO run (id, opened_at, command, by) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                [record["run"], record["at"], str(record.get("command", "")), str(record.get("by", ""))],
            )
        case "run_ended":
            transaction.execute("UPDATE run SET ended_at = ? WHERE id = ?", [record["at"], record["run"]])
        case "form_opened":
            _open_form(transaction, record)
        case "host_ended":
            rollback = record.get("rollback")
            transaction.execute(
                "UPDATE form SET state = ?, step = ?, verdict = ?, ended_at = ?"
                " WHERE number = ? AND (ended_at IS NULL OR ended_at <= ?)",
                [
                    str(record["outcome"]),
                    record.get("step"),
                    rollback.get("verdict") if isinstance(rollback, dict) else None,
                    record["at"],
                    record["form"],
                    record["at"],
                ],
            )


def _open_form(transaction: Transaction, record: Record) -> None:
    software = record.get("software")
    name, version = (
        (str(software.get("name", "")), str(software.get("version", "")))
        if isinstance(software, dict)
        else (str(software or ""), str(record.get("version", "")))
    )
    transaction.execute(
        "INSERT INTO form (number, run, host, software, version, location, mode, opened_at, state)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running') ON CONFLICT (number) DO NOTHING",
        [
            str(record.get("number") or record["form"]),
            record["run"],
            record["host"],
            name,
            version,
            str(record.get("location", "")),
            str(record.get("mode", "")),
            record["at"],
        ],
    )
