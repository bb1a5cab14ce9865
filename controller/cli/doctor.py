"""doctor: what stands between this controller and the computers, and the command that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    written,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controller.doctor import Finding

SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "unseen": ("–", "dim")}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help=say(
            "periksa jalan ke komputer, dan sebut perbaikannya", "look at the way to the computers, say what mends it"
        )
    )(doctor)


def doctor(inventory: InventoryOption = None, limit: LimitOption = "all", json: JsonOption = False) -> None:
    """Print what was found, in the order of the way; exit 1 where the way to a computer ends early."""
    from concurrent.futures import ThreadPoolExecutor

    from controller import runtime
    from controller.doctor import FAILED, examine
    from controller.run.opening import options_for, owner

    given = read_settings()
    selected = select_hosts(read_inventory(inventory), limit)
    kept = runtime.prepare(given.home)
    options = options_for(given, kept, slowly=False)
    failed = False
    with ThreadPoolExecutor(max_workers=50) as pool:
        found = pool.map(lambda host: examine(host, kept, options=options, owner=owner()), selected)
        for host, findings in zip(selected, found, strict=True):
            failed = failed or any(finding.verdict == FAILED for finding in findings)
            if json:
                rows = [finding.as_json() for finding in findings]
                line = {"host": host.name, "connection": host.connection.kind, "findings": rows}
                typer.echo(written(line))
            else:
                typer.secho(f"{host.name} ({host.connection.kind} {host.connection.address})", bold=True)
                print_findings(findings)
    raise typer.Exit(1 if failed else 0)


def print_findings(findings: Sequence[Finding]) -> None:
    """A line for each look; below it, what to do."""
    from controller.doctor import LOOKS

    width = max(len(LOOKS[finding.look].say(LANGUAGE)) for finding in findings)
    for finding in findings:
        sign, colour = SIGNS[finding.verdict]
        mark = typer.style(sign, fg=None if colour == "dim" else colour, dim=colour == "dim")
        name = LOOKS[finding.look].say(LANGUAGE).ljust(width)
        typer.echo(f"  {mark} {name}  {finding.found.say(LANGUAGE)}".rstrip())
        if finding.hint:
            typer.echo(f"    → {finding.hint.say(LANGUAGE)}")
        if finding.command:
            typer.echo(f"      {finding.command}")
