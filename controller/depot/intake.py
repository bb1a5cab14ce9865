"""Step 1: the playbook's installers into the depot, each found, hashed, inspected, and held against the playbook."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.depot.store import Depot, Item
from controller.errors import DepotError, InputError, PlaybookError, Problem
from controller.playbook import Payload, Playbook
from controller.playbook.load import actions_of
from controller.text import Text

_WANTS = {"deb": ("deb",), "archive": ("zip", "tar"), "msi": ("msi",), "exe": ("pe",)}


def take_in(playbook: Playbook, depot: Depot) -> Playbook:
    """The playbook with ``inspected`` filled: every payload is in the depot and is what the playbook says.

    A payload is looked for beside the playbook, then in the depot by its digest; one with a ``url`` is fetched where
    the depot does not have it.

    Raises:
        DepotError: an installer is missing, damaged or has the wrong digest; all of them.
        PlaybookError: an installer does not fit the playbook (another version, another kind); all of them.
    """
    items: dict[str, Item] = {}
    problems: list[Problem] = []
    for name, payload in playbook.payloads.items():
        try:
            items[name] = _item(playbook, payload, depot)
        except InputError as error:
            problems += [_placed(playbook, payload, problem) for problem in error.problems]
    if problems:
        raise DepotError.of(problems)
    problems = [*_kinds(playbook, items), *_versions(playbook, items)]
    if any(item.inspection.format in ("msi", "pe") for item in items.values()):
        from controller.depot import windows

        problems += windows.disagreements(playbook, items)
    if problems:
        raise PlaybookError.of(problems)
    return dataclasses.replace(playbook, inspected={n: item.payload() for n, item in items.items()})


def _placed(playbook: Playbook, payload: Payload, problem: Problem) -> Problem:
    """What the depot says of a file or an address, with the line of the playbook that asks for it."""
    where = playbook.where(f"payloads/{payload.name}")
    if problem.where == where:
        return problem
    what = Text(f"{problem.where}: {problem.what.id}", f"{problem.where}: {problem.what.en}")
    return Problem(where, what if problem.where else problem.what, problem.hint)


def _item(playbook: Playbook, payload: Payload, depot: Depot) -> Item:
    if payload.file is not None:
        beside = playbook.folder / payload.file
        if beside.is_file():
            return depot.add(beside, payload.digest)
    item = depot.find(payload.digest)
    if item is not None:
        return item
    if payload.url is not None:
        from controller.depot.fetch import fetch

        return fetch(payload.url, payload.digest, depot)
    if depot.is_damaged(payload.digest):
        raise DepotError(
            Text(
                f"payload '{payload.name}' ({payload.file}) rusak di gudang dan tidak ada di samping playbook",
                f"the payload '{payload.name}' ({payload.file}) is damaged in the depot and not beside the playbook",
            ),
            where=playbook.where(f"payloads/{payload.name}"),
            hint=Text(
                f"taruh berkas aslinya di {playbook.folder}, atau {depot.mending(payload.digest).id}",
                f"put the original file into {playbook.folder}, or {depot.mending(payload.digest).en}",
            ),
        )
    raise DepotError(
        Text(
            f"payload '{payload.name}' ({payload.file}) tidak ada di samping playbook maupun di gudang",
            f"the payload '{payload.name}' ({payload.file}) is neither beside the playbook nor in the depot",
        ),
        where=playbook.where(f"payloads/{payload.name}"),
        hint=Text(
            f"taruh berkasnya di {playbook.folder}, atau 'pasang depot add {payload.file}'",
            f"put the file into {playbook.folder}, or 'pasang depot add {payload.file}'",
        ),
    )


def _kinds(playbook: Playbook, items: Mapping[str, Item]) -> Iterator[Problem]:
    """Actions whose payload is of another kind."""
    for key, action in actions_of(playbook.variants):
        wanted = _WANTS.get(action["kind"])
        for name in [*action.get("payloads", ()), action.get("payload")]:
            if wanted and name in items and items[name].inspection.format not in wanted:
                found = items[name].inspection.format
                other = next((k for k, formats in _WANTS.items() if found in formats), None)
                yield Problem(
                    playbook.where(key),
                    Text(
                        f"{action['kind']} memerlukan {'/'.join(wanted)}, tetapi payload '{name}' adalah {found}",
                        f"{action['kind']} needs {'/'.join(wanted)}, but the payload '{name}' is {found}",
                    ),
                    Text(f"pakai tindakan {other}", f"use the action {other}")
                    if other
                    else Text("pakai tindakan file dan command", "use the actions file and command"),
                )


def _versions(playbook: Playbook, items: Mapping[str, Item]) -> list[Problem]:
    """The package that bears the software's name must have the software's version: in one payload of them at least.

    Variants for several releases carry each release's own package, whose versions differ.
    """
    name, version = playbook.software["name"], playbook.software["version"]
    others: list[Problem] = []
    for payload, item in items.items():
        meta = item.inspection.meta
        if item.inspection.format != "deb" or str(meta["package"]).lower() != name.lower():
            continue
        found, package = str(meta["version"]), meta["package"]
        if same_version(found, version):
            return []
        others.append(
            Problem(
                playbook.where(f"payloads/{payload}"),
                Text(
                    f"paket {package} di {item.file} berversi {found}, tetapi software.version {version}",
                    f"the package {package} in {item.file} has version {found}, but software.version is {version}",
                ),
                Text(
                    f'tulis software.version: "{upstream(found)}", atau pakai berkas versi {version}',
                    f'write software.version: "{upstream(found)}", or use the file of version {version}',
                ),
            )
        )
    return others


def upstream(version: str) -> str:
    """A Debian version without epoch and revision.

    Source: deb-version(7).
    """
    return re.sub(r"^\d+:", "", version).rpartition("-")[0] or re.sub(r"^\d+:", "", version)


def same_version(package: str, software: str) -> bool:
    """Whether a Debian version is the software's: but for epoch, revision and repacking (``+dfsg``, ``~ds1``)."""
    plain = upstream(package)
    return software in (package, plain, re.sub(r"^\d+:", "", package)) or bool(
        re.fullmatch(re.escape(software) + r"(?:\+.*|~(?:dfsg|ds|repack).*)", plain)
    )


def payload_path(depot: Depot, payload: Mapping[str, Any]) -> Path:
    """Where the bytes of a plan's payload stand.

    Raises:
        DepotError: they are no longer there.
    """
    return depot.get(payload["digest"]).path
