"""check, plan, install, verify, uninstall, resume, stop: one order each, to many computers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.common import (
    DEFAULT_INVENTORY,
    ForksOption,
    InventoryOption,
    JsonOption,
    LimitOption,
    PlaybookArgument,
    PlaybooksArgument,
    WaitOption,
    read_inventory,
    read_playbooks,
    read_settings,
    say,
    seconds,
    select_hosts,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from controller.run.opening import RunResult

FORKS = 50
NO_WAIT = "0s"


def register(app: typer.Typer) -> None:
    """Add the commands of this file, in the order of the help."""
    for mode, (takes_several, words) in ORDERS.items():
        app.command(mode, help=words)(for_several(mode) if takes_several else for_one(mode))
    app.command(help=say("lanjutkan semua yang belum selesai", "go on with everything left open"))(resume)
    app.command(help=say("hentikan sebuah proses; yang sudah dimulai dikembalikan", "stop a run; it is taken back"))(
        stop
    )


ORDERS = {
    "check": (
        False,
        say(
            "periksa persyaratan saja (langkah 4); tidak mengubah apa pun",
            "check the requirements only (step 4); changes nothing",
        ),
    ),
    "plan": (
        False,
        say("apa yang akan diubah dan dikirim; tidak mengubah apa pun", "what would be changed; changes nothing"),
    ),
    "install": (
        True,
        say(
            "seluruh prosedur: periksa, pasang, uji, konfigurasi, catat",
            "the whole procedure: check, install, test, configure, record",
        ),
    ),
    "verify": (False, say("uji lagi yang sudah terpasang", "test again what is installed")),
    "uninstall": (
        False,
        say("copot, dan buktikan komputer kembali seperti semula", "take it back, and prove it"),
    ),
}
"""Whether a command takes several playbooks, and what it does."""


def for_one(mode: str) -> Callable[..., None]:
    """The command that gives an order about one playbook."""

    def command(
        playbook: PlaybookArgument,
        inventory: InventoryOption = None,
        limit: LimitOption = "all",
        json: JsonOption = False,
        forks: ForksOption = FORKS,
        wait: WaitOption = NO_WAIT,
    ) -> None:
        order(mode, [playbook], inventory, limit, json=json, forks=forks, wait=wait)

    return command


def for_several(mode: str) -> Callable[..., None]:
    """The command that gives an order about several playbooks, in this order on each computer."""

    def command(
        playbooks: PlaybooksArgument,
        inventory: InventoryOption = None,
        limit: LimitOption = "all",
        json: JsonOption = False,
        forks: ForksOption = FORKS,
        wait: WaitOption = NO_WAIT,
    ) -> None:
        order(mode, playbooks, inventory, limit, json=json, forks=forks, wait=wait)

    return command


def order(
    mode: str, names: list[str], paths: list[Path] | None, limit: str, *, json: bool, forks: int, wait: str
) -> None:
    """Read and check everything, then do it on every computer; exits with the order's code."""
    import threading

    from controller.cli.watch import observer
    from controller.run.opening import Order, execute
    from controller.run.work import exit_code

    given, wait_s = read_settings(), seconds(wait)
    fleet = read_inventory(paths)
    wanted = Order(
        mode, read_playbooks(names, given), select_hosts(fleet, limit), forks, paths or DEFAULT_INVENTORY, wait_s
    )
    with observer(json=json, total=len(wanted.hosts)) as watching:
        result = execute(wanted, given, watching, threading.Event())
        watching.finished(result)
    unwatched(result)
    raise typer.Exit(exit_code(result.results))


def unwatched(result: RunResult) -> None:
    """Say that the showing of the run broke, where it did: the run itself went on."""
    error = result.observer_failure
    if error is not None and not isinstance(error, BrokenPipeError):
        said = f"{type(error).__name__}: {error}"
        typer.echo(say(f"tampilan terhenti ({said})", f"the display stopped ({said})"), err=True)


def resume(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help=say("nomor proses; kosong: semua", "a run; empty: all of them")),
    ] = None,
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
    wait: WaitOption = NO_WAIT,
) -> None:
    """Reattach, read the journals, finish."""
    import threading

    from controller.cli.watch import observer
    from controller.run.recovery import inventories, is_anything_open
    from controller.run.recovery import resume as go_on
    from controller.run.work import exit_code

    given, wait_s = read_settings(), seconds(wait)
    if not is_anything_open(given, run):
        with observer(json=json, total=0) as watching:
            watching.nothing_open()
        raise typer.Exit
    fleet = read_inventory(inventory or inventories(given, run))
    hosts = select_hosts(fleet, limit)
    with observer(json=json, total=0) as watching:
        results = go_on(given, fleet, watching, threading.Event(), run=run, hosts=hosts, wait_s=wait_s)
        for result in results:
            watching.finished(result)
        if not results:
            watching.nothing_open()
    for result in results[-1:]:
        unwatched(result)
    raise typer.Exit(exit_code([pair for result in results for pair in result.results]))


def stop(
    run: Annotated[str, typer.Argument(metavar="RUN", help=say("nomor proses", "the run"))],
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
) -> None:
    """Tell the computers that are still at work, and follow them to their end."""
    import threading

    from controller.cli.watch import observer
    from controller.run.recovery import inventories, is_anything_open
    from controller.run.stopping import stop as stop_run
    from controller.run.work import exit_code

    given = read_settings()
    is_anything_open(given, run)  # an unknown run needs no inventory to be one
    fleet = read_inventory(inventory or inventories(given, run))
    with observer(json=json, total=0) as watching:
        hosts = select_hosts(fleet, limit)
        result = stop_run(given, fleet, watching, threading.Event(), run=run, hosts=hosts)
        watching.finished(result)
    unwatched(result)
    raise typer.Exit(exit_code(result.results))
