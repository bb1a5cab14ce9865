"""Going on with what was left open: ask the computers, read their journals to the end, close the forms."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.depot import take_in
from controller.errors import InputError, Problem
from controller.inventory import Host, Inventory
from controller.inventory.connection import Connection
from controller.plan import Plan, build
from controller.playbook import Playbook, load
from controller.records import DURABLE, OPEN_OUTCOMES, FormRow, Record, Redactor, Store
from controller.run.endings import stopped_by
from controller.run.fleet import run_fleet
from controller.run.guard import Guarded
from controller.run.opening import RunResult, close_run, desk_for
from controller.run.work import Desk, HostResult, HostWork, Observer, Patience
from controller.settings import Settings
from controller.text import Text
from controller.transport import Options


def inventories(settings: Settings, run: str | None) -> list[Path]:
    """The inventory files that a run was begun with, or all open runs were; empty where there are none."""
    with Store(settings.database_url) as store:
        names = [run] if run is not None else dict.fromkeys(row.run for row in store.open_forms())
        opened = [event for name in names for event in store.events(run=name) if event["type"] == "run_opened"]
    return [Path(path) for path in dict.fromkeys(p for event in opened for p in event.get("inventory", ()))]


def is_anything_open(settings: Settings, run: str | None) -> bool:
    """Whether there is something to go on with, of a run or of all: known without an inventory.

    Raises:
        InputError: the run is unknown.
        RecordError: the record cannot be read.
    """
    with Store(settings.database_url) as store:
        if run is not None and store.run(run) is None:
            raise unknown_run(run)
        return bool(store.open_forms(run))


def unknown_run(run: str) -> InputError:
    """The error for a run that is not on record."""
    return InputError(
        Text(f"tidak ada proses {run}", f"there is no run {run}"),
        hint=Text("lihat `pasang form list`", "see `pasang form list`"),
    )


def resume(
    settings: Settings,
    inventory: Inventory,
    observer: Observer,
    leave: threading.Event,
    *,
    run: str | None,
    hosts: Sequence[Host],
    stop: bool = False,
    wait_s: float = 0.0,
    options: Options | None = None,
    patience: Patience | None = None,
) -> list[RunResult]:
    """Go on with every open form of a run, or of all runs, on the computers selected.

    A form that a person ordered to stop is gone on with by telling its computer so, whoever gives this command.

    Args:
        settings: of this installation.
        inventory: to tell a computer that was not selected from one that is not there any more.
        observer: as in ``execute``; so are ``leave``, ``options`` and ``patience``.
        leave: as there.
        run: a run; None: all of them.
        hosts: the computers selected.
        stop: order them all to stop.
        wait_s: how long a computer that somebody else works on is waited for.
        options: as there.
        patience: as there.

    Returns:
        One result a run, in the order of the runs; empty where nothing is open.

    Raises:
        InputError: the run is unknown, or the inventory has none of the computers that are open.
        RecordError: the record cannot be kept.
    """
    selected = {host.name: host for host in hosts}
    secrets = {s.reveal() for host in hosts for s in host.secrets()}
    results = []
    guarded = Guarded(observer)
    with desk_for(settings, sorted(secrets), guarded, options=options, patience=patience) as desk:
        if run is not None and desk.store.run(run) is None:
            raise unknown_run(run)
        rows = desk.store.open_forms(run)
        known = [row for row in rows if row.host in selected]
        gone = [row for row in rows if row.host not in inventory.names] if len(hosts) == len(inventory.names) else []
        if gone and not known:
            raise not_in_inventory(gone)
        if stop:
            order_stop(known, desk)
        for name in sorted({row.run for row in (*known, *gone)}):
            began = time.monotonic()
            queues = queues_of([row for row in known if row.run == name], selected, desk, settings)
            secrets.update(s for queue in queues for work in queue if work.plan for s in work.plan.secrets)
            desk.store.redactor = Redactor(sorted(secrets))
            pairs = run_fleet(queues, desk, leave, wait_s=wait_s) if queues else []
            pairs += [unasked(row) for row in gone if row.run == name]
            seconds = time.monotonic() - began
            close_run(name, pairs, seconds, desk)
            results.append(RunResult(name, pairs, seconds, guarded.failure))
    return results


def not_in_inventory(rows: Sequence[FormRow]) -> InputError:
    """The error where no open form's computer is in the inventory: nobody can ask them."""
    return InputError.of(
        [
            Problem(
                row.number,
                Text(
                    f"komputer {row.host} tidak ada di inventaris", f"the computer {row.host} is not in the inventory"
                ),
                Text("beri inventaris yang memuatnya dengan -i", "give the inventory that has it with -i"),
            )
            for row in rows
        ]
    )


def unasked(row: FormRow) -> tuple[HostWork, HostResult]:
    """The result of an open form whose computer is not in the inventory: left open, as it was."""
    host = Host(row.host, {}, (), Connection("ssh", row.host), row.location)
    work = HostWork(row.run, host, row.software, row.number, row.mode, row.location)
    error = not_in_inventory([row])
    hint = error.problems[0].hint
    return work, HostResult(
        row.state if row.state in OPEN_OUTCOMES else "running",
        form=row.number,
        step=row.step,
        reason=error.what.as_json(),
        hint=hint.as_json() if hint else None,
    )


def queues_of(
    rows: Sequence[FormRow], selected: Mapping[str, Host], desk: Desk, settings: Settings
) -> list[list[HostWork]]:
    """The open work by computer, oldest first."""
    queues: dict[str, list[HostWork]] = {}
    playbooks: dict[str, Playbook | InputError] = {}
    for row in sorted(rows, key=lambda r: r.number):
        events = desk.store.events(form=row.number)
        opened = next(e for e in events if e["type"] == "form_opened")
        order = next((e for e in events if e["type"] == "stop_asked"), None)
        if order is None:
            playbook = playbook_again(opened, desk, settings, playbooks)
            plan, without = plan_again(row, opened, selected[row.host], playbook)
        else:
            plan, without = None, stopped_by(order)
        work = HostWork(
            run=row.run,
            host=selected[row.host],
            software=row.software,
            form=row.number,
            mode=row.mode,
            location=row.location,
            plan=plan,
            decision=decision_of(events),
            earlier=max((e for e in events if e["source"] == "agent"), key=lambda e: int(e["seq"]), default=None),
            stop=order,
            without_plan=without,
        )
        queues.setdefault(row.host, []).append(work)
    return list(queues.values())


def order_stop(rows: Sequence[FormRow], desk: Desk) -> None:
    """Record who stops the work of open forms, and when; the first order stands.

    Raises:
        RecordError: the record cannot be kept.
    """
    orders = [
        desk.store.record("stop_asked", run=row.run, host=row.host, form=row.number, by=desk.owner)
        for row in rows
        if desk.store.stop_of(row.number) is None
    ]
    desk.store.append(orders, commit=DURABLE)
    for order in orders:
        desk.observer.event(order)


def playbook_again(
    opened: Record, desk: Desk, settings: Settings, playbooks: dict[str, Playbook | InputError]
) -> Playbook | InputError:
    """The playbook that a form was opened with, read once for all of them, or why it cannot be read any more."""
    path = str(opened["playbook"])
    if path not in playbooks:
        try:
            playbooks[path] = take_in(load(path, settings.playbooks), desk.depot)
        except InputError as error:
            playbooks[path] = error
    return playbooks[path]


def plan_again(
    row: FormRow, opened: Record, host: Host, playbook: Playbook | InputError
) -> tuple[Plan | None, Text | None]:
    """The plan that the form was opened for, for a computer that did not get it yet; the one it has stays in force.

    Returns:
        The plan; or None and why there is none any more: then what was not begun stays not begun.
    """
    try:
        if isinstance(playbook, InputError):
            raise playbook
        plan = build(playbook, host, mode=row.mode, run=row.run, form=row.number)
    except InputError as error:
        what = error.problems[0]
        return None, Text(
            f"belum dimulai, dan playbook tidak dapat dipakai lagi: {what.where} {what.what.id}",
            f"it was not begun, and the playbook can no longer be used: {what.where} {what.what.en}",
        )
    if plan.digest != opened["plan_digest"]:
        return None, Text(
            "belum dimulai, dan rencananya sudah lain (playbook atau variabel berubah): jalankan pasang install lagi",
            "it was not begun, and the plan is another now (playbook or variables changed): run pasang install again",
        )
    return plan, None


def decision_of(events: Sequence[Record]) -> dict[str, Any] | None:
    """Step 9 as a person decided it; None where nobody has."""
    decided = [e for e in events if e["type"] == "decided"]
    if not decided:
        return None
    return {key: decided[-1].get(key) for key in ("configure", "reason", "by")}
