"""check, plan, install, verify, uninstall, resume: one order each, to many computers."""

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
    read_inventory,
    read_playbooks,
    read_settings,
    say,
    select_hosts,
)

if TYPE_CHECKING:
    from pathlib import Path

    from controller.run.opening import RunResult

FORKS = 50


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command, words in (
        (
            check,
            say(
                "periksa persyaratan saja (langkah 4); tidak mengubah apa pun",
                "check the requirements only (step 4); changes nothing",
            ),
        ),
        (
            plan,
            say(
                "apa yang akan diubah, dikirim, dan cara kembalinya; tidak mengubah apa pun",
                "what would be changed; changes nothing",
            ),
        ),
        (
            install,
            say(
                "seluruh prosedur: periksa, pasang, uji, konfigurasi, catat",
                "the whole procedure: check, install, test, configure, record",
            ),
        ),
        (verify, say("uji lagi yang sudah terpasang", "test again what is installed")),
        (uninstall, say("copot, dan buktikan komputer kembali seperti semula", "take it back, and prove it")),
        (resume, say("lanjutkan semua yang belum selesai", "go on with everything left open")),
    ):
        app.command(help=words)(command)


def check(
    playbook: PlaybookArgument,
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
    forks: ForksOption = FORKS,
) -> None:
    """Step 4 only."""
    order("check", [playbook], inventory, limit, json=json, forks=forks)


def plan(
    playbook: PlaybookArgument,
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
    forks: ForksOption = FORKS,
) -> None:
    """A dry run."""
    order("plan", [playbook], inventory, limit, json=json, forks=forks)


def install(
    playbook: PlaybooksArgument,
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
    forks: ForksOption = FORKS,
) -> None:
    """Steps 1 to 13."""
    order("install", playbook, inventory, limit, json=json, forks=forks)


def verify(
    playbook: PlaybookArgument,
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
    forks: ForksOption = FORKS,
) -> None:
    """The default test and the verification, at any later time."""
    order("verify", [playbook], inventory, limit, json=json, forks=forks)


def uninstall(
    playbook: PlaybookArgument,
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    json: JsonOption = False,
    forks: ForksOption = FORKS,
) -> None:
    """Step 8 by hand."""
    order("uninstall", [playbook], inventory, limit, json=json, forks=forks)


def order(mode: str, names: list[str], paths: list[Path] | None, limit: str, *, json: bool, forks: int) -> None:
    """Read and check everything, then do it on every computer; exits with the order's code."""
    import threading

    from controller.cli.watch import observer
    from controller.run.opening import Order, execute
    from controller.run.work import exit_code

    given = read_settings()
    fleet = read_inventory(paths)
    wanted = Order(mode, read_playbooks(names, given), select_hosts(fleet, limit), forks, paths or DEFAULT_INVENTORY)
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
) -> None:
    """Reattach, read the journals, finish."""
    import threading

    from controller.cli.watch import observer
    from controller.run.recovery import inventories
    from controller.run.recovery import resume as go_on
    from controller.run.work import exit_code

    given = read_settings()
    fleet = read_inventory(inventory or inventories(given, run))
    with observer(json=json, total=0) as watching:
        results = go_on(given, fleet, watching, threading.Event(), run=run, hosts=select_hosts(fleet, limit))
        for result in results:
            watching.finished(result)
        if not results:
            watching.nothing_open()
    for result in results[-1:]:
        unwatched(result)
    raise typer.Exit(exit_code([pair for result in results for pair in result.results]))
