"""hosts: the inventory as understood, facts of the computers, their keys, and what we keep on them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.cli.common import (
    LANGUAGE,
    InventoryOption,
    JsonOption,
    LimitOption,
    YesOption,
    confirm,
    read_inventory,
    read_settings,
    say,
    select_hosts,
    written,
)
from controller.cli.help import family
from controller.text import Text

if TYPE_CHECKING:
    from controller.errors import InputError
    from controller.inventory import Host

app = family(say("komputer tujuan", "the computers"))


@app.command("list", help=say("inventaris sebagaimana dipahami", "the inventory as understood"))
def list_hosts(inventory: InventoryOption = None, limit: LimitOption = "all", json: JsonOption = False) -> None:
    """Print a table, or NDJSON."""
    selected = select_hosts(read_inventory(inventory), limit)
    rows = [row_of(host) for host in selected]
    if json:
        for row in rows:
            typer.echo(written(row))
        return
    from controller.cli.tables import print_table

    yes = say("ya", "yes")
    print_table(
        (
            say("Komputer", "Computer"),
            say("Kelompok", "Groups"),
            say("Lewat", "By"),
            say("Alamat", "Address"),
            "Port",
            say("Pengguna", "User"),
            "sudo",
            say("Lokasi", "Location"),
        ),
        [[yes if value is True else None if value is False else value for value in row.values()] for row in rows],
    )


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


@app.command(help=say("tanyakan fakta komputer: OS, RAM, CPU, Python", "ask the computers what they are"))
def facts(inventory: InventoryOption = None, limit: LimitOption = "all", json: JsonOption = False) -> None:
    """Print a table, or NDJSON; exit 1 where a computer did not answer."""
    answers = ask(select_hosts(read_inventory(inventory), limit), {"do": "facts"})
    rows = []
    for name, answer in answers.items():
        rows.append({"host": name, **(answer.get("facts") or {"error": answer["error"]})})
    if json:
        for row in rows:
            typer.echo(written(row))
    else:
        print_facts([row for row in rows if "error" not in row])
        for row in rows:
            if "error" in row:
                typer.echo(f"{row['host']}: {row['error']}", err=True)
    raise typer.Exit(1 if any("error" in row for row in rows) else 0)


def print_facts(rows: list[dict[str, Any]]) -> None:
    """Facts as people read them."""
    from controller.cli.tables import print_table
    from controller.form.wording import size

    print_table(
        (
            say("Komputer", "Computer"),
            "OS",
            say("Arsitektur", "Architecture"),
            "CPU",
            "RAM",
            "Python",
            "Init",
            say("Nama sendiri", "Own name"),
        ),
        [
            (
                row["host"],
                row.get("title"),
                row.get("arch"),
                row.get("cpu_count"),
                size(int(row.get("ram_bytes") or 0)).say(LANGUAGE),
                row.get("python"),
                row.get("init"),
                row.get("hostname"),
            )
            for row in rows
        ],
    )


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
    yes: YesOption = False,
) -> None:
    """Say how much went; exit 1 where a computer did not answer."""
    from controller.form.wording import size

    selected = select_hosts(read_inventory(inventory), limit)
    if everything and not yes:
        if not sys.stdin.isatty():
            raise unasked()
        if not confirm(no_way_back(len(selected))):
            raise typer.Abort
    answers = ask(selected, {"do": "clean", "id": "clean", "all": everything})
    for name, answer in answers.items():
        removed = size(int(answer.get("removed_bytes") or 0)).say(LANGUAGE)
        typer.echo(f"{name}: {answer.get('error') or say(f'{removed} dihapus', f'{removed} removed')}")
    raise typer.Exit(1 if any("error" in answer for answer in answers.values()) else 0)


def no_way_back(count: int) -> str:
    """What is lost with everything that we keep on computers."""
    return say(
        f"Yang terpasang di {count} komputer ini tidak akan dapat dicopot lagi dengan `pasang uninstall` "
        "sampai seperti semula. Hapus semuanya?",
        f"What is installed on these {count} computers can then no longer be taken back by `pasang uninstall` "
        "to what was there before. Remove everything?",
    )


def unasked() -> InputError:
    """The error where everything is to go, and there is nobody to ask."""
    from controller.errors import InputError

    return InputError(
        Text(
            "--all juga menghapus yang diperlukan `pasang uninstall`, dan tanpa terminal tidak ada yang dapat ditanya",
            "--all also removes what `pasang uninstall` needs, and without a terminal there is nobody to ask",
        ),
        where="--all",
        hint=Text(
            "tambahkan --yes bila memang dimaksud; tidak ada yang dihapus",
            "add --yes if that is what is meant; nothing was removed",
        ),
    )


@app.command(help=say("tampilkan kunci SSH komputer, lalu percayai", "show the computers' SSH keys, and take them"))
def trust(
    inventory: InventoryOption = None,
    limit: LimitOption = "all",
    yes: YesOption = False,
) -> None:
    """Show each fingerprint first; exit 1 where one could not be had or was not taken."""
    from concurrent.futures import ThreadPoolExecutor

    from controller.errors import HostError
    from controller.transport import Options
    from controller.transport.ssh import fetch_host_key
    from controller.transport.ssh.hostkeys import trust as take

    given = read_settings()
    options = Options(known_hosts=given.known_hosts)
    asked = select_hosts(read_inventory(inventory), limit)
    selected = [host for host in asked if host.connection.kind == "ssh"]
    if any(host.connection.kind == "winrm" for host in asked):
        typer.echo(
            say(
                "WinRM: tidak ada yang perlu dipercayai di sini; lewat https, sertifikat diperiksa terhadap CA sistem "
                "ini atau ansible_winrm_ca_trust_path",
                "WinRM: nothing to take here; over https, certificates are checked against this system's CAs or "
                "ansible_winrm_ca_trust_path",
            ),
            err=True,
        )
    elif not selected:
        typer.echo(
            say("tidak ada komputer SSH di antaranya: tidak ada kunci", "none of them is reached by SSH: no keys"),
            err=True,
        )

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
            if yes or confirm(say(f"percayai kunci {host.name}?", f"trust the key of {host.name}?")):
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
    from controller.run.contact import answer
    from controller.run.opening import options_for, owner

    given = read_settings()
    kept = runtime.prepare(given.home)
    options = options_for(given, kept)

    def one(host: Host) -> dict[str, Any]:
        try:
            return answer(host, {"owner": owner(), **job}, runtime=kept, options=options)
        except HostError as error:
            return {"error": error.say(LANGUAGE)}

    with ThreadPoolExecutor(max_workers=50) as pool:
        return dict(zip((h.name for h in selected), pool.map(one, selected), strict=True))
