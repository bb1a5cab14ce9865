"""What the store promises, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.errors import InputError, RecordError
from controller.records import DURABLE, Redactor, Store, Writer, from_agent
from controller.records.record import Record

RUN = "20261122-143000-3f9a"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url, clock=lambda: datetime(2026, 11, 22, 14, 30, tzinfo=UTC)) as opened:
        yield opened


def agent(seq: int, *, host: str = "pc1", form: str = "FI-2026-000001", run: str = RUN, **fields: object) -> Record:
    frame = {"type": "probe", "at": "2026-11-22T14:30:00.000Z", "seq": seq, "mono": 1.5, **fields}
    return from_agent(frame, run=run, host=host, form=form)


def opened(store: Store, number: str, *, host: str = "pc1", run: str = RUN, software: str = "nginx") -> Record:
    return store.record(
        "form_opened",
        run=run,
        host=host,
        form=number,
        number=number,
        software={"name": software, "version": "1.22.1"},
        location="user",
        mode="install",
    )


def ended(store: Store, number: str, outcome: str, *, host: str = "pc1", run: str = RUN) -> Record:
    rollback = {"verdict": "clean", "residue": []} if outcome == "rolled_back" else None
    return store.record(
        "host_ended",
        run=run,
        host=host,
        form=number,
        outcome=outcome,
        step=7,
        reason=None,
        rollback=rollback,
        seconds=1,
    )


def test_a_record_twice_is_a_record_once(store: Store) -> None:
    records = [agent(1), agent(2), store.record("run_opened", run=RUN, command="install", by="staf")]
    assert store.append(records) == 3
    assert store.append(records) == 0
    assert store.append([agent(2), agent(3)]) == 1
    assert store.events(run=RUN) == [*records, agent(3)]


def test_records_come_back_as_they_were(store: Store) -> None:
    odd = agent(1, output="nul \0, half a pair \udc80, ✓ and “quotes”", found=None, nested={"a": [1, 2.5, True]})
    store.append([odd])
    assert store.events(form="FI-2026-000001") == [odd]


def test_the_same_sequence_on_another_host_or_form_is_another_record(store: Store) -> None:
    assert store.append([agent(1), agent(1, host="pc2"), agent(1, form="FI-2026-000002")]) == 3
    assert len(store.events(run=RUN, host="pc1")) == 2
    assert len(store.events(form="FI-2026-000002")) == 1


def test_a_controller_that_comes_back_loses_no_record_of_the_first(url: str) -> None:
    for _ in range(2):
        with Store(url) as store:
            store.append([store.record("line_lost", run=RUN, host="pc1", form="FI-2026-000001")])
    with Store(url) as store:
        assert len(store.events(run=RUN)) == 2


def test_form_numbers_are_unique_under_two_controllers(url: str) -> None:
    with Store(url) as one, Store(url) as two, ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(store.allocate_form_numbers, 2026, 3) for store in (one, two) for _ in range(20)]
        numbers = [number for job in jobs for number in job.result()]
        assert sorted(numbers) == [f"FI-2026-{n:06d}" for n in range(1, 121)]
        assert one.allocate_form_numbers(2027, 1) == ["FI-2027-000001"]


def test_a_fresh_database_opened_by_many_at_once_is_made_once(url: str) -> None:
    program = (
        "import sys; from controller.records import Store\n"
        "with Store(sys.argv[1]) as store: print(*store.allocate_form_numbers(2026, 1))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    told = [process.communicate(timeout=60) for process in started]
    assert sorted(out.strip() for out, _ in told) == [f"FI-2026-{n:06d}" for n in range(1, 5)], told


def test_the_state_of_a_form_follows_its_records(store: Store) -> None:
    store.append([opened(store, "FI-2026-000001"), agent(1)])
    assert [row.state for row in store.forms()] == ["running"]
    assert [row.number for row in store.open_forms()] == ["FI-2026-000001"]
    store.append([ended(store, "FI-2026-000001", "awaiting_decision")])
    assert [row.state for row in store.open_forms(RUN)] == ["awaiting_decision"]
    store.append([ended(store, "FI-2026-000001", "rolled_back")])
    assert store.open_forms() == []
    row = store.form("FI-2026-000001")
    assert row is not None
    assert (row.state, row.step, row.verdict, row.signed, row.version) == ("rolled_back", 7, "clean", False, "1.22.1")
    store.append([store.record("signed", run=RUN, host="pc1", form="FI-2026-000001")])
    row = store.form("FI-2026-000001")
    assert row is not None
    assert row.signed


def test_unreachable_is_open_only_where_work_may_be_going_on(store: Store) -> None:
    for n, host in enumerate(["never", "spoke", "dropped"], 1):
        store.append([opened(store, f"FI-2026-00000{n}", host=host)])
    store.append([agent(1, host="spoke", form="FI-2026-000002")])
    store.append([store.record("line_lost", run=RUN, host="dropped", form="FI-2026-000003", reason=None)])
    store.append(
        [ended(store, f"FI-2026-00000{n}", "unreachable", host=h) for n, h in enumerate(["never", "spoke"], 1)]
    )
    store.append([ended(store, "FI-2026-000003", "unreachable", host="dropped")])
    assert [row.host for row in store.open_forms()] == ["dropped", "spoke"]


def test_forms_are_found_by_host_software_run_and_state(store: Store) -> None:
    store.append([opened(store, "FI-2026-000001"), opened(store, "FI-2026-000002", host="pc2", software="arsip")])
    store.append(
        [opened(store, "FI-2026-000003", run="other"), ended(store, "FI-2026-000003", "installed", run="other")]
    )

    def numbers(**filters: object) -> list[str]:
        return [row.number[-1] for row in store.forms(**filters)]  # type: ignore[arg-type]

    assert numbers() == ["3", "2", "1"]
    assert numbers(host="pc1") == ["3", "1"]
    assert numbers(software="arsip") == ["2"]
    assert numbers(run="other") == ["3"]
    assert numbers(states=["installed"], host="pc1") == ["3"]
    assert numbers(states=[]) == []
    assert numbers(limit=1) == ["3"]
    assert store.form("FI-2026-999999") is None


def test_the_last_run_is_the_one_opened_last(store: Store) -> None:
    assert store.last_run() is None
    for day, run in ((22, "b"), (21, "a")):
        store.pen.clock = lambda day=day: datetime(2026, 11, day, tzinfo=UTC)  # type: ignore[misc]
        store.append([store.record("run_opened", run=run, command="install", by="staf")])
    store.append([store.record("run_ended", run="b", counts={}, seconds=1)])
    last = store.last_run()
    assert last is not None
    assert (last.id, last.command, last.by) == ("b", "install", "staf")
    assert last.ended_at is not None
    assert store.run("c") is None


def test_following_goes_on_after_the_last_record_of_the_agent(store: Store) -> None:
    assert store.last_agent_seq("FI-2026-000001") == 0
    store.append([agent(1), agent(2), store.record("connected", run=RUN, host="pc1", form="FI-2026-000001")])
    assert store.last_agent_seq("FI-2026-000001") == 2


def test_no_secret_reaches_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "pasang.sqlite3"
    store = Store(f"sqlite:///{path}", redactor=Redactor(['pa"ss wörd/1', "hunter22"]))
    store.append(
        [agent(1, output='login pa"ss wörd/1 ok', argv=["-p", "hunter22"], deep={"hunter22": ["aHVudGVyMjI="]})]
    )
    store.append([store.record("connected", run=RUN, host="pc1", form="FI-2026-000001", address="x hunter22 y")])
    before = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    store.close()
    after = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"login *** ok" in after
    for kept in (before, after):
        for secret in (b"hunter22", "wörd".encode(), b"w\\u00f6rd", b"aHVudGVyMjI"):
            assert secret not in kept


def test_the_writer_stores_what_many_threads_hand_in(store: Store) -> None:
    with Writer(store) as writer, ThreadPoolExecutor(8) as pool:
        for host in range(8):
            pool.submit(lambda host=host: [writer.put(agent(n, host=f"pc{host}")) for n in range(1, 101)])
        pool.shutdown()
        writer.flush()
        assert len(store.events(run=RUN)) == 800
        writer.put(agent(101))
    assert len(store.events(run=RUN)) == 801
    with pytest.raises(RecordError, match="closed"):
        writer.put(agent(102))


def test_a_store_that_fails_stops_everything(url: str) -> None:
    store = Store(url)
    writer = Writer(store)
    writer.put(agent(1))
    writer.flush()
    store.close()
    writer.put(agent(2))
    with pytest.raises(RecordError) as caught:
        writer.flush()
    assert caught.value.exit_code == 3
    with pytest.raises(RecordError):
        writer.put(agent(3))
    with pytest.raises(RecordError):
        writer.close()


def test_a_record_that_cannot_be_kept_is_a_failure_too(store: Store) -> None:
    writer = Writer(store)
    writer.put({"type": "probe"})
    with pytest.raises(RecordError, match="cannot be kept"):
        writer.flush()
    with pytest.raises(RecordError):
        writer.close()


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'pasang.sqlite3'}")
    store._database.query("PRAGMA max_page_count = 1")  # SQLite then answers as it does on a full disk
    with pytest.raises(RecordError, match="full") as caught:
        store.append([agent(n, output="x" * 5000) for n in range(1, 50)])
    assert "pasang resume" in caught.value.say("id")
    assert store.events(run=RUN) == []
    store.close()


@pytest.mark.parametrize("content", [b"not a database, but long enough to be taken for one" * 40, b"\0" * 4096])
def test_a_file_that_is_no_database_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pasang.sqlite3"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"pasang\.sqlite3"):
        Store(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_newer_database_is_left_alone(url: str) -> None:
    with Store(url) as store, store._database.transaction() as transaction:
        transaction.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)",
            ["records", "9999_later", "2030-01-01 00:00:00+00:00"],
        )
    with pytest.raises(RecordError, match="newer"):
        Store(url)


def test_nobody_else_reads_the_file(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path / 'a' / 'pasang.sqlite3'}").close()
    assert (tmp_path / "a" / "pasang.sqlite3").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["mysql://x/y", "", "pasang.sqlite3"])
def test_an_unknown_url_is_bad_input(url: str) -> None:
    with pytest.raises(InputError, match="PASANG_DATABASE_URL"):
        Store(url)


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(RecordError, match="PostgreSQL") as caught:
        Store("postgresql://pasang:rahasia99@/x?host=/nonexistent")
    assert "rahasia99" not in caught.value.say("id") + caught.value.say("en")


def test_what_nobody_can_tell_again_waits_for_the_disk(tmp_path: Path) -> None:
    """FULL is 2, NORMAL is 1. Source: https://www.sqlite.org/pragma.html#pragma_synchronous"""
    with Store(f"sqlite:///{tmp_path / 'pasang.sqlite3'}") as store:
        for commit, level in ((DURABLE, 2), ("usual", 1), (DURABLE, 2)):
            store.append([agent(1)], commit=commit)
            assert store._database.query("PRAGMA synchronous") == [(level,)]
        store.leases("ani@pusat").renew()
        assert store._database.query("PRAGMA synchronous") == [(1,)]
