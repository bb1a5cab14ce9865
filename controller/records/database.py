"""One connection to SQLite or PostgreSQL, shared by the threads of a controller under a lock.

The SQL in this package is what both understand; parameters are written ``?``.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controller.errors import InputError, RecordError
from controller.records import schema
from controller.text import Text

BUSY_TIMEOUT_S = 20


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
        with self._mapped():
            self._connection: Any = self._open_sqlite() if self.is_sqlite else self._open_postgresql(url)
        try:
            self._bring_up_to_date(url)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection; the database object is of no use afterwards."""
        with self._lock, self._mapped():
            self._connection.close()

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        with self._lock, self._mapped():
            rows: list[tuple[Any, ...]] = self._connection.execute(self._dialect(sql), parameters).fetchall()
            return rows

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing; other controllers wait meanwhile (SQLite) or see nothing of it yet (PostgreSQL)."""
        with self._lock, self._mapped():
            self._connection.execute("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            try:
                yield Transaction(self)
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

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
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _open_postgresql(self, url: str) -> Any:
        import psycopg

        self._errors = (psycopg.Error, OSError)
        return psycopg.connect(url, autocommit=True)

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
            raise _record_error(error, self.place) from error


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


def _record_error(error: Exception, place: str) -> RecordError:
    """What stands between us and the record, and what to do about it."""
    said = (str(error) or type(error).__name__).splitlines()[0]
    lower = said.lower()
    if "full" in lower or "no space" in lower:
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
            "periksa basis data dan PASANG_DATABASE_URL, lalu jalankan `pasang resume`",
            "check the database and PASANG_DATABASE_URL, then `pasang resume`",
        )
    return RecordError(
        Text(f"catatan tidak dapat disimpan: {said}", f"the record cannot be kept: {said}"), where=place, hint=hint
    )
