"""Whoever watches a run cannot disturb it: a window that is closed is no reason to leave a computer half done."""

from __future__ import annotations

from collections.abc import Callable

from controller.records import Record
from controller.run.work import HostResult, HostWork, Observer


class Guarded:
    """An observer that may fail: its first exception is kept in ``failure``, and it is told nothing more."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self.failure: Exception | None = None

    def event(self, record: Record) -> None:
        """See ``Observer``."""
        self._tell(lambda: self._observer.event(record))

    def asked(self, host: str) -> None:
        """See ``Observer``."""
        self._tell(lambda: self._observer.asked(host))

    def pushing(self, host: str, name: str, sent_bytes: int, size_bytes: int) -> None:
        """See ``Observer``."""
        self._tell(lambda: self._observer.pushing(host, name, sent_bytes, size_bytes))

    def ended(self, work: HostWork, result: HostResult) -> None:
        """See ``Observer``."""
        self._tell(lambda: self._observer.ended(work, result))

    def _tell(self, call: Callable[[], None]) -> None:
        if self.failure is not None:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001 - handed on with the run's result
            self.failure = error
