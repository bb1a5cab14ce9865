"""hosts: the inventory as understood, facts of the computers, their keys, and what we keep on them."""

from __future__ import annotations

import json as json_
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.common import (
    LANGUAGE,
    InventoryOption,
    JsonOption,
    LimitOption,
    read_inventory,
    read_settings,
    say,
    select_hosts,
)

if TYPE_CHECKING:
    from controller.inventory import Host

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=say("komputer tujuan", "the computers"))


@app.command("list", help=say("inventaris sebagaimana dipahami", "the inventory as understood"))
def list_hosts(inventory: InventoryOption = None, limit: LimitOption = "all", json: JsonOption = False) -> None:
    """Print a table, or NDJSON."""
    selected = select_hosts(read_inventory(inventory), limit)
    rows = [row_of(host) for host in selected]
    if json:
        for row in rows:
            typer.echo(json_.dumps(row, ensure_ascii=False))
        return
    table(rows)


def row_of(host: Host) -> dict[str, Any]:
    """A computer as the list shows it; nothing secret."""
    connection = host.connection
    return {
        "host": host.name,
        "groups": list(host.groups),
        "connection": connection.kind,
        "address": connection.address,
        "port": connection.port,
        "user": connection.user,
        "become": connection.become,
        "location": host.location,
    }


def table(rows: list[dict[str, Any]]) -> None:
    """Rows of equal keys as a table."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(show_edge=False, pad_edge=False)
    for name in rows[0] if rows else []:
        shown.add_column(name)
    for row in rows:
        shown.add_row(
            *("" if v is None else ", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in row.values())
        )
    Console(markup=False).print(shown)


@app.command(help=say("tanyakan fakta komputer: OS, RAM, CPU, Python", "ask the computers what they are"))
def facts(inventory: InventoryOption = None, limit: LimitOption = "all", json: JsonOption = False) -> None:
    """Print a table, or NDJSON; exit 1 where a computer did not answer."""
    answers = ask(select_hosts(read_inventory(inventory), limit), {"do": "facts"})
    rows = []
    for name, answer in answers.items():
        rows.append({"host": name, **(answer.get("facts") or {"error": answer["error"]})})
    if json:
        for row in rows:
            typer.echo(json_.dumps(row, ensure_ascii=False))
    else:
        table([shown(row) for row in rows if "error" not in row])
        for row in rows:
            if "error" in row:
                typer.echo(f"{row['host']}: {row['error']}", err=True)
    raise typer.Exit(1 if any("error" in row for row in rows) else 0)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Facts as people read them."""
    from controller.form.wording import size

    return {
        say("Komputer", "Computer"): row["host"],
        "OS": row.get("title"),
        say("Arsitektur", "Architecture"): row.get("arch"),
        "CPU": row.get("cpu_count"),
        "RAM": size(int(row.get("ram_bytes") or 0)).say(LANGUAGE),
        "Python": row.get("python"),
        "Init": row.get("init"),
        say("Nama sendiri", "Own name"): row.get("hostname"),
    }


@app.command(help=say("hapus yang kami simpan di komputer", "remove what we keep on the computers"))
def clean(
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help=say("juga catatan untuk jalan kembali", "also what the way back of installed software needs")
        ),
    ] = False,
) -> None:
    """Say how much went; exit 1 where a computer did not answer."""
    answers = ask(select_hosts(read_inventory(inventory), limit), {"do": "clean", "id": "clean", "all": everything})
    for name, answer in answers.items():
        typer.echo(f"{name}: {answer.get('error') or str(answer['removed_bytes']) + ' byte'}")
    raise typer.Exit(1 if any("error" in answer for answer in answers.values()) else 0)


@app.command(help=say("tampilkan kunci SSH komputer, lalu percayai", "show the computers' SSH keys, and take them"))
def trust(
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    yes: Annotated[
        bool, typer.Option("--yes", help=say("tanpa bertanya (untuk skrip)", "do not ask (for scripts)"))
    ] = False,
) -> None:
    """Show each fingerprint first; exit 1 where one could not be had or was not taken."""
    from concurrent.futures import ThreadPoolExecutor

    from controller.errors import HostError
    from controller.transport import Options
    from controller.transport.ssh import fetch_host_key
    from controller.transport.ssh.hostkeys import trust as take

    given = read_settings()
    options = Options(known_hosts=given.known_hosts)
    selected = [host for host in select_hosts(read_inventory(inventory), limit) if host.connection.kind == "ssh"]

    def fetch(host: Host) -> Any:
        try:
            return fetch_host_key(host.connection, options=options)
        except HostError as error:
            return error

    failed = 0
    taken = []
    with ThreadPoolExecutor(max_workers=32) as pool:
        for host, key in zip(selected, pool.map(fetch, selected), strict=True):
            if isinstance(key, HostError):
                failed += 1
                typer.echo(f"{host.name}: {key.say(LANGUAGE)}", err=True)
                continue
            typer.echo(f"{host.name}  {key.name}  {key.type}  {key.fingerprint}")
            if yes or typer.confirm(say(f"percayai kunci {host.name}?", f"trust the key of {host.name}?")):
                taken.append(key)
            else:
                failed += 1
    if taken:
        take(taken, given.known_hosts)
    raise typer.Exit(1 if failed else 0)


def ask(selected: list[Host], job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """One question to many computers at once: by host, the agent's answer, or ``{"error": …}``."""
    from concurrent.futures import ThreadPoolExecutor

    from controller import runtime
    from controller.errors import HostError
    from controller.run.contact import SILENCE, converse
    from controller.run.opening import owner
    from controller.transport import Options, boot

    given = read_settings()
    kept = runtime.prepare(given.home)
    options = Options(known_hosts=given.known_hosts)

    def one(host: Host) -> dict[str, Any]:
        question = {"root": host.variables.get("pasang_root"), "owner": owner(), **job}
        try:
            with boot(host.connection, options=options) as channel:
                frames = converse(channel, question, runtime=kept, blob=kept.path, progress=lambda *_: None)
                return next(frame for frame in frames if frame is not SILENCE)
        except HostError as error:
            return {"error": error.say(LANGUAGE)}

    with ThreadPoolExecutor(max_workers=50) as pool:
        return dict(zip((h.name for h in selected), pool.map(one, selected), strict=True))
