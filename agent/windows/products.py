"""What Windows Installer has put on the computer, by its own memory in the registry, and what a package file is.

Asked of the registry and not of ``MsiEnumRelatedProducts`` and its kin: the same can be read while an installation is
at work, and of everybody's products. Package files are opened by ``msi.dll``, which reads them without installing.

Source: https://learn.microsoft.com/windows/win32/msi/msi-dll-functions; of the keys, Wine's dlls/msi/registry.c and
Heath Stewart, "Mapping Products and Registry Keys": a code is packed by reversing its groups, and each pair of letters
in the last two.
"""

from __future__ import annotations

import ctypes
import os

from agent.windows import registry
from agent.windows.win32 import DWORD, LPCWSTR, LPVOID, P_DWORD, Library, failure, kernel32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NamedTuple

    class Product(NamedTuple):
        """A product that is installed."""

        code: str
        """In capitals, with its brackets."""
        name: str
        version: str
        package: str
        """The package as Windows Installer keeps it; empty where it does not."""
        source: str
        """The folder it was installed from."""

    class Package(NamedTuple):
        """A package file."""

        code: str
        version: str
        is_whole: bool
        """It carries all that it installs; else it wants files beside it."""

else:
    from agent.light.tuples import namedtuple

    Product = namedtuple("Product", "code name version package source")
    Package = namedtuple("Package", "code version is_whole")

INSTALLER = "HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Installer"
CLASSES = "HKLM\\Software\\Classes\\Installer"
ABSENT = "\x06"
"""Before the parent of a feature that is not installed. Source: Wine's dlls/msi/msi.c (MSI_QueryFeatureState)."""
MUTEX = "Global\\_MSIExecute"
"""Exists while an installation is at work. Source: https://learn.microsoft.com/windows/win32/msi/-msiexecute-mutex."""
SYNCHRONIZE = 0x100000
MORE, NO_MORE = 234, 259
GROUPS = ((0, 8), (9, 13), (14, 18))

msi = Library(
    "msi",
    MsiOpenDatabaseW=(DWORD, LPCWSTR, LPVOID, P_DWORD),
    MsiDatabaseOpenViewW=(DWORD, DWORD, LPCWSTR, P_DWORD),
    MsiViewExecute=(DWORD, DWORD, DWORD),
    MsiViewFetch=(DWORD, DWORD, P_DWORD),
    MsiRecordGetStringW=(DWORD, DWORD, DWORD, LPVOID, P_DWORD),
    MsiCloseHandle=(DWORD, DWORD),
)


def packed(code: str) -> str:
    """A code as the registry writes it in its own keys; of a packed one the code."""
    if not code.startswith("{"):
        parts = [code[:8][::-1], code[8:12][::-1], code[12:16][::-1], swapped(code[16:20]), swapped(code[20:])]
        return "{" + "-".join(parts).upper() + "}"
    plain = code.strip("{}")
    return ("".join(plain[a:b][::-1] for a, b in GROUPS) + swapped(plain[19:].replace("-", ""))).upper()


def swapped(letters: str) -> str:
    """Each pair of letters the other way round."""
    return "".join(letters[at : at + 2][::-1] for at in range(0, len(letters), 2))


def product(code: str) -> Product | None:
    """An installed product, whoever it was installed for; None where it is not.

    Raises:
        OSError: the registry may not be read.
    """
    for person in registry.subkeys(f"{INSTALLER}\\UserData"):
        key = f"{INSTALLER}\\UserData\\{person}\\Products\\{packed(code)}\\InstallProperties"
        found = {name.lower(): value.data for name, value in registry.values(key).items()}
        if found:
            names = ("displayname", "displayversion", "localpackage", "installsource")
            name, version, package, source = (str(found.get(each) or "") for each in names)
            return Product(code.upper(), name, version, package, source)
    return None


def store() -> str:
    """The folder in which Windows Installer keeps its copies of packages."""
    return os.path.join(os.environ.get("SYSTEMROOT") or "C:\\Windows", "Installer")


def stored() -> list[str]:
    """The names of the packages in it."""
    try:
        return sorted(name for name in os.listdir(store()) if name.lower().endswith(".msi"))
    except OSError:
        return []


def unclaimed() -> list[str]:
    """The names of those that are no product's: an installation that was cut off leaves its copy there."""
    claimed = set()
    for person in registry.subkeys(f"{INSTALLER}\\UserData"):
        root = f"{INSTALLER}\\UserData\\{person}\\Products"
        for code in registry.subkeys(root):
            package = registry.read(f"{root}\\{code}\\InstallProperties", "LocalPackage")
            claimed.add(os.path.basename(str(package.data)).lower() if package is not None else "")
    return [name for name in stored() if name.lower() not in claimed]


def related(upgrade_code: str) -> list[Product]:
    """The installed products of one upgrade code, in the order of their codes.

    Raises:
        OSError: as ``product``.
    """
    codes: set[str] = set()
    for root in (INSTALLER, CLASSES):
        codes |= {packed(name) for name in registry.values(f"{root}\\UpgradeCodes\\{packed(upgrade_code)}") if name}
    found = (product(code) for code in sorted(codes))
    return [each for each in found if each is not None]


def features(code: str) -> dict[str, bool]:
    """Of an installed product, by the name of each feature whether it is installed; empty where nobody tells."""
    rows = registry.values(f"{CLASSES}\\Features\\{packed(code)}")
    return {name: not str(row.data).startswith(ABSENT) for name, row in rows.items() if name}


def is_busy() -> bool:
    """Whether Windows Installer is at work, for us or for anybody."""
    handle = kernel32.OpenMutexW(SYNCHRONIZE, False, MUTEX)
    if handle:
        kernel32.CloseHandle(handle)
    return bool(handle)


def package(path: str) -> Package:
    """What a package file is.

    Raises:
        OSError: it is none, or cannot be read.
    """
    database = DWORD()
    check(msi.MsiOpenDatabaseW(path, None, ctypes.byref(database)), path)
    try:
        said = {row[0]: row[1] for row in rows(database, "SELECT `Property`, `Value` FROM `Property`", 2)}
        has_files = next(rows(database, "SELECT `File` FROM `File`", 1), None) is not None
        cabinets = [row[0] for row in rows(database, "SELECT `Cabinet` FROM `Media`", 1)]
        streams = {row[0] for row in rows(database, "SELECT `Name` FROM `_Streams`", 1)}
    finally:
        msi.MsiCloseHandle(database)
    inside = [name[1:] in streams for name in cabinets if name.startswith("#")]
    is_whole = not has_files or (bool(inside) and all(inside) and all(n.startswith("#") for n in cabinets if n))
    return Package(said.get("ProductCode", "").upper(), said.get("ProductVersion", ""), is_whole)


def rows(database: Any, query: str, count: int) -> Iterator[tuple[str, ...]]:
    """What a query finds; nothing where a package has no such table."""
    view = DWORD()
    if msi.MsiDatabaseOpenViewW(database, query, ctypes.byref(view)):
        return
    try:
        if msi.MsiViewExecute(view, 0):
            return
        while True:
            record = DWORD()
            code = msi.MsiViewFetch(view, ctypes.byref(record))
            if code == NO_MORE:
                return
            check(code, query)
            try:
                yield tuple(text_of(record, field + 1) for field in range(count))
            finally:
                msi.MsiCloseHandle(record)
    finally:
        msi.MsiCloseHandle(view)


def text_of(record: Any, field: int) -> str:
    """One text of a row."""
    size = DWORD(256)
    while True:
        room = ctypes.create_unicode_buffer(size.value + 1)
        size.value = len(room)
        code = msi.MsiRecordGetStringW(record, field, room, ctypes.byref(size))
        if code != MORE:
            check(code, "")
            return str(room.value)


def check(code: int, path: str) -> None:
    """Raise what Windows says, where it is not that all is well."""
    if code:
        raise failure(code, path or None)
