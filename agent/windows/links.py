"""A path that leads to a folder and can be led to another in one step: a junction, or what stands for one.

Symbolic links need a right that few have; a junction anybody may make on his own folders, and where one leads is
changed in place, in one step. Where a volume has none (FAT, Wine) a copy of the folder stands for it, which says in a
file of its own whose copy it is, and is put in place by two renames; between the two there is nothing at the path, and
a power cut then leaves it so until the run is gone on with.

Source: FSCTL_SET_REPARSE_POINT, REPARSE_DATA_BUFFER; that setting it again replaces what was set: the same page.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct

from agent.windows import native, win32
from agent.windows.win32 import kernel32

JUNCTION = 0xA0000003
SET_REPARSE_POINT = 0x900A4
GENERIC_WRITE, OPEN_EXISTING, OPEN_REPARSE_POINT, BACKUP_SEMANTICS = 0x40000000, 3, 0x200000, 0x2000000
SUPPORTS_REPARSE_POINTS = 0x80
STAND_IN = ".pasang-link"
"""In a copy that stands for a link: where it leads."""
ASIDE = ".old"

_volumes = win32.Library(
    "kernel32",
    GetVolumePathNameW=(win32.BOOL, win32.LPCWSTR, win32.LPVOID, win32.DWORD),
    GetVolumeInformationW=(
        *(win32.BOOL, win32.LPCWSTR, win32.LPVOID, win32.DWORD),
        *(win32.P_DWORD, win32.P_DWORD, win32.P_DWORD, win32.LPVOID, win32.DWORD),
    ),
)


def target_of(path: str, status: os.stat_result) -> str | None:
    """Where a link leads, from its own folder where it can be said so; None where there is none.

    Args:
        path: the link.
        status: its ``lstat``.
    """
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    if not stat.S_ISDIR(status.st_mode):
        return None
    if getattr(status, "st_reparse_tag", 0) == JUNCTION:
        return from_its_folder(path, os.readlink(path))
    try:
        with open(os.path.join(path, STAND_IN), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def from_its_folder(path: str, target: str) -> str:
    """A whole path as a link beside it would have it."""
    if target.startswith("\\\\?\\") and not target.startswith("\\\\?\\UNC"):
        target = target[4:]
    try:
        return os.path.relpath(target, os.path.dirname(path))
    except ValueError:  # another drive
        return target


def point(temporary: str, path: str, target: str) -> None:
    """Let ``path`` lead to ``target``, as ``native.point``."""
    whole = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), target))
    if has_junctions(os.path.dirname(path)):
        if is_junction(path):
            lead(path, whole)
            return
        os.mkdir(temporary)
        lead(temporary, whole)
    else:
        copy_tree(whole, temporary)
        with open(os.path.join(temporary, STAND_IN), "w", encoding="utf-8") as file:
            file.write(target)
            file.flush()
            os.fsync(file.fileno())
    aside = temporary + ASIDE
    remove(aside)
    if os.path.lexists(path):
        native.patiently(lambda: os.rename(path, aside), path)
    try:
        native.patiently(lambda: os.rename(temporary, path), path)
    except OSError:
        if os.path.lexists(aside) and not os.path.lexists(path):
            os.rename(aside, path)
        raise
    remove(aside)


def is_junction(path: str) -> bool:
    """Whether a junction stands there."""
    try:
        return getattr(os.lstat(path), "st_reparse_tag", 0) == JUNCTION
    except OSError:
        return False


def has_junctions(folder: str) -> bool:
    """Whether the volume of a folder has such a thing."""
    root, flags = ctypes.create_unicode_buffer(1024), win32.DWORD()
    win32.checked(_volumes.GetVolumePathNameW(folder, root, 1024), folder)
    done = _volumes.GetVolumeInformationW(root.value, None, 0, None, None, ctypes.byref(flags), None, 0)
    return bool(done and flags.value & SUPPORTS_REPARSE_POINTS)


def lead(path: str, whole: str) -> None:
    """Let an empty folder, or a junction, lead to a folder of this computer."""
    data = reparse_data(whole)
    flags = OPEN_REPARSE_POINT | BACKUP_SEMANTICS
    handle = win32.checked(kernel32.CreateFileW(path, GENERIC_WRITE, 0, None, OPEN_EXISTING, flags, None), path)
    with win32.Handle(handle):
        size = win32.DWORD()
        room = ctypes.create_string_buffer(data, len(data))
        done = kernel32.DeviceIoControl(handle, SET_REPARSE_POINT, room, len(data), None, 0, ctypes.byref(size), None)
        win32.checked(done, path)


def reparse_data(whole: str) -> bytes:
    """What makes a folder a junction: REPARSE_DATA_BUFFER, MountPointReparseBuffer."""
    shown = whole[4:] if whole.startswith("\\\\?\\") else whole
    name, words = ("\\??\\" + shown).encode("utf-16-le"), shown.encode("utf-16-le")
    names = struct.pack("<HHHH", 0, len(name), len(name) + 2, len(words)) + name + b"\0\0" + words + b"\0\0"
    return struct.pack("<LHH", JUNCTION, len(names), 0) + names


def copy_tree(source: str, target: str) -> None:
    """A copy of a folder that is on the disk when this returns."""
    import shutil

    source, target = native.deep(source), native.deep(target)
    os.mkdir(target)
    for folder, folders, names in os.walk(source):
        place = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        for name in folders:
            os.mkdir(os.path.join(place, name))
        for name in names:
            copy = os.path.join(place, name)
            shutil.copy2(os.path.join(folder, name), copy)
            native.sync_file(copy)


def remove(path: str) -> None:
    """Remove a link, or what stands for one; never what it leads to. Nothing where there is nothing."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode) or is_junction(path):
        native.patiently(lambda: os.unlink(path), path)
        return
    if not path.endswith(ASIDE):
        aside = os.path.join(os.path.dirname(path), "." + os.path.basename(path) + ASIDE)
        native.patiently(lambda: os.rename(path, aside), path)  # whole or not at all: a program in it may run
        path = aside
    remove_tree(path)


def remove_tree(path: str) -> None:
    """Remove a folder with all that is below it."""
    from agent import files

    mark = os.path.join(path, STAND_IN)
    if os.path.lexists(mark):
        native.unlink(mark)  # from here on it is a folder like others
    files.remove(path)
