"""schema: the formats of our files for editors."""

from __future__ import annotations

import typer

from controller.cli.common import say

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=say("skema berkas untuk penyunting", "schemas of our files for editors"),
)


@app.callback()
def schema() -> None:
    """A family of commands, though it has one member so far."""


@app.command(help=say("JSON Schema dari playbook.yaml", "the JSON Schema of playbook.yaml"))
def playbook() -> None:
    """Print it."""
    import json

    from controller.playbook.schema import json_schema

    typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))
