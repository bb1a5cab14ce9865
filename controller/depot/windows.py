"""What a playbook says of a Windows installer, held against what the installer says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from controller.depot.makers import MAKERS
from controller.depot.msi import ROW_LIMIT
from controller.errors import Problem
from controller.playbook.load import actions_of
from controller.text import Text

if TYPE_CHECKING:
    from controller.depot.store import Item
    from controller.playbook import Playbook

_SAME = {"i386": "x86", "i686": "x86", "amd64": "x86_64", "arm64": "aarch64"}
_RUNS = {"x86": ("x86",), "x86_64": ("x86_64", "x86"), "aarch64": ("aarch64", "x86_64", "x86")}
"""By processor what it carries out.

Source: Microsoft, "Running 32-bit Applications" (WOW64, on x64 and Arm64); Inno Setup Help, "Architecture Identifiers"
(x64 on Arm64 from Windows 11 on)."""


def disagreements(playbook: Playbook, items: Mapping[str, Item]) -> Iterator[Problem]:
    """Another version, a processor that cannot run it, another maker."""
    yield from _versions(playbook, items)
    for key, action in actions_of(playbook.variants):
        item = items.get(str(action.get("payload")))
        if item is None or (action["kind"], item.inspection.format) not in (("msi", "msi"), ("exe", "pe")):
            continue
        when = playbook.variants[int(key.split("/")[1])]["when"]
        found = str(item.inspection.meta["architecture"])
        for arch in when.get("arch") or ():
            named = _SAME.get(arch, arch)  # as the files and most playbooks say it
            if found not in _RUNS.get(named, (found,)):
                yield Problem(
                    playbook.where(key),
                    Text(
                        f"{item.file} dibuat untuk {found}, tetapi varian ini juga untuk {named}",
                        f"{item.file} is made for {found}, but this variant is for {named} too",
                    ),
                    Text(
                        f"ambil {named} dari when.arch, atau pakai berkas untuk {named}",
                        f"take {named} out of when.arch, or use a file for {named}",
                    ),
                )
        if action["kind"] == "msi":
            yield from _features(playbook, key, action, item)
            yield from _transforms(playbook, key, action, items)
        if action["kind"] == "exe":
            wrong = list(_maker(playbook, key, action.get("maker"), item))
            yield from wrong if wrong or action.get("silent") is not None else [_silent(playbook, key, item)]


def _features(playbook: Playbook, key: str, action: Mapping[str, Any], item: Item) -> Iterator[Problem]:
    """Features that the package does not have: msiexec would fail on every computer, or do nothing."""
    known = [str(row["name"]) for row in item.inspection.meta.get("features") or ()]
    if not known or len(known) >= ROW_LIMIT or action.get("transforms"):
        return  # there may be more than were kept, and a transform may bring some
    for name in action.get("features") or ():
        if isinstance(name, str) and name not in (*known, "ALL"):
            names = ", ".join(known)
            yield Problem(
                playbook.where(key),
                Text(f"{item.file} tidak punya fitur {name}", f"{item.file} has no feature {name}"),
                Text(f"yang ada: {names} (huruf besar dan kecil berbeda)", f"it has: {names} (capitals count)"),
            )


def _transforms(
    playbook: Playbook, key: str, action: Mapping[str, Any], items: Mapping[str, Item]
) -> Iterator[Problem]:
    """Payloads that are given as transforms and are none."""
    for name in action.get("transforms") or ():
        item = items.get(name)
        if item is not None and item.inspection.format not in ("mst", "other"):  # other: known by another name
            found = item.inspection.format
            yield Problem(
                playbook.where(key),
                Text(f"transform '{name}' adalah {found}, bukan .mst", f"the transform '{name}' is {found}, no .mst"),
                Text("pakai berkas .mst dari pembuatnya", "use the .mst file of whoever made it"),
            )


def _silent(playbook: Playbook, key: str, item: Item) -> Problem:
    """How a set-up is made to ask nothing is proposed here, and written by a person."""
    meta = item.inspection.meta
    found = MAKERS.get(str(meta["maker"]))
    switches = ", ".join(meta.get("silent") or ())
    return Problem(
        playbook.where(key),
        Text(
            f"{item.file}: silent belum ada; tanpa itu pemasang akan bertanya",
            f"{item.file}: silent is missing; without it the set-up will ask",
        ),
        Text(
            f"menurut pembuatnya ({found.name}): silent: [{switches}]",
            f"its maker ({found.name}) says: silent: [{switches}]",
        )
        if found
        else Text(
            "tanyakan penerbitnya, misalnya silent: [/S]; silent: [] bila memang tidak bertanya",
            "ask its publisher, for example silent: [/S]; silent: [] where it asks nothing anyway",
        ),
    )


def _maker(playbook: Playbook, key: str, said: str | None, item: Item) -> Iterator[Problem]:
    found = str(item.inspection.meta["maker"])
    if found in MAKERS and said not in (None, found, "plain"):
        switches = ", ".join(MAKERS[found].silent)
        yield Problem(
            playbook.where(key),
            Text(
                f"maker: {said}, tetapi {item.file} dibuat dengan {MAKERS[found].name}",
                f"maker is {said}, but {item.file} was made with {MAKERS[found].name}",
            ),
            Text(
                f"tulis maker: {found}; menurut pembuatnya, tanpa tanya: silent: [{switches}]",
                f"write maker: {found}; to ask nothing, its maker says: silent: [{switches}]",
            ),
        )


def _versions(playbook: Playbook, items: Mapping[str, Item]) -> list[Problem]:
    """An installer that bears the software's name, or the only MSI, must have its version: one of them at least."""
    name, version = playbook.software["name"], playbook.software["version"]
    packages = [n for n, item in items.items() if item.inspection.format == "msi"]
    others: list[Problem] = []
    for payload, item in items.items():
        meta = item.inspection.meta
        found, product = meta.get("version"), str(meta.get("product") or item.file)
        if item.inspection.format not in ("msi", "pe") or not found:
            continue
        if name.lower() not in str(meta.get("product") or "").lower() and packages != [payload]:
            continue
        if same_version(str(found), version, fields=3 if item.inspection.format == "msi" else None):
            return []
        others.append(
            Problem(
                playbook.where(f"payloads/{payload}"),
                Text(
                    f"{product} di {item.file} berversi {found}, tetapi software.version {version}",
                    f"{product} in {item.file} has version {found}, but software.version is {version}",
                ),
                Text(
                    f'tulis software.version: "{found}", atau pakai berkas versi {version}',
                    f'write software.version: "{found}", or use the file of version {version}',
                ),
            )
        )
    return others


def same_version(found: str, software: str, *, fields: int | None = None) -> bool:
    """Whether two versions are one but for zeros at the end, and but for what ``fields`` leaves out.

    Source: Microsoft, Windows Installer, "ProductVersion property": only the first three fields count.
    """
    mine, theirs = (re.split(r"[.,]\s*", v.strip()) for v in (found, software))
    if not all(part.isdigit() for part in (*mine, *theirs)):
        return found.strip() == software.strip()
    numbers = [[int(part) for part in parts] for parts in (mine[:fields], theirs[:fields])]
    for parts in numbers:
        while parts and parts[-1] == 0:
            parts.pop()
    return numbers[0] == numbers[1]
