"""The registry, as it is stored: by type and bytes, so that what is put back is what was there.

A key is written ``HKLM\\Software\\…``. ``view`` says whose registry it is on a computer that also runs 32-bit programs:
``64`` or ``32``; where the registry has one alone (``user``, a 32-bit Windows) it does not matter.

Not by ``winreg``: it reads a text up to its first NUL and four bytes of any number, and cannot write either as it was.

Source: https://learn.microsoft.com/windows/win32/api/winreg/ and …/sysinfo/registry-value-types.
"""

from __future__ import annotations

import ctypes

from agent.windows.win32 import (
    DWORD,
    EPOCH_TICKS,
    ERROR_FILE_NOT_FOUND,
    ERROR_MORE_DATA,
    ERROR_PATH_NOT_FOUND,
    HANDLE,
    LONG,
    LPCWSTR,
    LPVOID,
    P_DWORD,
    FileTime,
    Library,
    failure,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NamedTuple

    class Value(NamedTuple):
        """A value: its type as a word (``TYPES``, or a number that has none), its data, and the bytes it is kept as."""

        type: str
        data: Any
        """Text, a list of texts, a number; of anything else its bytes in hex."""
        raw: bytes

else:
    from agent.light.tuples import namedtuple

    Value = namedtuple("Value", "type data raw")

ROOTS = {
    "HKCR": 0x80000000,
    "HKCU": 0x80000001,
    "HKLM": 0x80000002,
    "HKU": 0x80000003,
    "HKCC": 0x80000005,
}
LONG_ROOTS = {
    "HKEY_CLASSES_ROOT": "HKCR",
    "HKEY_CURRENT_USER": "HKCU",
    "HKEY_LOCAL_MACHINE": "HKLM",
    "HKEY_USERS": "HKU",
    "HKEY_CURRENT_CONFIG": "HKCC",
}
TYPES = {"none": 0, "string": 1, "expand": 2, "binary": 3, "dword": 4, "multi": 7, "qword": 11}
WORDS = {number: word for word, number in TYPES.items()}
READ, WRITE, DELETE = 0x20019, 0x20006, 0x10000
VIEWS = {"64": 0x0100, "32": 0x0200}
GONE = (ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, 1018)
"""No such file, no such path, a key that is being deleted."""
NO_MORE = 259
NAME_LIMIT = 16384
"""Characters of a value's name; of a key's there are 255."""


def split(key: str) -> tuple[str, str]:
    """A key's root by its short name, and its path below that.

    Raises:
        ValueError: it begins with no root that there is.
    """
    root, _, path = key.strip("\\").partition("\\")
    name = LONG_ROOTS.get(root.upper(), root.upper())
    if name not in ROOTS:
        raise ValueError(f"{key}: {root} is no root of the registry")
    return name, path


def normal(key: str) -> str:
    """A key with the short name of its root, and no empty parts."""
    root, path = split(key)
    return "\\".join([root, *(part for part in path.split("\\") if part)])


def exists(key: str, view: str = "64") -> bool:
    """Whether there is such a key.

    Raises:
        OSError: it may not be looked at.
    """
    handle = opened(key, view, READ)
    if handle is not None:
        close(handle)
    return handle is not None


def read(key: str, name: str = "", view: str = "64") -> Value | None:
    """A value, the nameless one by default; None where there is none.

    Raises:
        OSError: it may not be read.
    """
    handle = opened(key, view, READ)
    if handle is None:
        return None
    try:
        return queried(handle, name)
    finally:
        close(handle)


def values(key: str, view: str = "64") -> dict[str, Value]:
    """All values of a key by name; empty where there is no such key.

    Raises:
        OSError: it may not be read.
    """
    handle = opened(key, view, READ)
    if handle is None:
        return {}
    try:
        found = {name: queried(handle, name) for name in enumerated(handle, advapi32.RegEnumValueW, NAME_LIMIT)}
        return {name: value for name, value in found.items() if value is not None}
    finally:
        close(handle)


def subkeys(key: str, view: str = "64") -> list[str]:
    """The names of the keys right below one; empty where there is no such key.

    Raises:
        OSError: it may not be read.
    """
    handle = opened(key, view, READ)
    if handle is None:
        return []
    try:
        return enumerated(handle, advapi32.RegEnumKeyExW, 256)
    finally:
        close(handle)


def write(key: str, name: str, type: str, data: Any, view: str = "64") -> list[str]:
    """Write a value; the keys that had to be made for it, outermost first.

    Args:
        key: it is made where it is not there.
        name: empty for the nameless value.
        type: a word of ``TYPES``.
        data: as ``Value`` has it.
        view: which registry.

    Raises:
        OSError: it may not be written.
        ValueError: the data is not of that type.
    """
    return write_raw(key, name, TYPES[type], encode(type, data), view)


def write_raw(key: str, name: str, number: int, raw: bytes, view: str = "64") -> list[str]:
    """As ``write``, by the type's number and the bytes themselves."""
    made = missing(key, view)
    handle = created(key, view)
    try:
        check(advapi32.RegSetValueExW(handle, name, 0, number, raw, len(raw)), key)
    finally:
        close(handle)
    return made


def make(key: str, view: str = "64") -> list[str]:
    """Make a key; the keys that were made, outermost first."""
    made = missing(key, view)
    close(created(key, view))
    return made


def delete(key: str, name: str, view: str = "64") -> bool:
    """Delete a value; whether there was one.

    Raises:
        OSError: it may not be deleted.
    """
    handle = opened(key, view, WRITE)
    if handle is None:
        return False
    try:
        code = advapi32.RegDeleteValueW(handle, name)
    finally:
        close(handle)
    if code in GONE:
        return False
    check(code, key)
    return True


def delete_key(key: str, view: str = "64") -> bool:
    """Delete a key with all below it; whether there was one.

    Raises:
        OSError: it, or one below it, may not be deleted; what could be is.
        ValueError: it is a root.
    """
    root, path = split(key)
    if not path:
        raise ValueError(f"{key} is a root of the registry")
    for name in subkeys(key, view):
        delete_key(f"{key}\\{name}", view)
    code = advapi32.RegDeleteKeyExW(handle_of(root), path, VIEWS.get(view, VIEWS["64"]), 0)
    if code in GONE:
        return False
    check(code, key)
    return True


def is_empty(key: str, view: str = "64") -> bool:
    """Whether nothing is in a key; False where there is no such key."""
    return exists(key, view) and not subkeys(key, view) and not values(key, view)


def remove_empty(keys: list[str], view: str = "64") -> list[str]:
    """Delete those of keys we made that are empty now, innermost first; which were."""
    return [key for key in reversed(keys) if is_empty(key, view) and delete_key(key, view)]


def written_at(key: str, view: str = "64") -> float:
    """When something in a key was changed last, in seconds since 1970.

    Raises:
        OSError: there is no such key, or it may not be looked at.
    """
    handle = opened(key, view, READ)
    if handle is None:
        raise failure(ERROR_FILE_NOT_FOUND, key)
    try:
        at = FileTime()
        check(advapi32.RegQueryInfoKeyW(handle, *[None] * 10, ctypes.byref(at)), key)
        return (at.ticks - EPOCH_TICKS) / 1e7
    finally:
        close(handle)


def missing(key: str, view: str = "64") -> list[str]:
    """The keys on the way to one, itself included, that are not there; outermost first."""
    root, path = split(key)
    parts = [part for part in path.split("\\") if part]
    whole = ["\\".join([root, *parts[: count + 1]]) for count in range(len(parts))]
    for place, each in enumerate(whole):
        if not exists(each, view):
            return whole[place:]
    return []


def keep(key: str, view: str = "64") -> dict[str, Any]:
    """A key with all below it, as plain JSON for ``put_back``; also that it is not there.

    Who may use it (its security descriptor) is not kept: a key is put back with the rights of the one above it.
    """
    return {"key": normal(key), "view": view, "tree": tree(key, view), "missing": missing(key, view)}


def put_back(entry: dict[str, Any]) -> bool:
    """Bring a key back to what ``keep`` saw, whatever became of it; whether anything had to be done.

    Raises:
        OSError: something may not be written.
    """
    key, view = entry["key"], entry["view"]
    if tree(key, view) == entry["tree"]:
        return bool(remove_empty(entry["missing"], view))
    if entry["tree"] is None:
        delete_key(key, view)
        remove_empty(entry["missing"], view)
    else:
        restore(key, entry["tree"], view)
    return True


def tree(key: str, view: str = "64") -> dict[str, Any] | None:
    """All of a key as plain JSON: ``values`` (name -> type's number and bytes in hex) and ``keys``; None without it."""
    if not exists(key, view):
        return None
    stored = {name: kept(value) for name, value in sorted(values(key, view).items())}
    below = {name: tree(f"{key}\\{name}", view) for name in sorted(subkeys(key, view))}
    return {"values": stored, "keys": {name: found for name, found in below.items() if found is not None}}


def restore(key: str, wanted: dict[str, Any], view: str) -> None:
    """Make a key what ``tree`` saw."""
    make(key, view)
    now = values(key, view)
    for name in now.keys() - wanted["values"].keys():
        delete(key, name, view)
    for name, value in wanted["values"].items():
        if name not in now or kept(now[name]) != value:
            write_raw(key, name, value[0], bytes.fromhex(value[1]), view)
    for name in subkeys(key, view):
        if name.lower() not in {other.lower() for other in wanted["keys"]}:
            delete_key(f"{key}\\{name}", view)
    for name, below in wanted["keys"].items():
        restore(f"{key}\\{name}", below, view)


def kept(value: Value) -> list[Any]:
    """A value as plain JSON: its type's number, and its bytes in hex."""
    return [number_of(value.type), value.raw.hex()]


def number_of(type: str) -> int:
    """The number of a type, whether or not it has a word."""
    return TYPES[type] if type in TYPES else int(type)


def decode(number: int, raw: bytes) -> Value:
    """What bytes mean. A text ends at its first NUL, with which whoever wrote it need not have ended it."""
    word = WORDS.get(number, str(number))
    if word in ("string", "expand"):
        return Value(word, words_of(raw).partition("\0")[0], raw)
    if word == "multi":
        rows = words_of(raw)
        for _ in range(2):  # the end of the last text, and that of the list
            rows = rows[:-1] if rows.endswith("\0") else rows
        return Value(word, rows.split("\0") if rows else [], raw)
    if (word, len(raw)) in (("dword", 4), ("qword", 8)):
        return Value(word, int.from_bytes(raw, "little"), raw)
    return Value(word, raw.hex(), raw)


def words_of(raw: bytes) -> str:
    """The text that bytes are, as far as they are one."""
    return raw[: len(raw) & ~1].decode("utf-16-le", "replace")


def encode(type: str, data: Any) -> bytes:
    """The bytes of data of a type.

    Raises:
        ValueError: it is not of that type.
    """
    if type in ("string", "expand"):
        return wide_of(f"{data}\0")
    if type == "multi":
        rows = [str(row) for row in ([data] if isinstance(data, (str, int)) else data)]
        return wide_of("".join(row + "\0" for row in rows) + "\0")
    if type in ("dword", "qword"):
        size = 4 if type == "dword" else 8
        number = number_in(data)
        if not 0 <= number < 1 << (8 * size):
            raise ValueError(f"{data} does not fit a {type}")
        return number.to_bytes(size, "little")
    if type in ("binary", "none"):
        return bytes.fromhex("" if data is None else "".join(str(data).replace(",", " ").split()))
    raise ValueError(f"{type} is no type of a value")


def number_in(data: Any) -> int:
    """A whole number, also as 0x… in a text.

    Raises:
        ValueError: it is none.
    """
    said = str(data).strip()
    return int(said, 16 if said[:2].lower() == "0x" else 10)


def wide_of(said: str) -> bytes:
    """Text as Windows keeps it."""
    return said.encode("utf-16-le", "surrogatepass")


# --- the calls --------------------------------------------------------------------------------------------------------

advapi32 = Library(
    "advapi32",
    RegOpenKeyExW=(LONG, HANDLE, LPCWSTR, DWORD, DWORD, LPVOID),
    RegCreateKeyExW=(LONG, HANDLE, LPCWSTR, DWORD, LPVOID, DWORD, DWORD, LPVOID, LPVOID, LPVOID),
    RegCloseKey=(LONG, HANDLE),
    RegEnumKeyExW=(LONG, HANDLE, DWORD, LPVOID, P_DWORD, LPVOID, LPVOID, LPVOID, LPVOID),
    RegEnumValueW=(LONG, HANDLE, DWORD, LPVOID, P_DWORD, LPVOID, LPVOID, LPVOID, LPVOID),
    RegQueryInfoKeyW=(LONG, HANDLE, *[LPVOID] * 11),
    RegQueryValueExW=(LONG, HANDLE, LPCWSTR, LPVOID, P_DWORD, LPVOID, P_DWORD),
    RegSetValueExW=(LONG, HANDLE, LPCWSTR, DWORD, DWORD, ctypes.c_char_p, DWORD),
    RegDeleteValueW=(LONG, HANDLE, LPCWSTR),
    RegDeleteKeyExW=(LONG, HANDLE, LPCWSTR, DWORD, DWORD),
)


def handle_of(root: str) -> int:
    """A root's handle: a number of 32 bits with its sign, as wide as a pointer."""
    return ROOTS[root] | 0xFFFFFFFF00000000


def opened(key: str, view: str, rights: int) -> Any:
    """A handle of a key; None where there is no such key."""
    root, path = split(key)
    found = ctypes.c_void_p()
    access = rights | VIEWS.get(view, VIEWS["64"])
    code = advapi32.RegOpenKeyExW(handle_of(root), path, 0, access, ctypes.byref(found))
    if code in GONE:
        return None
    check(code, key)
    return found


def created(key: str, view: str) -> Any:
    """A handle of a key that is made where it is not there."""
    root, path = split(key)
    found = ctypes.c_void_p()
    access = READ | WRITE | VIEWS.get(view, VIEWS["64"])
    code = advapi32.RegCreateKeyExW(handle_of(root), path, 0, None, 0, access, None, ctypes.byref(found), None)
    check(code, key)
    return found


def close(handle: Any) -> None:
    """Let a key go."""
    advapi32.RegCloseKey(handle)


def queried(handle: Any, name: str) -> Value | None:
    """A value of an open key; asked again where it grew meanwhile."""
    number, size = ctypes.c_uint32(), ctypes.c_uint32(256)
    while True:
        room = ctypes.create_string_buffer(size.value)
        code = advapi32.RegQueryValueExW(handle, name, None, ctypes.byref(number), room, ctypes.byref(size))
        if code in GONE:
            return None
        if code != ERROR_MORE_DATA:
            check(code, name)
            return decode(number.value, room.raw[: size.value])
        size.value = max(size.value, 2 * len(room))


def enumerated(handle: Any, call: Callable[..., int], limit: int) -> list[str]:
    """The names below an open key, in the order in which Windows gives them."""
    found: list[str] = []
    room = ctypes.create_unicode_buffer(limit)
    while True:
        size = ctypes.c_uint32(limit)
        code = call(handle, len(found), room, ctypes.byref(size), None, None, None, None)
        if code == NO_MORE or code in GONE:
            return found
        check(code, "")
        found.append(ctypes.wstring_at(room, size.value))


def check(code: int, key: str) -> None:
    """Raise what Windows says, where it is not that all is well."""
    if code:
        raise failure(code, key or None)
