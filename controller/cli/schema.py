"""schema: the formats of our files for editors."""

from __future__ import annotations

import typer

from controller.cli.common import LANGUAGE, say, written
from controller.cli.help import family

app = family(say("skema berkas untuk penyunting", "schemas of our files for editors"))


@app.callback()
def schema() -> None:
    """A family of commands, though it has one member so far."""


@app.command(help=say("JSON Schema dari playbook.yaml", "the JSON Schema of playbook.yaml"))
def playbook() -> None:
    """Print it."""
    from controller.playbook.schema import json_schema

    typer.echo(written(json_schema(LANGUAGE), indent=2))
