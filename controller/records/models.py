# mypy: disable-error-code="var-annotated"
# ruff: noqa: D106
"""The tables, as Django migrates them. ``event`` is the record itself; the rest is projected from it.

The runs read and write these tables through :mod:`controller.records.store`, which speaks SQL and does not import this
module; see ``docs/decisions/0010-records-without-the-orm.md``.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Event(models.Model):
    """One record, never changed. ``body`` is the whole record as JSON; the columns beside it are what is asked for."""

    id = models.BigAutoField(primary_key=True)
    run = models.CharField(max_length=64)
    host = models.CharField(max_length=255)
    form = models.CharField(max_length=32)
    source = models.CharField(max_length=16)
    writer = models.CharField(max_length=16)
    seq = models.BigIntegerField()
    type = models.CharField(max_length=32)
    at = models.CharField(max_length=32)
    body = models.TextField()

    class Meta:
        db_table = "event"
        constraints: ClassVar = [
            # A record twice is a record once.
            models.UniqueConstraint(fields=["run", "host", "form", "source", "writer", "seq"], name="event_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["form", "type"], name="event_form_type")]


class Run(models.Model):
    """A command given once, on some hosts."""

    id = models.CharField(primary_key=True, max_length=64)
    opened_at = models.CharField(max_length=32)
    command = models.CharField(max_length=32)
    by = models.CharField(max_length=255)
    ended_at = models.CharField(max_length=32, null=True)

    class Meta:
        db_table = "run"
        indexes: ClassVar = [models.Index(fields=["opened_at"], name="run_opened_at")]


class Form(models.Model):
    """A software on a computer: one Form Instalasi, and how far it is."""

    number = models.CharField(primary_key=True, max_length=32)
    run = models.CharField(max_length=64)
    host = models.CharField(max_length=255)
    software = models.CharField(max_length=255)
    version = models.CharField(max_length=255)
    location = models.CharField(max_length=16)
    mode = models.CharField(max_length=16)
    opened_at = models.CharField(max_length=32)
    state = models.CharField(max_length=32)
    step = models.IntegerField(null=True)
    verdict = models.CharField(max_length=16, null=True)
    ended_at = models.CharField(max_length=32, null=True)

    class Meta:
        db_table = "form"
        indexes: ClassVar = [
            models.Index(fields=["run", "host"], name="form_run_host"),
            models.Index(fields=["host", "software"], name="form_host_software"),
            models.Index(fields=["state"], name="form_state"),
        ]


class Lease(models.Model):
    """Which controller works on a computer now; what it means, and how it is taken: ``controller.records.leases``.

    Times are milliseconds since 1970 by the database's own clock.
    """

    computer = models.TextField(primary_key=True)
    host = models.CharField(max_length=255)
    run = models.CharField(max_length=255)
    owner = models.CharField(max_length=255)
    holder = models.CharField(max_length=32)
    process = models.CharField(max_length=255)
    since = models.BigIntegerField()
    ends = models.BigIntegerField(null=True)
    expires = models.BigIntegerField()

    class Meta:
        db_table = "lease"
        indexes: ClassVar = [models.Index(fields=["holder"], name="lease_holder")]


class FormSeries(models.Model):
    """The last form number given out in a year."""

    year = models.IntegerField(primary_key=True)
    last = models.IntegerField()

    class Meta:
        db_table = "form_series"
