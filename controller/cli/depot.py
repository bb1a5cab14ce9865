"""depot: installers by SHA-256: take in, list, look at, hash again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.common import LANGUAGE, read_settings, say, written
from controller.cli.help import family

if TYPE_CHECKING:
    from controller.depot import Depot
    from controller.errors import Problem

app = family(say("gudang pemasang, menurut SHA-256", "installers, by SHA-256"))


def opened() -> Depot:
    """The depot of this installation."""
    from controller.depot import Depot

    return Depot(read_settings().depot)


JsonOption = Annotated[bool, typer.Option("--json", help=say("satu objek JSON per baris", "one JSON object a line"))]


@app.command(help=say("masukkan berkas pemasang, dan tampilkan isinya", "take in installers, and show what they are"))
def add(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…")],
    json: JsonOption = False,
) -> None:
    """Print what a playbook's ``payloads`` wants to know; take in what can be, then name all that cannot; exit 2."""
    import dataclasses

    from controller.depot.words import lines_of
    from controller.errors import DepotError, InputError
    from controller.form.wording import size

    depot = opened()
    problems: list[Problem] = []
    for file in files:
        try:
            item = depot.add(file)
        except InputError as error:
            problems += error.problems
            continue
        if json:
            typer.echo(written(dataclasses.asdict(item)))
            continue
        typer.echo(f"{item.file}: {{file: {item.file}, sha256: {item.digest}}}")
        typer.echo(f"  {say('ukuran', 'size')}: {size(item.size_bytes).say(LANGUAGE)}")
        for label, value in lines_of(item.inspection):
            typer.echo(f"  {label.say(LANGUAGE)}: {value.say(LANGUAGE)}")
    if problems:
        raise DepotError.of(problems)


@app.command("list", help=say("isi gudang", "what is in the depot"))
def list_items(json: JsonOption = False) -> None:
    """Print a table, or NDJSON."""
    import dataclasses

    items = opened().items()
    if json:
        for item in items:
            typer.echo(written(dataclasses.asdict(item)))
        return
    from controller.cli.tables import print_table
    from controller.form.wording import size

    print_table(
        ("SHA-256", "Format", say("Ukuran", "Size"), say("Berkas", "File")),
        [(i.digest[:16], i.inspection.format, size(i.size_bytes).say(LANGUAGE), i.file) for i in items],
    )


@app.command(help=say("satu pemasang dengan semua keterangannya", "one installer, with all that is known of it"))
def show(
    digest: Annotated[str, typer.Argument(metavar="SHA256", help=say("boleh awalannya saja", "or its beginning"))],
) -> None:
    """Print JSON."""
    import dataclasses

    from controller.errors import DepotError
    from controller.text import Text

    found = [item for item in opened().items() if item.digest.startswith(digest.lower())]
    if len(found) != 1:
        raise DepotError(
            Text(f"{len(found)} pemasang cocok dengan {digest}", f"{len(found)} installers begin with {digest}"),
            hint=Text("lihat `pasang depot list`", "see `pasang depot list`"),
        )
    typer.echo(written(dataclasses.asdict(found[0]), indent=2))


@app.command(help=say("hitung ulang SHA-256 semua pemasang", "hash every installer again"))
def verify() -> None:
    """Exit 0 where all are as they were taken in, else 1."""
    problems = opened().verify()
    for problem in problems:
        typer.echo(problem.say(LANGUAGE), err=True)
    typer.echo(say(f"{len(problems)} bermasalah", f"{len(problems)} damaged"))
    raise typer.Exit(1 if problems else 0)
