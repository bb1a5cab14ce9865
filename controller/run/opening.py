"""The beginning of a run: everything is read, checked and planned before any computer is touched; then steps 1 to 3."""

from __future__ import annotations

import getpass
import platform
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from controller import __version__, runtime
from controller.depot import Depot, take_in
from controller.errors import InputError
from controller.inventory import Host
from controller.plan import Plan, build_all
from controller.playbook import Playbook
from controller.records import DURABLE, Record, Redactor, Store, Writer
from controller.run.fleet import FORKS, run_fleet
from controller.run.guard import Guarded
from controller.run.leases import Keeper
from controller.run.work import Desk, HostResult, HostWork, Observer, Patience, count, new_run_id, summed
from controller.settings import Settings
from controller.text import Language, Text
from controller.transport import KINDS, Options, Package, unsupported

WITH_FORM = frozenset({"install", "verify", "uninstall"})
"""Modes that keep a form; the others only look and leave nothing on record."""


@dataclass(frozen=True)
class Order:
    """What was asked for: which software on which computers, and how."""

    mode: str
    playbooks: Sequence[Playbook]
    """Validated; taken into the depot by ``open_run``."""
    hosts: Sequence[Host]
    forks: int = FORKS
    inventory: Sequence[Path] = ()
    """The files that the hosts are from: for ``resume``."""
    wait_s: float = 0.0
    """How long a computer that somebody else works on is waited for."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended: a result for every software on every computer asked for, in the order asked."""

    run: str
    results: Sequence[tuple[HostWork, HostResult]]
    seconds: float
    observer_failure: Exception | None = None
    """What the observer raised; it was told nothing after that, and the run went on."""

    def summary(self, language: Language) -> Record:
        """The last line of ``--json``."""
        return {
            "type": "summary",
            "run": self.run,
            "software": ", ".join(dict.fromkeys(work.software for work, _ in self.results)),
            "seconds": round(self.seconds, 3),
            **summed(self.results, language),
        }


def owner() -> str:
    """Who gives the orders, as other controllers are told: user and computer."""
    return f"{getpass.getuser()}@{platform.node()}"


def options_for(settings: Settings, kept: runtime.Runtime, *, slowly: bool = True) -> Options:
    """What the transports of a command are told.

    Args:
        settings: of this installation.
        kept: with the Pythons that can be brought.
        slowly: whether one may be brought by PowerShell, where there is nothing better.
    """
    windows = {name: digest for name, digest in kept.python.items() if name.startswith("windows-")}

    def package(digest: str) -> Package | None:
        from controller import embedded

        made = embedded.sendable(kept.folder, digest)
        return Package(*made) if made else None

    return Options(
        known_hosts=settings.known_hosts,
        brings=len(kept.python) > len(windows),
        pythons=windows,
        package=package,
        slowly=slowly,
    )


def plan_all(order: Order) -> list[list[Plan]]:
    """Every plan of every host, without numbers: by host, then by playbook.

    Raises:
        InputError: every mistake of every host and playbook, each once.
    """
    problems = [
        unsupported(host.connection.kind, host.name) for host in order.hosts if host.connection.kind not in KINDS
    ]
    plans: list[dict[str, Plan]] = []
    for playbook in order.playbooks:
        try:
            plans.append(build_all(playbook, order.hosts, mode=order.mode))
        except InputError as error:
            problems.extend(error.problems)
    if problems:
        raise InputError.of(problems)
    return [[own[host.name] for own in plans] for host in order.hosts]


@contextmanager
def desk_for(
    settings: Settings,
    secrets: Sequence[str],
    observer: Observer,
    *,
    keeps_record: bool = True,
    options: Options | None = None,
    patience: Patience | None = None,
) -> Iterator[Desk]:
    """Everything the hosts of a run share, closed at the end; what is still to be stored is stored first.

    Raises:
        RecordError: the record cannot be kept.
    """
    with Store(settings.database_url, redactor=Redactor(secrets)) as store, Writer(store) as writer:
        keeper = Keeper(store.leases(owner()), writer.fail) if keeps_record else None
        kept = runtime.prepare(settings.home)
        desk = Desk(
            store=store,
            writer=writer,
            depot=Depot(settings.depot),
            runtime=kept,
            options=options or options_for(settings, kept, slowly=keeps_record),
            observer=observer,
            owner=owner(),
            keeps_record=keeps_record,
            patience=patience or Patience(),
            keeper=keeper,
        )
        try:
            yield desk
        finally:
            if keeper is not None:
                keeper.close()
        writer.flush()


def execute(
    order: Order,
    settings: Settings,
    observer: Observer,
    leave: threading.Event,
    *,
    options: Options | None = None,
    patience: Patience | None = None,
) -> RunResult:
    """The whole command: take in, plan, open the forms, work on all computers, close the run.

    Args:
        order: what was asked for.
        settings: of this installation.
        observer: who watches; what it raises is handed on in the result.
        leave: set it to leave: the computers finish by themselves.
        options: of the transports; None: as the settings say.
        patience: with computers that say nothing; None: the usual.

    Raises:
        InputError: something asked for makes no sense; nothing was touched.
        RecordError: the record cannot be kept.
    """
    began = datetime.now(UTC)
    depot = Depot(settings.depot)
    order = replace(order, playbooks=[take_in(playbook, depot) for playbook in order.playbooks])
    run = new_run_id()
    plans = plan_all(order)
    secrets = {s.reveal() for host in order.hosts for s in host.secrets()}
    secrets.update(value for own in plans for plan in own for value in plan.secrets)
    kept = order.mode in WITH_FORM
    guarded = Guarded(observer)
    with desk_for(settings, sorted(secrets), guarded, keeps_record=kept, options=options, patience=patience) as desk:
        queues = open_forms(order, plans, run, desk, began)
        results = run_fleet(queues, desk, leave, forks=order.forks, wait_s=order.wait_s)
        seconds = (datetime.now(UTC) - began).total_seconds()
        close_run(run, results, seconds, desk)
    return RunResult(run, results, seconds, guarded.failure)


def open_forms(
    order: Order, plans: Sequence[Sequence[Plan]], run: str, desk: Desk, began: datetime
) -> list[list[HostWork]]:
    """Open the run and a form for each software on each computer, with steps 1 to 3; on the disk before all else.

    Raises:
        RecordError: the record cannot be kept.
    """
    kept = desk.keeps_record
    total = len(order.hosts) * len(order.playbooks)
    numbers = iter(desk.store.allocate_form_numbers(datetime.now().astimezone().year, total) if kept else [""] * total)
    opened = desk.store.record(
        "run_opened",
        run=run,
        command=order.mode,
        playbooks=[str(p.software["name"]) for p in order.playbooks],
        hosts=[host.name for host in order.hosts],
        inventory=[str(path.absolute()) for path in order.inventory],
        by=getpass.getuser(),
        controller=platform.node(),
        version=__version__,
    )
    records = [opened]
    queues: list[list[HostWork]] = []
    for host, own in zip(order.hosts, plans, strict=True):
        queue: list[HostWork] = []
        for playbook, plan in zip(order.playbooks, own, strict=True):
            number = next(numbers)
            work = HostWork(
                run=run,
                host=host,
                software=str(playbook.software["name"]),
                form=number,
                mode=order.mode,
                location=host.location,
                plan=plan.numbered(run, number),
            )
            queue.append(work)
            if kept:
                records.extend(first_steps(work, playbook, desk, began))
        queues.append(queue)
    if kept:
        desk.store.append(records, commit=DURABLE)
    for record in records:
        desk.observer.event(record)
    return queues


def first_steps(work: HostWork, playbook: Playbook, desk: Desk, began: datetime) -> Iterator[Record]:
    """The form, and steps 1 to 3 as far as they are the controller's: inspected, located, noticed."""
    assert work.plan is not None  # noqa: S101 - for the type checker: opened just now
    variables = work.host.variables

    def record(type_: str, **fields: object) -> Record:
        return desk.store.record(type_, run=work.run, host=work.host.name, form=work.form, **fields)

    def text_of(name: str) -> str:
        return str(variables.get(name) or "")

    yield record(
        "form_opened",
        number=work.form,
        software=dict(playbook.software),
        location=work.location,
        owner=text_of("owner"),
        asset_tag=text_of("asset_tag"),
        site=text_of("site"),
        address=work.host.connection.address,
        playbook=str(playbook.path.absolute()),
        plan_digest=work.plan.digest,
        mode=work.mode,
        by=getpass.getuser(),
    )
    if work.mode != "install":
        return
    inspected_in_s = round((datetime.now(UTC) - began).total_seconds(), 3)
    yield record("step_started", step=1, visit=1)
    for name, payload in work.plan.payloads.items():
        yield record("payload_inspected", step=1, name=name, signature="none", **payload)
    yield record("step_ended", step=1, visit=1, result="ok", reason=None, seconds=inspected_in_s)
    yield record("step_started", step=2, visit=1)
    yield record("location_chosen", step=2, location=work.location, by="inventory")
    yield record("step_ended", step=2, visit=1, result="ok", reason=None, seconds=0)
    if work.location == "user":
        yield record("step_started", step=3, visit=1)
        schedule = record("notice", step=3, channel="recorded", owner=text_of("owner"))
        yield {**schedule, "schedule": schedule["at"]}
        yield record("step_ended", step=3, visit=1, result="ok", reason=None, seconds=0)


def close_run(run: str, results: Sequence[tuple[HostWork, HostResult]], seconds: float, desk: Desk) -> None:
    """Record the end of the run, or of this command's part in it; everything is on the disk when this returns.

    Raises:
        RecordError: the record cannot be kept.
    """
    counts = count([result for _, result in results])
    desk.put(desk.store.record("run_ended", run=run, counts=counts, seconds=round(seconds, 3)))
    desk.writer.flush()


def nothing_selected(pattern: str) -> InputError:
    """The error for a pattern that leaves no computer."""
    return InputError(
        Text(f"pola {pattern!r} tidak memilih komputer mana pun", f"the pattern {pattern!r} selects no computer"),
        hint=Text("lihat `pasang hosts list`", "see `pasang hosts list`"),
    )
