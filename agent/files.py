"""Files put in place whole: written beside, made durable, renamed; and what stood there before, kept and put back."""

from __future__ import annotations

import errno
import os

from agent.host import native
from agent.light import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, BinaryIO

CHUNK_BYTES = 1024 * 1024
sync_folder = native.sync_folder


def expand(path: str) -> str:
    """``~/…`` as the home of the user the agent runs as; every other path as it is."""
    return os.path.expanduser(path) if path == "~" or path.startswith("~/") else path


def place(path: str) -> str:
    """A path of a plan as a whole one, of whatever length."""
    return native.reach(os.path.abspath(expand(path)))


def missing_parents(path: str) -> list[str]:
    """The folders above ``path`` that do not exist yet, outermost first."""
    missing: list[str] = []
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.lexists(folder):
        missing.insert(0, folder)
        folder = os.path.dirname(folder)
    return missing


def make_parents(path: str) -> None:
    """Make the folders above ``path``, open to read for everybody, whatever the umask."""
    for folder in missing_parents(path):
        try:
            os.mkdir(folder)
        except FileExistsError:
            continue
        native.open_to_all(folder)
        sync_folder(os.path.dirname(folder))


def remove_empty(folders: list[str]) -> list[str]:
    """Remove folders of ours, innermost first, as far as nobody put anything into them.

    Returns:
        Those that are still there.
    """
    left: list[str] = []
    for folder in reversed(folders):
        try:
            native.rmdir(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                raise
            left.append(folder)
    return left


def beside(path: str) -> str:
    """The name under which a new ``path`` is written first: always the same, so that a run that died leaves nothing."""
    folder, name = os.path.split(path)
    return os.path.join(folder, "." + name[:200] + ".pasang-new")


def write(
    path: str,
    source: BinaryIO,
    *,
    mode: int,
    owner: tuple[int, int] | None = None,
    former: dict[str, Any] | None = None,
) -> int:
    """Put a file in place in one step: whoever looks sees the old one or the new one, never half of it.

    Args:
        path: where; a link there is replaced, not followed.
        source: its content, read to the end.
        mode: permissions.
        owner: user and group by number; None: as the running user makes it.
        former: a ``describe`` whose extended attributes and time are taken over.

    Returns:
        The size in bytes.
    """
    temporary = beside(path)
    remove(temporary)
    handle = os.open(temporary, native.NEW, 0o600)
    size_bytes = 0
    try:
        with os.fdopen(handle, "wb") as file:
            while True:
                chunk = source.read(CHUNK_BYTES)
                if not chunk:
                    break
                file.write(chunk)
                size_bytes += len(chunk)
            file.flush()
            native.own(file.fileno(), mode, owner)
            if former is not None:
                native.set_attributes(temporary, former.get("attributes", {}))
                if "mtime_ns" in former:
                    native.set_times(temporary, former["mtime_ns"])
            os.fsync(file.fileno())
        native.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    sync_folder(os.path.dirname(path))
    return size_bytes


def write_link(path: str, target: str) -> None:
    """Let ``path`` be a link to ``target``, in one step also where there is one already."""
    temporary = beside(path)
    remove(temporary)
    native.point(temporary, path, target)
    sync_folder(os.path.dirname(path))


def remove(path: str) -> bool:
    """Remove a file, a link or a whole tree, never following a link. False where nothing was there."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if native.kind_of(path, status) != "directory":
        native.unlink(path)
        return True
    with os.scandir(native.deep(path)) as entries:
        names = [entry.path for entry in entries]
    for name in names:
        remove(name)
    native.rmdir(path)
    return True


def describe(path: str) -> dict[str, Any]:
    """What stands at a path, without its content; ``is`` is absent, file, directory, link or other."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "is": "absent"}
    kind = native.kind_of(path, status)
    found: dict[str, Any] = {
        "path": path,
        "is": kind,
        "mode": status.st_mode & 0o7777,
        "owner": [status.st_uid, status.st_gid],
        "mtime_ns": status.st_mtime_ns,
    }
    if kind == "link":
        found["target"] = native.pointed_to(path)
    elif kind == "other":
        found.update(type=status.st_mode & 0o170000, device=status.st_rdev)
    else:
        attributes = native.attributes_of(path)
        if attributes:
            found["attributes"] = attributes
    return found


def keep(path: str, folder: str, *, links: bool = False) -> dict[str, Any]:
    """Keep all that stands at ``path``, a whole tree where it is a directory, durably under ``folder``.

    Args:
        path: what is kept.
        folder: where; made where it is not there.
        links: the files will be removed, not changed: a second name keeps them as well as a copy does, for nothing.

    Returns:
        What ``put_back`` needs, as JSON. Only of a tree's root; the rest stands in ``folder``.
    """
    former = describe(path)
    if former["is"] not in ("file", "directory"):
        return former
    names = numbered(make_folder(folder))
    if former["is"] == "file":
        former["copy"] = copy_of(path, next(names), links=links)
    else:
        former["tree"] = next(names)
        with open(former["tree"], "x", encoding="utf-8", errors="surrogateescape") as file:
            for row in walk(path, names, links=links):
                file.write(json.dumps(row) + "\n")
            file.flush()
            os.fsync(file.fileno())
    sync_folder(folder)
    return former


def numbered(folder: str) -> Iterator[str]:
    """Names in a folder that nothing has yet."""
    number = len(os.listdir(folder))
    while True:
        name = os.path.join(folder, str(number))
        if not os.path.lexists(name):
            yield name
        number += 1


def walk(path: str, names: Iterator[str], *, links: bool) -> Iterator[dict[str, Any]]:
    """The entries below a directory, parents first, with copies of the files."""
    for name in below(path):
        row = describe(name)
        if row["is"] == "file":
            row["copy"] = copy_of(name, next(names), links=links)
        yield row


def make_folder(folder: str) -> str:
    """The folder, made where it is not there, for its owner only."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def copy_of(path: str, target: str, *, links: bool = False) -> str:
    """A durable copy of a file's content at ``target``, which must not be there; the folder is not synced yet."""
    if links:
        try:
            native.link(path, target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EACCES, errno.ENOTSUP):
                raise
        else:
            return target
    with open(path, "rb") as source, open(target, "xb") as copy:
        native.own(copy.fileno(), 0o600, None)
        while True:
            chunk = source.read(CHUNK_BYTES)
            if not chunk:
                break
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return target


def put_back(former: dict[str, Any]) -> bool:
    """Let a path be again what ``keep`` found there, byte for byte, with mode, owner, time and attributes.

    A directory of ours that others have put something into stays where nothing was before.

    Returns:
        Whether anything had to be done.

    Raises:
        OSError: it could not.
    """
    path = former["path"]
    now = describe(path)
    remove(beside(path))
    if former["is"] == "absent":
        return _put_back_absence(path, now)
    if now["is"] == "directory" and former["is"] != "directory":
        native.rmdir(path)  # never a tree: whoever filled it since loses nothing
    make_parents(path)
    if former["is"] == "file":
        if now == {key: value for key, value in former.items() if key != "copy"} and same_bytes(path, former["copy"]):
            return False
        with open(former["copy"], "rb") as source:
            write(path, source, mode=former["mode"], owner=owned(former), former=former)
        return True
    if former["is"] == "link":
        if now == former:
            return False
        write_link(path, former["target"])
        native.set_owner(path, tuple(former["owner"]), of_link=True)
        native.set_times(path, former["mtime_ns"], of_link=True)
        return True
    if former["is"] == "directory":
        return _put_back_tree(former, now)
    if now["is"] == "absent":
        os.mknod(path, former["type"] | former["mode"], former["device"])
    restore_metadata(former)
    return now != former


def _put_back_absence(path: str, now: dict[str, Any]) -> bool:
    if now["is"] == "absent":
        return False
    if now["is"] == "directory":
        return path not in remove_empty([path])
    native.unlink(path)
    sync_folder(os.path.dirname(path))
    return True


def _put_back_tree(former: dict[str, Any], now: dict[str, Any]) -> bool:
    path = former["path"]
    changed = bool(now != {key: value for key, value in former.items() if key != "tree"})
    if now["is"] != "directory":
        remove(path)
        os.mkdir(path, 0o700)
    rows = kept_rows(former)
    for row in rows:
        if row["is"] != "directory":
            changed = put_back(row) or changed
        elif not os.path.isdir(row["path"]) or native.pointed_to(row["path"]) is not None:
            remove(row["path"])
            os.mkdir(row["path"], 0o700)
            changed = True
    for row in reversed([former, *(row for row in rows if row["is"] == "directory")]):
        restore_metadata(row)  # innermost first: filling a folder changes its time
    return changed


def kept_rows(former: dict[str, Any]) -> list[dict[str, Any]]:
    """What was kept of the inside of a directory, parents first."""
    with open(former["tree"], encoding="utf-8", errors="surrogateescape") as file:
        return [json.loads(line) for line in file]


def below(path: str) -> list[str]:
    """Every path below a directory, parents first, links not followed."""
    with os.scandir(native.deep(path)) as entries:
        rows = sorted((entry.path, native.is_folder(entry)) for entry in entries)
    found: list[str] = []
    for name, is_folder in rows:
        found.append(name)
        if is_folder:
            found += below(name)
    return found


def restore_metadata(former: dict[str, Any]) -> None:
    """Mode, owner, attributes and time of what is no link."""
    path = former["path"]
    owner = owned(former)
    if owner is not None:
        native.set_owner(path, owner)
    native.set_mode(path, former["mode"])
    native.set_attributes(path, former.get("attributes", {}))
    native.set_times(path, former["mtime_ns"])


def owned(former: dict[str, Any]) -> tuple[int, int] | None:
    """The owner to set: None where this user could not set it and need not, the file being their own anyway."""
    uid, gid = former["owner"]
    return (uid, gid) if native.is_changeable((uid, gid)) else None


def same_bytes(left: str, right: str) -> bool:
    """Whether two files have the same content."""
    with open(left, "rb") as one, open(right, "rb") as other:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            return False
        while True:
            chunk = one.read(CHUNK_BYTES)
            if chunk != other.read(CHUNK_BYTES):
                return False
            if not chunk:
                return True
