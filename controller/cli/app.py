"""The commands of ``pasang`` and the files they are in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli import depot, doctor, form, hosts, run, runtime, schema
from controller.cli.common import say
from controller.cli.help import family

app = family(
    say(
        "Pasang perangkat lunak di banyak komputer menurut prosedur, dengan bukti dan Form Instalasi.",
        "Install software on many computers by the written procedure, with proof and a form to sign.",
    )
)


@app.callback(invoke_without_command=True)
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
doctor.register(app)
app.add_typer(hosts.app, name="hosts")
app.add_typer(depot.app, name="depot")
app.add_typer(form.app, name="form")
app.add_typer(schema.app, name="schema")
app.add_typer(runtime.app, name="runtime")


def narrow(app: typer.Typer, words: Sequence[str]) -> None:
    """Leave nothing but the command that a command line begins with: the library reads the options of each."""
    commands = [
        c for c in app.registered_commands if words and words[0] == (c.name or getattr(c.callback, "__name__", ""))
    ]
    groups = [group for group in app.registered_groups if words and words[0] == group.name]
    if commands or groups:
        app.registered_commands, app.registered_groups = commands, groups
