"""The record: an append-only log of events in SQLite or PostgreSQL, and the short tables that are projected from it."""

from __future__ import annotations

from controller.records.database import DURABLE
from controller.records.leases import Lease, Leases
from controller.records.record import OPEN_OUTCOMES, Record, from_agent
from controller.records.redact import Redactor, spellings
from controller.records.store import FormRow, RunRow, Store
from controller.records.writer import Writer

__all__ = [
    "DURABLE",
    "OPEN_OUTCOMES",
    "FormRow",
    "Lease",
    "Leases",
    "Record",
    "Redactor",
    "RunRow",
    "Store",
    "Writer",
    "from_agent",
    "spellings",
]
