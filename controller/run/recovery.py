"""Going on with what was left open: ask the computers, read their journals to the end, close the forms."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from controller.depot import take_in
from controller.errors import InputError, Problem
from controller.inventory import Host, Inventory
from controller.plan import Plan, build
from controller.playbook import Playbook, load
from controller.records import FormRow, Store
from controller.run.fleet import run_fleet
from controller.run.opening import RunResult, close_run, desk_for
from controller.run.work import Desk, HostWork, Observer
from controller.settings import Settings
from controller.text import Text


def resume(
    settings: Settings,
    inventory: Inventory,
    observer: Observer,
    leave: threading.Event,
    *,
    run: str | None,
    hosts: Sequence[Host],
) -> list[RunResult]:
    """Go on with every open form of a run, or of all runs, on the computers selected.

    Returns:
        One result a run, in the order of the runs; empty where nothing is open.

    Raises:
        InputError: the run is unknown, or an open form's computer stands in no inventory given.
        RecordError: the record cannot be kept.
    """
    selected = {host.name: host for host in hosts}
    secrets = sorted({s.reveal() for host in hosts for s in host.secrets()})
    results = []
    with desk_for(settings, secrets, observer, digests={}) as desk:
        if run is not None and desk.store.run(run) is None:
            raise InputError(
                Text(f"tidak ada proses {run}", f"there is no run {run}"),
                hint=Text("lihat `pasang form list`", "see `pasang form list`"),
            )
        rows = [row for row in desk.store.open_forms(run) if row.host in selected or row.host not in inventory.names]
        check_known(rows, selected)
        for name in dict.fromkeys(row.run for row in rows):
            began = time.monotonic()
            own = [row for row in rows if row.run == name]
            seen = {row.number: desk.store.last_agent_seq(row.number) for row in own}
            queues = queues_of(own, selected, desk, settings)
            pairs = run_fleet(queues, desk, leave, seen=seen)
            seconds = time.monotonic() - began
            close_run(name, pairs, seconds, desk)
            results.append(RunResult(name, pairs, seconds))
    return results


def check_known(rows: Sequence[FormRow], selected: Mapping[str, Host]) -> None:
    """Every open form's computer must be in the inventory, or nobody can ask it.

    Raises:
        InputError: naming each that is not.
    """
    unknown = [row for row in rows if row.host not in selected]
    if unknown:
        raise InputError.of(
            [
                Problem(
                    row.number,
                    Text(
                        f"komputer {row.host} tidak ada di inventaris",
                        f"the computer {row.host} is not in the inventory",
                    ),
                    Text("beri inventaris yang memuatnya dengan -i", "give the inventory that has it with -i"),
                )
                for row in unknown
            ]
        )


def queues_of(
    rows: Sequence[FormRow], selected: Mapping[str, Host], desk: Desk, settings: Settings
) -> list[list[HostWork]]:
    """The open work by computer, oldest first."""
    queues: dict[str, list[HostWork]] = {}
    playbooks: dict[str, Playbook | None] = {}
    for row in sorted(rows, key=lambda r: r.number):
        work = HostWork(
            run=row.run,
            host=selected[row.host],
            software=row.software,
            form=row.number,
            mode=row.mode,
            location=row.location,
            plan=plan_again(row, selected[row.host], desk, settings, playbooks),
            decision=decision_of(row, desk.store),
        )
        queues.setdefault(row.host, []).append(work)
    return list(queues.values())


def plan_again(
    row: FormRow, host: Host, desk: Desk, settings: Settings, playbooks: dict[str, Playbook | None]
) -> Plan | None:
    """The plan that the form was opened for, for a computer that was not reached before; the one it has stays in force.

    None where the playbook is gone or no longer makes the same plan: then what was not begun stays not begun.
    """
    opened = next(e for e in desk.store.events(form=row.number) if e["type"] == "form_opened")
    path = str(opened["playbook"])
    if path not in playbooks:
        try:
            playbooks[path] = take_in(load(path, settings.playbooks), desk.depot)
        except InputError:
            playbooks[path] = None
    playbook = playbooks[path]
    if playbook is None:
        return None
    try:
        plan = build(playbook, host, mode=row.mode, run=row.run, form=row.number)
    except InputError:
        return None
    return plan if plan.digest == opened["plan_digest"] else None


def decision_of(row: FormRow, store: Store) -> dict[str, Any] | None:
    """Step 9 as a person decided it; None where nobody has."""
    decided = [e for e in store.events(form=row.number) if e["type"] == "decided"]
    if not decided:
        return None
    return {key: decided[-1].get(key) for key in ("configure", "reason", "by")}
