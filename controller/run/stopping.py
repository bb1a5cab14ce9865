"""Stopping a run by hand: the order is recorded, and the computers are told; they take back what they have begun."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from controller.errors import InputError
from controller.inventory import Host, Inventory
from controller.records import FormRow, Store
from controller.run.opening import RunResult, owner
from controller.run.recovery import resume
from controller.run.work import HostResult, HostWork, Observer, Patience
from controller.settings import Settings
from controller.text import Text
from controller.transport import Options


def stop(
    settings: Settings,
    inventory: Inventory,
    observer: Observer,
    leave: threading.Event,
    *,
    run: str,
    hosts: Sequence[Host],
    options: Options | None = None,
    patience: Patience | None = None,
) -> RunResult:
    """Stop what a run still does on the computers selected, and follow them to their end.

    An order to stop stays on record: a computer that cannot be reached now is told by the next ``resume``.

    Args:
        settings: of this installation.
        inventory: as in ``resume``; so are ``observer``, ``leave``, ``options`` and ``patience``.
        observer: as there.
        leave: as there.
        run: which.
        hosts: the computers selected.
        options: as there.
        patience: as there.

    Returns:
        A result for every form of the run on these computers; those that had ended before stand as they were.

    Raises:
        InputError: the run is unknown, or had nothing to do with the computers selected.
        RecordError: the record cannot be kept.
    """
    results = resume(
        settings, inventory, observer, leave, run=run, hosts=hosts, stop=True, options=options, patience=patience
    )
    result = results[0] if results else RunResult(run, [], 0.0)
    asked = {work.form for work, _ in result.results}
    selected = {host.name: host for host in hosts}
    with Store(settings.database_url) as store:  # now: what ended before it was asked must not be lost from the answer
        rows = [row for row in store.forms(run=run) if row.host in selected]
    if not rows and not asked:
        raise InputError(
            Text(f"proses {run} tidak mengenai komputer ini", f"the run {run} is not about these computers"),
            hint=Text(f"lihat `pasang form list --run {run}`", f"see `pasang form list --run {run}`"),
        )
    ended = [had_ended(row, selected[row.host]) for row in reversed(rows) if row.number not in asked]
    return replace(result, results=[*result.results, *ended])


def had_ended(row: FormRow, host: Host) -> tuple[HostWork, HostResult]:
    """The result of a form that there was nothing to stop of."""
    work = HostWork(row.run, host, row.software, row.number, row.mode, row.location, stop={"by": owner()})
    reason = Text("sudah selesai sebelum diminta berhenti", "it had ended before it was asked to stop")
    result = HostResult(row.state, form=row.number, step=None, reason=reason.as_json(), had_ended=True)
    return work, result
