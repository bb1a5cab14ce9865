"""What a snapshot looks at on Windows: which kinds and folders there are, and what changes there by itself."""

from __future__ import annotations

import os

from agent.windows import accounts, disk, kinds, scm
from agent.windows.facts import role
from agent.windows.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.snapshot import FileReader, Snapshot
    from agent.windows.host import WindowsHost

DYNAMIC_PORTS = 49152
"""Ports from here on are given out by Windows as they come: services of its own wait there, at others in each boot.
Source: learn.microsoft.com, "default dynamic port range for TCP/IP" (49152 to 65535 since Vista)."""
OF_THE_NETWORK = frozenset(
    (
        *(("tcp", port) for port in (139, 2869, 5040, 5357, 7680)),
        *(("udp", port) for port in (123, 137, 138, 500, 1900, 3702, 4500, 5050, 5353, 5355)),
    )
)
"""Where Windows itself waits, at every address that it has just now, or while it looks around: NetBIOS, time, IPsec,
discovery of devices and names, shared updates. Source: learn.microsoft.com, "Service overview and network port
requirements for Windows"; for 5040, 5050 and 7680 the services CDPSvc and DoSvc."""
ON_THE_WAY = ("starting", "stopping", "continuing", "pausing")
KEYS = ("HKLM\\", "HKU\\", "HKEY_LOCAL_MACHINE\\", "HKEY_USERS\\")
"""How an entry of ``watch`` begins that is a key of the registry."""

places = Places(os.environ)
row_at, rows_in, target_of, content_of = disk.row_at, disk.rows_in, disk.target_of, disk.content_of
is_noise = places.is_noise


def first_kinds(host: WindowsHost, watch: Sequence[str]) -> Snapshot:
    """The kinds that are read before the files."""
    rows, triggered = kinds.service_rows()
    states = {row.name: row.status.state for row in scm.services()}
    starts, people = kinds.autostarts()
    is_the_domains = role() == "domain_controller"
    return {
        "packages": kinds.programs(host.programs()),
        "services": kinds.services(rows, states, triggered, places.windows),
        "users": {} if is_the_domains else accounts.users(),
        "groups": {} if is_the_domains else accounts.groups(),
        "processes": {},  # a program that runs cannot be deleted
        "ports": {f"{s.protocol} {s.address}:{s.port}": "" for s in host.listening() if is_lasting(s.protocol, s.port)},
        "schedules": kinds.tasks(places.tasks),
        "autostarts": starts,
        "firewall": kinds.firewall(),
        "variables": kinds.variables(),
        "keys": {**kinds.makers(), **kinds.watched_keys([path for path in watch if is_key(path)])},
        "people": people,
    }


def is_key(path: str) -> bool:
    """Whether an entry of ``watch`` is a key of the registry."""
    return path.upper().startswith(KEYS)


def is_lasting(protocol: str, port: int) -> bool:
    """Whether a socket is of some service that was installed, rather than of Windows' own coming and going."""
    return port < DYNAMIC_PORTS and (protocol, port) not in OF_THE_NETWORK


def last_kinds(files: dict[str, Any]) -> Snapshot:
    """The kinds that are read after the files: none."""
    return {}


def watched(watch: Sequence[str]) -> Iterator[str]:
    """Folders and files to be read whole, each once: ours, and the playbook's ``watch``; programs last, they are large.

    By the name that the disk has for a path, since names are the same in any case.
    """
    paths = (*places.watched, *(path for path in watch if not is_key(path)), *places.programs)
    yield from dict.fromkeys(os.path.realpath(os.path.expanduser(path)) for path in paths)


def read_links(reader: FileReader, before: Snapshot) -> Snapshot:
    """Nothing: Windows has no alternatives."""
    return {}


def listed() -> Iterator[str]:
    """Folders where data lies."""
    return places.listed(path for path, row in rows_in(places.data) if row[0] == "d")


def names_in(folder: str) -> list[tuple[str, list[Any]]]:
    """What of a folder of data is compared: all that stands in it, in a maker's own its folders."""
    is_makers = places.is_makers(folder)
    return [(path, row) for path, row in rows_in(folder) if row[0] == "d" or not is_makers]


def elsewhere(host: WindowsHost) -> set[str]:
    """Folders whose content is nobody's business here: the agent's own."""
    return {host.root, os.path.realpath(host.root)}


def is_kept(path: str) -> bool:
    """Whether the content of a small file is kept, to be restored."""
    return not path.lower().startswith(tuple(folder.lower() for folder in places.programs))


def is_passed_over(path: str) -> bool:
    """Whether a name in a folder that is read whole says nothing."""
    return places.is_noise(path)


def is_nothing(kind: str, name: str, was: Any, now: Any, before: Snapshot, after: Snapshot) -> bool:
    """Whether a difference says nothing about who made it."""
    if kind == "services" and was and any(word in ON_THE_WAY for word in str(was).split()):
        return True  # where it was going then nobody can tell
    if kind == "autostarts":
        person = name.split("\\", 2)[1] if name.startswith("HKU\\" + kinds.PEOPLE) else ""
        is_away = person and not (person in before.get("people", ()) and person in after.get("people", ()))
        return bool(is_away or (now is None and "\\RunOnce\\" in name))  # Windows deletes what it has started once
    return False
