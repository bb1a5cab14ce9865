"""Options that commands share, and what they open. Heavy modules are imported where used: ``--help`` has a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from controller.text import Language, Text, language_of

if TYPE_CHECKING:
    from controller.inventory import Host, Inventory
    from controller.playbook import Playbook
    from controller.settings import Settings

LANGUAGE: Language = language_of()
"""The reader's, fixed for this process."""


DEFAULT_INVENTORY = [Path("inventory.yaml")]
NOTHING: dict[str, Any] = {
    "type": "summary",
    "run": None,
    "software": None,
    "seconds": 0,
    "hosts": {},
    "results": [],
    "counts": {},
}
"""The ``summary`` of ``--json`` where there is nothing to sum up."""


def say(id: str, en: str) -> str:
    """A sentence in the reader's language."""
    return Text(id, en).say(LANGUAGE)


def written(value: object, *, indent: int | None = None) -> str:
    """JSON for stdout; what its encoding lacks is escaped, so that no letter is lost on the way."""
    import json
    import sys

    has_all = (sys.stdout.encoding or "").lower().startswith("utf")
    return json.dumps(value, ensure_ascii=not has_all, default=str, indent=indent)


def confirm(question: str) -> bool:
    """Ask on stderr; only a plain yes counts as one, and no answer is none."""
    import sys

    typer.echo(f"{question} {say('[y/t]', '[y/n]')} ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() in ("y", "ya", "yes")


InventoryOption = Annotated[
    list[Path] | None,
    typer.Option(
        "-i",
        "--inventory",
        help=say("inventaris (YAML Ansible); boleh berulang", "inventory (Ansible's YAML); repeatable"),
    ),
]
LimitOption = Annotated[
    str,
    typer.Option(
        "-l",
        "--limit",
        help=say("pola komputer: all, grup, a:&b, !c, pc[1:9]", "hosts: all, groups, a:&b, !c, pc[1:9]"),
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help=say("tanpa bertanya (untuk skrip)", "do not ask (for scripts)"))]
JsonOption = Annotated[
    bool, typer.Option("--json", help=say("kejadian sebagai NDJSON di stdout", "events as NDJSON on stdout"))
]
ForksOption = Annotated[
    int, typer.Option("-f", "--forks", min=1, max=1000, help=say("komputer sekaligus", "computers at once"))
]
WaitOption = Annotated[
    str,
    typer.Option(
        "--wait",
        metavar=say("LAMA", "TIME"),
        help=say(
            "tunggu komputer yang sedang dikerjakan proses lain, misalnya 10m",
            "wait for computers that others work on, for example 10m",
        ),
    ),
]
PlaybookArgument = Annotated[
    str,
    typer.Argument(metavar="PLAYBOOK", help=say("nama di playbooks/ atau jalur", "a name in playbooks/, or a path")),
]
PlaybooksArgument = Annotated[
    list[str],
    typer.Argument(metavar="PLAYBOOK…", help=say("nama di playbooks/ atau jalur", "names in playbooks/, or paths")),
]


def seconds(given: str) -> float:
    """The time of ``--wait``.

    Raises:
        InputError: it is none.
    """
    from controller.errors import InputError
    from controller.units import UnitError, duration

    try:
        return duration(given)
    except UnitError as error:
        raise InputError(error.what, where="--wait", hint=error.hint) from error


def read_settings() -> Settings:
    """The settings of this process."""
    from controller.settings import load_settings

    return load_settings()


def read_inventory(paths: list[Path] | None) -> Inventory:
    """The inventory given, or ``inventory.yaml`` here; what is odd in it is said on stderr."""
    from controller.inventory import load

    fleet = load(paths or DEFAULT_INVENTORY)
    for warning in fleet.warnings:
        typer.echo("pasang: " + warning.say(LANGUAGE), err=True)
    return fleet


def select_hosts(fleet: Inventory, pattern: str) -> list[Host]:
    """The computers that a pattern selects.

    Raises:
        InputError: none.
    """
    from controller.run.opening import nothing_selected

    selected = fleet.select(pattern)
    if not selected:
        raise nothing_selected(pattern)
    return list(selected)


def read_playbooks(names: list[str], given: Settings) -> list[Playbook]:
    """The playbooks by name or path, all mistakes of all of them at once.

    Raises:
        InputError: naming every mistake.
    """
    from controller.errors import InputError, Problem
    from controller.playbook import load

    problems: list[Problem] = []
    loaded: list[Playbook] = []
    for name in names:
        try:
            playbook = load(name, given.playbooks, cache=given.home / "cache")
        except InputError as error:
            problems.extend(error.problems)
            continue
        software = playbook.software["name"]
        former = next((other for other in loaded if other.software["name"] == software), None)
        if former is None:
            loaded.append(playbook)
        else:
            what = Text(
                f"{software} diminta dua kali: juga oleh {former.path}",
                f"{software} is asked for twice: by {former.path} too",
            )
            hint = Text("sebutkan setiap perangkat lunak satu kali", "name each software once")
            problems.append(Problem(str(playbook.path), what, hint))
    if problems:
        raise InputError.of(problems)
    return loaded
