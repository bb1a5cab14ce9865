"""The record: an append-only log of events in SQLite or PostgreSQL, and the short tables that are projected from it."""

from __future__ import annotations

from controller.records.record import Record, from_agent
from controller.records.redact import Redactor
from controller.records.store import FormRow, RunRow, Store
from controller.records.writer import Writer

__all__ = ["FormRow", "Record", "Redactor", "RunRow", "Store", "Writer", "from_agent"]
