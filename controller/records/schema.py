"""Brings a database to the tables of this version. Only this module imports Django, and only when there is work."""

from __future__ import annotations

import hashlib
from typing import Any

LATEST = "0002_lease"
"""The last migration: a database whose last one this is needs nothing. A test compares it with the folder."""

_ADVISORY_LOCK = 0x7061_7361  # any constant all controllers agree on


def django_database(url: str) -> dict[str, Any]:
    """The entry of Django's ``DATABASES`` for a database URL.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://…`` as libpq takes it.
    """
    if url.startswith("sqlite:///"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            },
        }
    from psycopg.conninfo import conninfo_to_dict

    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": parts,
    }


def set_up() -> None:
    """Django with the records alone; nothing where somebody (the console) has set it up already."""
    from django.apps import apps
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=["controller.records"],
            DATABASES={},
            USE_TZ=True,
            USE_I18N=False,
            LOGGING_CONFIG=None,
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        )
    # Not django.setup(): it also imports the whole of django.urls and django.http, 60 ms that nobody here needs.
    apps.populate(settings.INSTALLED_APPS)


def migrate(url: str) -> None:
    """Runs the migrations that are missing; a second controller doing the same waits and finds nothing left to do."""
    set_up()
    from django.db import connections, transaction
    from django.db.migrations.executor import MigrationExecutor

    alias = "records-" + hashlib.sha256(url.encode()).hexdigest()[:12]
    if alias not in connections.settings:
        connections.settings[alias] = connections.configure_settings({"default": {}, alias: django_database(url)})[
            alias
        ]
    connection = connections[alias]
    try:
        if connection.vendor == "sqlite":
            connection.disable_constraint_checking()  # SQLite takes this only outside a transaction
        with transaction.atomic(using=alias):
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
            executor = MigrationExecutor(connection)
            executor.migrate([("records", LATEST)])
    finally:
        connection.close()


def errors() -> tuple[type[Exception], ...]:
    """What ``migrate`` may raise."""
    from django.db import DatabaseError

    return (DatabaseError,)
