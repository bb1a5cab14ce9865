"""What installers add to in the registry: programs, services, tasks, what starts by itself, firewall, variables.

Each kind by names that people find again, and values that are equal where nothing has changed. Windows adds to all of
these by itself; what it adds is left out, with the reason beside it.
"""

from __future__ import annotations

import ntpath

from agent.digest import sha256
from agent.windows import disk, keys, registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

    from agent.windows.programs import Program

SOFTWARE = r"HKLM\Software"
SOFTWARES = (SOFTWARE, r"HKLM\Software\Wow6432Node", r"HKU\.DEFAULT\Software")
"""Of the computer, of its 32-bit side, and of the account LocalSystem, which services and our installers run as."""
OWN_MAKERS = ("classes", "microsoft", "policies", "wow6432node")
"""Keys of Windows itself: what stands in them is not listed. It writes there all the time."""
NAMED = (
    r"HKLM\Software\Classes",
    r"HKLM\Software\Microsoft\Windows\CurrentVersion\App Paths",
    r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application",
)
"""Where installers tell Windows of types of files, commands, and sources of events."""
OWN_NAMES = ("appx", "installer", "local settings")
"""How keys of classes begin that are Windows' own: apps of the Store, Windows Installer's books, its settings."""
PEOPLE = "S-1-5-21-"
"""How the names of people's registries begin; others are of Windows' own accounts."""
RUNS = ("Run", "RunOnce", r"Policies\Explorer\Run")
CURRENT = r"Microsoft\Windows\CurrentVersion"
RULES = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
OF_APPS = ("|LUOwn=", "|AppPkgId=")
"""In a rule of an app of the Store, which Windows writes as people sign in. Source: MS-FASP 2.2.36, 2.2.37."""
ENVIRONMENT = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
OF_THE_BOOT = ("number_of_processors", "processor_architecture", "processor_identifier", "processor_level",
               "processor_revision")  # fmt: skip
"""Variables that Windows writes anew at each boot."""
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
TASK_CACHE = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache"
OWN_TASKS = (
    "\\microsoft\\windows\\",
    "\\microsoft\\onecore\\",
    "\\microsoft\\xblgamesave\\",
    "\\user_feed_synchronization",
)
"""Windows' own tasks: it makes, changes and deletes them as it likes."""
DRIVER, OF_A_PERSON = 0x3, 0x80
"""Types of services: SERVICE_DRIVER's lower bits, and SERVICE_USERSERVICE_INSTANCE. Source: <winnt.h>."""
DEFENDERS_DRIVER = "mpksl"
"""Loaded by Windows Defender under a new name with each of its updates."""
OURS = "pasangagent-"
"""How our own services are called, which carry a run on."""
STARTS = {0: "boot", 1: "system", 2: "auto", 3: "demand", 4: "disabled"}
AUTO = 2
OWN_BROWSER = "microsoft edge"
"""Entries of Windows' own browser and what comes with it: they change when it renews itself, at any time."""
RENEWERS = ("edgeupdate", "gupdate", "googleupdater")
"""Services that start with the computer, and stop when they have looked for updates."""


def programs(found: Sequence[Program]) -> dict[str, str]:
    """Uninstall entries: by the name that people see, view and key; version, and what else would make it another."""
    return {
        f"{each.name or key_of(each)} [{each.view}: {key_of(each)}]": f"{each.version or '-'} "
        + brief(each.publisher, each.location, each.uninstall, each.quiet)
        for each in found
        if not each.name.lower().startswith(OWN_BROWSER)
    }


def key_of(program: Program) -> str:
    """The last part of an entry's key; with the person, where it is one's own."""
    parts = program.key.split("\\")
    return f"{parts[1]} {parts[-1]}" if program.view == "user" else parts[-1]


def services(
    rows: Mapping[str, Mapping[str, Any]], states: Mapping[str, str], triggered: Collection[str], windows: str
) -> dict[str, str]:
    """Services and drivers by name: how each starts, how it is where that is its own, and how it is set up.

    A state says something only where a service is to run all the time: it starts with the computer, and nothing else
    starts it. Others start and stop it at any time where it starts on demand or by a trigger; what Windows itself
    starts late it often stops again; and drivers come and go with their devices.

    Args:
        rows: the values of each one's key, by their names in small letters.
        states: how each is that is a program.
        triggered: those that something beside the computer's start starts.
        windows: the folder of Windows.
    """
    found = {}
    for name, row in rows.items():
        kind, command = row.get("type"), str(row.get("imagepath") or "")
        if not isinstance(kind, int) or not command or is_passing(name, kind):
            continue
        start, late = STARTS.get(row.get("start", -1), "?"), bool(row.get("delayedautostart"))
        words = [start + (" late" if late else "")]
        if kind & DRIVER:
            words.insert(0, "driver")
        elif start == "auto" and name not in triggered and not may_end(name, command, windows, late=late):
            words.append(states.get(name, "stopped"))
        found[name] = " ".join([*words, brief(command, str(row.get("objectname")), str(row.get("dependonservice")))])
    return found


def is_passing(name: str, kind: int) -> bool:
    """Whether a service comes and goes by itself: a person's copy of one, Defender's driver, ours."""
    return bool(kind & OF_A_PERSON) or name.lower().startswith((DEFENDERS_DRIVER, OURS))


def may_end(name: str, command: str, windows: str, *, late: bool) -> bool:
    """Whether a service that starts with the computer stops by itself when it has nothing to do."""
    is_windows = program_of(command, windows).lower().startswith(windows.lower() + "\\")
    return (late and is_windows) or name.lower().startswith(RENEWERS)


def program_of(command: str, windows: str) -> str:
    """The program of a service's command line, without quotes, as far as it can be told.

    Source: learn.microsoft.com, CreateServiceW (quotes); the kernel's own names for Windows' folder in ImagePath.
    """
    command = command.strip()
    if command.startswith('"'):
        return command[1:].partition('"')[0]
    lower = command.lower()
    for prefix in ("%systemroot%\\", "\\systemroot\\", "system32\\"):
        if lower.startswith(prefix):
            command = windows + "\\" + command[0 if prefix == "system32\\" else len(prefix) :]
            lower = command.lower()
    end = next((lower.find(mark) for mark in (".exe", ".sys") if mark in lower), -1)
    return command[: end + 4] if end >= 0 else command.partition(" ")[0]


def service_rows() -> tuple[dict[str, dict[str, Any]], set[str]]:
    """The values of all keys of services, and which of them have a trigger."""
    rows, triggered = {}, set()
    for name in names(SERVICES):
        key = f"{SERVICES}\\{name}"
        rows[name] = {word.lower(): value.data for word, value in quietly(key).items()}
        if rows[name].get("start") == AUTO and registry.exists(key + "\\TriggerInfo"):
            triggered.add(name)
    return rows, triggered


def tasks(folder: str) -> dict[str, str]:
    """Scheduled tasks by their path: of the file, and of what the scheduler knows of it, a digest.

    A task that stands in one of the two alone is one too: somebody has put it there past the scheduler.
    """
    found: dict[str, list[str]] = {}
    for path, name in files_below(folder, "\\"):
        if not (name + "\\").lower().startswith(OWN_TASKS):
            try:
                found[name] = [str(sha256(disk.content_of(path, 1 << 20)).hexdigest())[:16]]
            except OSError:
                found[name] = ["?"]
    for name, identity in known_tasks(TASK_CACHE + "\\Tree", "\\"):
        known = registry.read(f"{TASK_CACHE}\\Tasks\\{identity}", "Hash")
        found.setdefault(name, ["-"]).append(f"{identity} {str(known.data)[:16] if known else '-'}")
    return {name: " ".join(parts) for name, parts in found.items()}


def files_below(folder: str, name: str) -> Iterator[tuple[str, str]]:
    """Files below a folder: each with its path, and its name from there."""
    for path, row in disk.rows_in(folder):
        its_name = name + ntpath.basename(path)
        if row[0] == "d":
            if not (its_name + "\\").lower().startswith(OWN_TASKS):
                yield from files_below(path, its_name + "\\")
        else:
            yield path, its_name


def known_tasks(key: str, name: str) -> Iterator[tuple[str, str]]:
    """Tasks that the scheduler knows: each with its path and its identity."""
    for below in names(key):
        its_name = name + below
        if (its_name + "\\").lower().startswith(OWN_TASKS):
            continue
        identity = registry.read(f"{key}\\{below}", "Id")
        if identity:
            yield its_name, str(identity.data)
        yield from known_tasks(f"{key}\\{below}", its_name + "\\")


def autostarts() -> tuple[dict[str, str], list[str]]:
    """What is started when somebody signs in: by key and name, a digest of the command; and whose registry was read.

    A person's registry is there while that person is signed in, and says nothing about a time when it was not.
    """
    people = people_here()
    return {name: brief(command) for name, command in starts(people)}, people


def commands_at_start() -> list[str]:
    """The commands that are started when somebody signs in."""
    return [command for _, command in starts(people_here())]


def people_here() -> list[str]:
    """Whose registry can be read, beside that of Windows' own accounts."""
    return sorted(name for name in names("HKU") if name.startswith(PEOPLE) and not name.endswith("_Classes"))


def starts(people: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The names and commands of all that is started."""
    for software in (*SOFTWARES, *(f"HKU\\{name}\\Software" for name in people)):
        for run in RUNS:
            key = f"{software}\\{CURRENT}\\{run}"
            for name, value in quietly(key).items():
                yield f"{key}\\{name}", str(value.data)


def firewall() -> dict[str, str]:
    """Rules of the firewall by name and identity: a digest of all that a rule says."""
    found = {}
    for identity, value in quietly(RULES).items():
        rule = str(value.data)
        if not any(word in rule for word in OF_APPS):
            parts = dict(part.partition("=")[::2] for part in rule.split("|"))
            name = parts.get("Name") or ""
            found[identity if name.startswith("@") or not name else f"{name} [{identity}]"] = brief(rule)
    return found


def variables() -> dict[str, str]:
    """The computer's environment by name: a digest of each value, since some keep secrets there."""
    rows = quietly(ENVIRONMENT).items()
    return {name: brief(value.type, str(value.data)) for name, value in rows if name.lower() not in OF_THE_BOOT}


def makers() -> dict[str, str]:
    """Keys of software by name: a maker's, and below it one for each software; types of files, commands, sources.

    What stands in them is their software's own, and changes whenever it runs.
    """
    found = {}
    for software in SOFTWARES:
        for maker in names(software):
            found[f"{software}\\{maker}"] = ""
            if maker.lower() not in OWN_MAKERS:
                found.update((f"{software}\\{maker}\\{name}", "") for name in names(f"{software}\\{maker}"))
    for key in NAMED:
        found.update((f"{key}\\{name}", "") for name in names(key) if not name.lower().startswith(OWN_NAMES))
    return found


def watched_keys(roots: Sequence[str]) -> dict[str, str]:
    """Keys of the playbook's ``watch``, with all below them: a digest of the values of each."""
    return {key: keys.digest_of(key) for root in roots for key in keys.below(root)}


def names(key: str) -> list[str]:
    """The keys right below one; none where it is not for our eyes."""
    try:
        return registry.subkeys(key)
    except OSError:
        return []


def quietly(key: str) -> dict[str, registry.Value]:
    """The values of a key; none where it is not for our eyes."""
    try:
        return registry.values(key)
    except OSError:
        return {}


def brief(*words: str) -> str:
    """A digest that is short, of several texts."""
    return str(sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest())[:12]
