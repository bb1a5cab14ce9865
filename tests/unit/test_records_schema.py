"""The models, the migrations and the constant that spares a run the question."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from controller.records import schema

MIGRATIONS = Path(schema.__file__).parent / "migrations"


def test_the_latest_migration_is_the_last_in_the_folder() -> None:
    assert sorted(path.stem for path in MIGRATIONS.glob("0*.py"))[-1] == schema.LATEST


def test_the_migrations_make_what_the_models_say() -> None:
    program = (
        "from controller.records import schema; schema.set_up()\n"
        "from django.core.management import call_command\n"
        "call_command('makemigrations', 'records', '--check', '--dry-run', verbosity=1)"
    )
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stdout + made.stderr


def test_a_run_on_a_database_that_is_up_to_date_does_not_import_django(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom controller.records import Store, Writer\n"
        "with Store('sqlite:///' + sys.argv[1]) as store, Writer(store) as writer:\n"
        "    writer.put(store.record('run_opened', run='r', command='install', by='staf'))\n"
        "print('django' in sys.modules)"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "x.sqlite3")],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()
        for _ in range(2)
    ]
    assert told == ["True", "False"]
