"""Group commit: many hosts hand in records, one thread stores them in few transactions."""

from __future__ import annotations

import queue
import threading
import time
from typing import Self

from controller.errors import RecordError
from controller.records.record import Record
from controller.records.store import Store
from controller.text import Text


class Writer:
    """Takes records from any thread and commits them in groups.

    The first failure ends the keeping of records: it is raised at every ``put``, ``flush`` and ``close`` from then on,
    so that nothing new is begun that would not be on record.
    """

    def __init__(self, store: Store, *, group_s: float = 0.05, group_size: int = 500) -> None:
        """Starts the thread.

        Args:
            store: where the records go; stays open when the writer closes.
            group_s: how long a record may wait for others.
            group_size: a group of so many records is committed at once.
        """
        self._store = store
        self._group_s = group_s
        self._group_size = group_size
        # Bounded: hosts that report faster than the disk takes it wait here instead of filling the memory.
        self._queue: queue.Queue[Record | threading.Event | None] = queue.Queue(maxsize=20 * group_size)
        self._failure: RecordError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="records", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._stop()  # what was raised is more to the point than a failure to store it

    def fail(self, error: RecordError) -> None:
        """The record turned out to be lost otherwise: from now on as if a record could not be stored."""
        self._failure = self._failure or error

    def check(self) -> None:
        """Nothing, as long as records can be kept.

        Raises:
            RecordError: an earlier record could not be stored.
        """
        if self._failure is not None:
            raise self._failure

    def put(self, record: Record) -> None:
        """Hands in one record; it is on disk after the next ``flush`` at the latest.

        Raises:
            RecordError: an earlier record could not be stored, or the writer is closed.
        """
        self.check()
        if self._closed:
            raise RecordError(Text("pencatatan sudah ditutup", "the record has been closed"))
        self._queue.put(record)

    def flush(self) -> None:
        """Waits until everything handed in before is on disk.

        Raises:
            RecordError: it could not be stored.
        """
        self.check()
        done = threading.Event()
        self._queue.put(done)
        done.wait()
        self.check()

    def close(self) -> None:
        """Stores what was handed in and ends the thread; harmless twice.

        Raises:
            RecordError: something could not be stored.
        """
        self._stop()
        self.check()

    def _stop(self) -> None:
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        is_open = True
        while is_open:
            group: list[Record] = []
            waiting: list[threading.Event] = []
            deadline: float | None = None
            while len(group) < self._group_size:
                try:
                    item = self._queue.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    break
                if item is None:
                    is_open = False
                    break
                if isinstance(item, threading.Event):
                    waiting.append(item)
                    break
                group.append(item)
                deadline = deadline or time.monotonic() + self._group_s
            self._commit(group)
            for event in waiting:
                event.set()

    def _commit(self, group: list[Record]) -> None:
        if self._failure is not None:
            return  # drained, so that nobody waits for room in the queue; each learns of it at the next call
        try:
            self._store.append(group)
        except RecordError as error:
            self.fail(error)
        except Exception as error:  # noqa: BLE001 - a record we cannot even encode is a record not kept
            self.fail(_unkept(error))


def _unkept(error: Exception) -> RecordError:
    said = f"{type(error).__name__}: {error}"
    failure = RecordError(
        Text(f"sebuah catatan tidak dapat disimpan ({said})", f"a record cannot be kept ({said})"),
        hint=Text("jalankan `pasang resume` setelah sebabnya diatasi", "run `pasang resume` once the cause is mended"),
    )
    failure.__cause__ = error
    return failure
