"""depot: installers by SHA-256: take in, list, look at, hash again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.common import LANGUAGE, read_settings, say

if TYPE_CHECKING:
    from controller.depot import Depot

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help=say("gudang pemasang, menurut SHA-256", "installers, by SHA-256")
)


def opened() -> Depot:
    """The depot of this installation."""
    from controller.depot import Depot

    return Depot(read_settings().depot)


@app.command(help=say("masukkan berkas pemasang, dan tampilkan isinya", "take in installers, and show what they are"))
def add(files: Annotated[list[Path], typer.Argument(metavar="FILE…")]) -> None:
    """Print what a playbook's ``payloads`` wants to know."""
    depot = opened()
    for file in files:
        item = depot.add(file)
        typer.echo(f"{item.file}: {{file: {item.file}, sha256: {item.digest}}}")
        for key, value in item.inspection.meta.items():
            typer.echo(f"  {key}: {value}")


@app.command("list", help=say("isi gudang", "what is in the depot"))
def list_items(
    json: Annotated[
        bool, typer.Option("--json", help=say("satu objek JSON per baris", "one JSON object a line"))
    ] = False,
) -> None:
    """Print a table, or NDJSON."""
    import dataclasses
    import json as json_

    items = opened().items()
    if json:
        for item in items:
            typer.echo(json_.dumps(dataclasses.asdict(item), default=str, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    from controller.form.wording import size

    table = Table(show_edge=False, pad_edge=False)
    for name in ("SHA-256", say("Berkas", "File"), say("Ukuran", "Size"), "Format"):
        table.add_column(name)
    for item in items:
        table.add_row(item.digest[:16], item.file, size(item.size_bytes).say(LANGUAGE), item.inspection.format)
    Console(markup=False).print(table)


@app.command(help=say("satu pemasang dengan semua keterangannya", "one installer, with all that is known of it"))
def show(
    digest: Annotated[str, typer.Argument(metavar="SHA256", help=say("boleh awalannya saja", "or its beginning"))],
) -> None:
    """Print JSON."""
    import dataclasses
    import json

    from controller.errors import DepotError
    from controller.text import Text

    found = [item for item in opened().items() if item.digest.startswith(digest.lower())]
    if len(found) != 1:
        raise DepotError(
            Text(f"{len(found)} pemasang cocok dengan {digest}", f"{len(found)} installers begin with {digest}"),
            hint=Text("lihat `pasang depot list`", "see `pasang depot list`"),
        )
    typer.echo(json.dumps(dataclasses.asdict(found[0]), default=str, ensure_ascii=False, indent=2))


@app.command(help=say("hitung ulang SHA-256 semua pemasang", "hash every installer again"))
def verify() -> None:
    """Exit 0 where all are as they were taken in, else 1."""
    problems = opened().verify()
    for problem in problems:
        typer.echo(problem.say(LANGUAGE), err=True)
    typer.echo(say(f"{len(problems)} bermasalah", f"{len(problems)} damaged"))
    raise typer.Exit(1 if problems else 0)
