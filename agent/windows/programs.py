"""Programs as Windows lists them: the uninstall entries of the computer, of its 32-bit side, and of who is signed in.

Source: https://learn.microsoft.com/windows/win32/msi/uninstall-registry-key. Installers write them as they like: a name
may be missing, a version may stand in two places, and what is written is no proof that a file is still there.
"""

from __future__ import annotations

import fnmatch
import re

from agent.windows import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Program(NamedTuple):
        """One uninstall entry; texts are empty where nothing stands there."""

        key: str
        """Its whole key, for ``agent.windows.registry`` together with ``view``."""
        view: str
        """``64``, ``32``, or ``user`` for that of one person."""
        name: str
        version: str
        publisher: str
        location: str
        uninstall: str
        quiet: str
        product_code: str
        """Where Windows Installer keeps it; in capitals."""

else:
    from agent.light.tuples import namedtuple

    Program = namedtuple("Program", "key view name version publisher location uninstall quiet product_code")

UNINSTALL = "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
THIRTY_TWO = "HKLM\\Software\\Wow6432Node"
"""Where there is no such key, the registry has one view alone."""
PRODUCT_CODE = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")


def programs() -> list[Program]:
    """Every uninstall entry, also those that Windows does not show (without a name, parts of the system).

    Of people only those whose registry is loaded can be read: who is signed in, and the system's own accounts.
    """
    found = entries(f"HKLM\\{UNINSTALL}", "64")
    if registry.exists(THIRTY_TWO):
        found += entries(f"HKLM\\{UNINSTALL}", "32")
    for person in registry.subkeys("HKU"):
        if person.startswith("S-1-5-") and not person.endswith("_Classes"):
            found += entries(f"HKU\\{person}\\{UNINSTALL}", "user")
    return found


def entries(key: str, view: str) -> list[Program]:
    """The entries below one key; one that may not be read is passed over."""
    found = []
    for name in registry.subkeys(key, view):
        try:
            found.append(entry(f"{key}\\{name}", view))
        except OSError:
            continue
    return found


def entry(key: str, view: str) -> Program:
    """One entry."""
    values = {name.lower(): value for name, value in registry.values(key, view).items()}

    def said(name: str) -> str:
        value = values.get(name)
        return str(value.data).strip() if value is not None and value.type in ("string", "expand") else ""

    name = key.rpartition("\\")[2]
    installer = values.get("windowsinstaller")
    is_product = installer is not None and installer.data == 1 and PRODUCT_CODE.fullmatch(name) is not None
    return Program(
        key=key,
        view=view,
        name=said("displayname"),
        version=said("displayversion"),
        publisher=said("publisher"),
        location=said("installlocation"),
        uninstall=said("uninstallstring"),
        quiet=said("quietuninstallstring"),
        product_code=name.upper() if is_product else "",
    )


def named(found: list[Program], name: str) -> list[Program]:
    """Those whose name is the one asked for, whatever its case; ``*`` and ``?`` stand for what they usually do."""
    return [each for each in found if is_named(each.name, name)]


def is_named(found: str, name: str) -> bool:
    """Whether a name is the one asked for."""
    return bool(found) and fnmatch.fnmatchcase(found.lower(), escaped(name.strip().lower()))


def escaped(pattern: str) -> str:
    """A pattern in which square brackets are what they are: names have them."""
    return pattern.replace("[", "[[]")
