"""One connection to SQLite or PostgreSQL, shared by the threads of a controller under a lock.

The SQL in this package is what both understand; parameters are written ``?``.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from controller.errors import InputError, RecordError
from controller.records import schema
from controller.text import Text

BUSY_TIMEOUT_S = 20
"""How long another program may hold an SQLite database before that counts as lost."""
SILENCE_S = 30.0
"""How long PostgreSQL may take to answer, however it is lost: stopped, hung, or the line to it cut without a word."""
CONNECT_S = 10
STANDSTILL_S = 10
FULL_BYTES = 128 * 1024
"""With less SQLite cannot begin."""
QUICK, USUAL, DURABLE = "quick", "usual", "durable"
"""How much a commit waits for: nothing that it need not; so that a killed controller loses nothing; and a power cut
neither. Records that computers can tell again need no more than the second."""


class Database:
    """An open database with the tables of this version.

    One connection for all threads: nothing is left open by a thread that ends, and only one thread writes anyway.
    """

    def __init__(self, url: str) -> None:
        """Opens, creates and migrates as needed.

        Raises:
            InputError: the URL names no database we know.
            RecordError: the database cannot be opened, or belongs to a newer version.
        """
        self.is_sqlite = url.startswith("sqlite:///")
        self.place = url.removeprefix("sqlite:///") if self.is_sqlite else "PostgreSQL"
        if not self.is_sqlite and not url.startswith(("postgresql://", "postgres://")):
            raise InputError(
                Text("alamat basis data tidak dikenal", "the database URL is not understood"),
                where="PASANG_DATABASE_URL",
                hint=Text(
                    "tulis sqlite:///JALUR atau postgresql://PENGGUNA@SERVER/NAMA",
                    "write sqlite:///PATH or postgresql://USER@SERVER/NAME",
                ),
            )
        self._lock = threading.RLock()
        self._errors: tuple[type[Exception], ...] = (sqlite3.Error, OSError)
        self._asked_at: float | None = None
        self._closed = threading.Event()
        with self._mapped():
            self._connection: Any = self._open_sqlite() if self.is_sqlite else self._open_postgresql(url)
        if not self.is_sqlite:
            threading.Thread(target=self._watch, name="database", daemon=True).start()
        try:
            self._bring_up_to_date(url)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection; the database object is of no use afterwards."""
        self._closed.set()
        with self._lock, self._mapped():
            self._connection.close()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        with self._lock, self._mapped(), self._asking():
            rows: list[tuple[Any, ...]] = self._connection.execute(self._dialect(sql), parameters).fetchall()
            return rows

    @contextmanager
    def transaction(self, commit: str = USUAL) -> Iterator[Transaction]:
        """All or nothing; other controllers wait meanwhile (SQLite) or see nothing of it yet (PostgreSQL).

        Args:
            commit: ``QUICK``, ``USUAL`` or ``DURABLE``.
        """
        with self._lock, self._mapped(), self._asking():
            if self.is_sqlite:
                self._connection.execute(f"PRAGMA synchronous={'FULL' if commit == DURABLE else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            try:
                if commit == QUICK and not self.is_sqlite:
                    self._connection.execute("SET LOCAL synchronous_commit TO OFF")
                yield Transaction(self)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """In here an answer of the database is waited for."""
        former, self._asked_at = self._asked_at, self._asked_at or time.monotonic()
        try:
            yield
        finally:
            self._asked_at = former

    def _watch(self) -> None:
        """Cut the line to a server that does not answer: whoever waits for it is told that it is lost."""
        while not self._closed.wait(SILENCE_S / 10):
            asked_at = self._asked_at
            if asked_at is not None and time.monotonic() - asked_at > SILENCE_S:
                with suppress(*self._errors), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
                return

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except self._errors:
            # The first error is the one to report; SQLite has rolled back by itself where the disk is full.
            return

    def _open_sqlite(self) -> sqlite3.Connection:
        path = Path(self.place)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The record names people and computers: nobody else on this machine reads it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        _log_ahead(connection)
        return connection

    def _open_postgresql(self, url: str) -> Any:
        import psycopg

        self._errors = (psycopg.Error, OSError)
        given = psycopg.conninfo.conninfo_to_dict(url)
        connection = psycopg.connect(
            url, autocommit=True, connect_timeout=int(given.get("connect_timeout") or CONNECT_S)
        )
        # A controller that stands still in the middle of something must not stop the others.
        connection.execute(f"SET idle_in_transaction_session_timeout TO '{STANDSTILL_S}s'")
        return connection

    def _bring_up_to_date(self, url: str) -> None:
        """One question where there is nothing to do, so that a second run pays nothing for migrations."""
        applied = self._migrations()
        if applied and applied[-1] > schema.LATEST:
            raise RecordError(
                Text("basis data dibuat oleh versi Pasang yang lebih baru", "the database belongs to a newer Pasang"),
                where=self.place,
                hint=Text("perbarui Pasang di komputer ini", "update Pasang on this computer"),
            )
        if not applied or applied[-1] != schema.LATEST:
            self._errors = (*self._errors, *schema.errors())
            with self._mapped():
                schema.migrate(url)

    def _migrations(self) -> list[str]:
        catalogue = "sqlite_master WHERE name" if self.is_sqlite else "pg_tables WHERE tablename"
        if not self.query(f"SELECT 1 FROM {catalogue} = ?", ["django_migrations"]):  # noqa: S608 - two constants
            return []
        rows = self.query("SELECT name FROM django_migrations WHERE app = ? ORDER BY name", ["records"])
        return [str(name) for (name,) in rows]

    def _dialect(self, sql: str) -> str:
        return sql if self.is_sqlite else sql.replace("?", "%s")

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise _record_error(error, self.place, is_full=self.is_sqlite and _is_full(Path(self.place))) from error


class Transaction:
    """What may be done within ``Database.transaction``."""

    def __init__(self, database: Database) -> None:
        self._connection = database._connection
        self._dialect = database._dialect

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement.

        Returns:
            Its rows; empty for a statement that has none.
        """
        cursor = self._connection.execute(self._dialect(sql), parameters)
        return cursor.fetchall() if cursor.description else []

    def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> int:
        """Runs a statement for each row; returns how many rows of the table it touched in all."""
        cursor = self._connection.cursor()
        cursor.executemany(self._dialect(sql), rows)
        return int(cursor.rowcount)


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Turn a database to write-ahead logging; where several want to at once, SQLite refuses instead of waiting."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _is_full(path: Path) -> bool:
    """Whether the disk of a database has no room: SQLite calls that by many names."""
    try:
        disk = os.statvfs(path if path.exists() else path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < FULL_BYTES


def _record_error(error: Exception, place: str, *, is_full: bool) -> RecordError:
    """What stands between us and the record, and what to do about it."""
    said = (str(error) or type(error).__name__).splitlines()[0]
    lower = said.lower()
    if is_full or "full" in lower or "no space" in lower:
        hint = Text("sediakan ruang disk, lalu jalankan `pasang resume`", "free some disk space, then `pasang resume`")
    elif "locked" in lower:
        hint = Text(
            "proses lain menahan basis data; tunggu atau hentikan proses itu, lalu jalankan `pasang resume`",
            "another process holds the database; wait or end it, then `pasang resume`",
        )
    elif "readonly" in lower or "read-only" in lower or "permission" in lower or "unable to open" in lower:
        hint = Text("periksa hak tulis pada berkas dan foldernya", "check the permissions of the file and its folder")
    elif "malformed" in lower or "not a database" in lower:
        hint = Text(
            "pulihkan berkas itu dari cadangan, atau pindahkan agar dibuat yang baru",
            "restore the file from a backup, or move it away so that a new one is made",
        )
    else:
        hint = Text(
            "periksa basis data dan PASANG_DATABASE_URL; yang sedang bekerja di komputer selesai sendiri, hasilnya"
            " dibaca oleh `pasang resume`",
            "check the database and PASANG_DATABASE_URL; what is at work on computers finishes by itself, and"
            " `pasang resume` reads how",
        )
    return RecordError(
        Text(f"catatan tidak dapat disimpan: {said}", f"the record cannot be kept: {said}"), where=place, hint=hint
    )
