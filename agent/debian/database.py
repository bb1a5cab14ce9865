"""What dpkg knows, read from its own files; nothing is changed here.

Source: dpkg(1), dpkg-query(1): ``status`` and ``updates``, ``arch``, ``info/<package>.*``.
"""

from __future__ import annotations

import os

from agent import debian

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.debian import Offer
    from agent.host.linux import Package

FOLDER = "/var/lib/dpkg"


def row(packages: dict[str, Package], name: str, architecture: str = "") -> Package | None:
    """dpkg's row of a package in this architecture; None where dpkg does not know it or has nothing of it."""
    found = packages.get(name)
    if found is not None and architecture not in ("", "all", found.architecture) and found.architecture != "all":
        found = packages.get(f"{name}:{architecture}")
    return None if found is None or found.status == "not-installed" else found


def native(packages: dict[str, Package]) -> str:
    """The computer's own architecture; empty where there is no dpkg."""
    found = packages.get("dpkg")
    return found.architecture if found else ""


def info(name: str, architecture: str, member: str) -> str:
    """The file in which dpkg keeps something of a package: its list of files, its scripts, …"""
    folder = os.path.join(FOLDER, "info")
    path = os.path.join(folder, f"{name}:{architecture}.{member}")
    return path if os.path.exists(path) else os.path.join(folder, f"{name}.{member}")


def listed(name: str, architecture: str) -> list[str]:
    """The paths of a package as dpkg has them; empty where it has none."""
    try:
        with open(info(name, architecture, "list"), encoding="utf-8", errors="surrogateescape") as file:
            return [line for line in file.read().split("\n") if line and line != "/."]
    except FileNotFoundError:
        return []


def units(name: str, architecture: str, *, templates: bool = False) -> list[str]:
    """The systemd services a package ships; templates only where they are asked for."""
    found = []
    for path in listed(name, architecture):
        folder, unit = os.path.split(path)
        if (
            folder.endswith("/systemd/system")
            and unit.endswith((".service", ".socket", ".timer", ".path"))
            and (templates or "@." not in unit)
        ):
            found.append(unit)
    return found


def architectures(own: str) -> list[str]:
    """The computer's own architecture and those that were added to it."""
    try:
        with open(os.path.join(FOLDER, "arch"), encoding="ascii") as file:
            return [own, *file.read().split()]
    except FileNotFoundError:
        return [own]


def interrupted() -> list[str]:
    """The diary of a dpkg that was killed in the middle, oldest first; empty where none was.

    Source: dpkg(1): the numbered files under ``updates`` are read into the status by the next dpkg.
    """
    folder = os.path.join(FOLDER, "updates")
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.isdigit()]
    except FileNotFoundError:
        return []


def status() -> list[dict[str, str]]:
    """All fields of all packages that dpkg knows."""
    found = {}
    for path in (os.path.join(FOLDER, "status"), *interrupted()):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for fields in debian.paragraphs(file.read()):
                found[fields.get("Package"), fields.get("Architecture")] = fields
    return list(found.values())


def paragraph(name: str, architecture: str) -> dict[str, str] | None:
    """A package's paragraph of dpkg's status."""
    for fields in status():
        if fields.get("Package") == name and architecture in ("", "all", fields.get("Architecture")):
            return fields
    return None


def with_conffiles(content: str, name: str, architecture: str, conffiles: str) -> str:
    """dpkg's status with other lines under a package's ``Conffiles``; all the rest as it is, byte for byte."""
    blocks = content.split("\n\n")
    for number, block in enumerate(blocks):
        fields = next(iter(debian.paragraphs(block)), {})
        if (fields.get("Package"), fields.get("Architecture")) != (name, architecture):
            continue
        lines: list[str] = []
        inside = False
        for line in block.split("\n"):
            inside = line.startswith("Conffiles:") or (inside and line.startswith((" ", "\t")))
            if not inside:
                lines.append(line)
        if conffiles:
            place = next((i for i, line in enumerate(lines) if line.startswith("Version:")), 0)
            lines[place + 1 : place + 1] = ["Conffiles:", *conffiles.strip("\n").split("\n")]
        blocks[number] = "\n".join(lines)
    return "\n\n".join(blocks)


def all_offers(brought: list[dict[str, Any]]) -> tuple[dict[str, list[Offer]], dict[str, list[Offer]]]:
    """Real and provided names, of what is installed and of what is brought along (``meta`` of payloads)."""
    offers: dict[str, list[Offer]] = {}
    provided: dict[str, list[Offer]] = {}
    names = {meta["package"] for meta in brought}
    rows = [
        (fields["Package"], fields.get("Version", ""), fields.get("Architecture", ""), fields)
        for fields in status()
        if fields.get("Status", "").endswith((" installed", " triggers-pending")) and fields["Package"] not in names
    ]
    rows += [
        (meta["package"], meta["version"], meta["architecture"], {"Provides": meta.get("provides") or ""})
        for meta in brought
    ]
    for name, version, architecture, fields in rows:
        offer = debian.Offer(version, architecture, fields.get("Multi-Arch") == "foreign")
        offers.setdefault(name, []).append(offer)
        for virtual, virtual_offer in debian.parse_provides(fields.get("Provides", ""), offer).items():
            provided.setdefault(virtual, []).append(virtual_offer)
    return offers, provided
