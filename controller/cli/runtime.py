"""runtime: what the agent needs on a computer: its archive, and psutil by platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.common import read_settings, say

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help=say("agen dan psutil untuk komputer tujuan", "the agent, and psutil, for the computers"),
)


@app.command("list", help=say("yang dikirim ke komputer, dengan ukurannya", "what is sent to computers, and its size"))
def list_parts(
    json: Annotated[
        bool, typer.Option("--json", help=say("satu objek JSON per baris", "one JSON object a line"))
    ] = False,
) -> None:
    """Print a line a part: name, platform, bytes, SHA-256."""
    import hashlib
    import json as json_

    from controller import runtime

    made = runtime.prepare(read_settings().home)
    parts = [
        ("stage", "", len(made.stage), hashlib.sha256(made.stage).hexdigest()),
        ("agent", "", made.path(made.agent).stat().st_size, made.agent),
        *(("psutil", name, made.path(digest).stat().st_size, digest) for name, digest in sorted(made.psutil.items())),
    ]
    for name, platform, size_bytes, digest in parts:
        row = {"name": name, "platform": platform or None, "size_bytes": size_bytes, "digest": digest}
        typer.echo(json_.dumps(row) if json else f"{name:<7} {platform:<24} {size_bytes:>9} byte  {digest}")


@app.command(help=say("tambahkan wheel psutil untuk platform lain", "add psutil's wheel for another platform"))
def add(files: Annotated[list[Path], typer.Argument(metavar="FILE…")]) -> None:
    """Print the platforms that each file serves."""
    from controller import runtime

    home = read_settings().home
    for file in files:
        platforms, digest = runtime.add_wheel(home, file)
        typer.echo(f"{', '.join(platforms)}: {digest}")
