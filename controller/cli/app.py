"""The commands of ``pasang`` and the files they are in."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli import depot, form, hosts, run, runtime, schema
from controller.cli.common import say

app = typer.Typer(
    name="pasang",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=say(
        "Pasang perangkat lunak di banyak komputer menurut prosedur, dengan bukti dan Form Instalasi.",
        "Install software on many computers by the written procedure, with proof and a form to sign.",
    ),
)


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help=say("versi, lalu selesai", "the version, and exit"))
    ] = False,
) -> None:
    """What stands before every command."""
    if version:
        from controller import __version__

        typer.echo(f"pasang {__version__}")
        raise typer.Exit


run.register(app)
app.add_typer(hosts.app, name="hosts")
app.add_typer(depot.app, name="depot")
app.add_typer(form.app, name="form")
app.add_typer(schema.app, name="schema")
app.add_typer(runtime.app, name="runtime")
