"""``file``: a file with this content, a folder, or nothing, at a path.

A link at the path: one that leads to a regular file is followed and stays, so the file behind it changes; every other
link (to nothing, to a folder) is itself replaced or removed. For ``directory`` a link to a folder is a folder.
"""

from __future__ import annotations

import errno
import io
import os

from agent import files
from agent.actions import ActionFailed, Detection
from agent.digest import sha256_of_file
from agent.host import native
from agent.protocol import text
from agent.words import PLACE, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from agent.host import Host


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    path = spec["path"]
    if spec.get("state") == "absent":
        return text(f"Menghapus {path}", f"Remove {path}")
    if spec.get("state") == "directory":
        return text(f"Menyiapkan folder {path}", f"Make the folder {path}")
    return text(f"Menulis berkas {path}", f"Write the file {path}")


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Compare kind, content, mode and owner, as far as they are asked for."""
    path = target(spec)
    found = files.describe(path)
    state = spec.get("state") or "present"
    if state == "absent":
        return Detection("present" if found["is"] == "absent" else "different", word(PLACE, found["is"]))
    if found["is"] == "absent":
        return Detection("absent", PLACE["absent"])
    if state == "directory" and found["is"] == "link" and os.path.isdir(path):
        found = files.describe(os.path.realpath(path))
    if found["is"] != ("directory" if state == "directory" else "file"):
        return Detection("different", word(PLACE, found["is"]))
    if state == "present" and not same_content(spec, host, path):
        return Detection("different", text("isi lain", "other content"))
    mode, owner, group = wanted(spec)
    if mode is not None and found["mode"] != mode:
        octal = f"{found['mode']:04o}"
        return Detection("different", text(f"hak berkas {octal}", f"mode {octal}"))
    if (owner is not None and found["owner"][0] != owner) or (group is not None and found["owner"][1] != group):
        holder = "{}:{}".format(*found["owner"])
        return Detection("different", text(f"milik {holder}", f"owner {holder}"))
    return Detection("present", text("sesuai", "as asked"))


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep what stands at the path: of a folder that is only made or changed its own metadata, else everything."""
    path = target(spec)
    former = files.describe(path)
    if spec.get("state") == "directory" and former["is"] == "link" and os.path.isdir(path):
        former = files.describe(os.path.realpath(path))
    absent = spec.get("state") == "absent"
    if former["is"] != "directory" or absent:
        former = files.keep(path, keep, links=absent)
    return {"former": former, "parents": files.missing_parents(path)}


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Write, make or remove."""
    path = target(spec)
    state = spec.get("state") or "present"
    try:
        if state == "absent":
            return {"path": path, "removed": files.remove(path)}
        mode, owner, group = wanted(spec)
        files.make_parents(path)
        if state == "directory":
            return _make_directory(path, mode, (owner, group))
        former = files.describe(path)
        if former["is"] == "directory":
            reason = text(f"{path} adalah folder, bukan berkas.", f"{path} is a folder, not a file.")
            raise ActionFailed(reason)
        old = former if former["is"] == "file" else None
        if mode is None:
            mode = old["mode"] if old else 0o644
        ids = (
            owner if owner is not None else (old["owner"][0] if old else native.own_ids()[0]),
            group if group is not None else (old["owner"][1] if old else native.own_ids()[1]),
        )
        attributes = {"attributes": old["attributes"]} if old and "attributes" in old else None
        with content(spec, host) as source:
            size_bytes = files.write(path, source, mode=mode, owner=needed_owner(ids), former=attributes)
    except OSError as error:
        raise failed(path, error) from error
    return {"path": path, "size_bytes": size_bytes, "mode": f"{mode:04o}"}


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Read it back."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Put back what stood there, and remove the folders that were made for it."""
    former = entry["former"]
    try:
        if former["is"] == "directory" and "tree" not in former:
            changed = os.path.isdir(former["path"])
            if changed:
                files.restore_metadata(former)
        else:
            changed = files.put_back(former)
        left = files.remove_empty(entry["parents"])
        if former["is"] == "absent" and os.path.lexists(former["path"]):
            left.append(former["path"])
    except OSError as error:
        raise failed(former["path"], error) from error
    return {"path": former["path"], "changed": changed, **({"left": left} if left else {})}


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To remove the file, or the folder where it is empty; None where its absence was asked for."""
    if spec.get("state") == "absent":
        return None
    return {"former": {"path": target(spec), "is": "absent"}, "parents": []}


def target(spec: dict[str, Any]) -> str:
    """The path that is meant: behind a link to a regular file, unless it is to be removed."""
    path = files.place(spec["path"])
    if spec.get("state") not in ("absent", "directory") and os.path.islink(path) and os.path.isfile(path):
        return os.path.realpath(path)
    return path


def wanted(spec: dict[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Mode, user and group by number; None where it does not matter.

    Raises:
        ActionFailed: there is no such user or group, or no such thing on this platform.
    """
    asked = [word for word in ("mode", "owner", "group") if spec.get(word) is not None]
    if asked and not native.KNOWS_MODES:
        what = ", ".join(asked)
        raise ActionFailed(
            text(
                f"{what} tidak berlaku di Windows: hak sebuah berkas adalah hak foldernya; hapus dari playbook.",
                f"{what} has no meaning on Windows: a file has the rights of its folder; leave it out of the playbook.",
            )
        )
    mode = spec.get("mode")
    number = None if mode is None else int(mode, 8) if isinstance(mode, str) else int(mode)
    return number, identity(spec.get("owner"), "owner"), identity(spec.get("group"), "group")


def identity(name: Any, which: str) -> int | None:
    """The number of a user (``owner``) or group."""
    if name is None or isinstance(name, int):
        return name
    if name.isdigit():
        return int(name)
    try:
        return native.id_of(name, which)
    except KeyError:
        if which == "owner":
            raise ActionFailed(text(f"Tidak ada pengguna {name}.", f"There is no user {name}.")) from None
        raise ActionFailed(text(f"Tidak ada grup {name}.", f"There is no group {name}.")) from None


def needed_owner(ids: tuple[int, int]) -> tuple[int, int] | None:
    """None where the file comes into being with this owner by itself."""
    return None if native.own_ids()[0] != 0 and ids == native.own_ids() else ids


def content(spec: dict[str, Any], host: Host) -> BinaryIO:
    """What shall stand in the file; the caller closes it.

    Raises:
        ActionFailed: the payload on this computer is not the one of the plan.
    """
    if spec.get("payload") is None:
        return io.BytesIO((spec.get("content") or "").encode("utf-8", "surrogateescape"))
    digest = host.payload(spec["payload"])["digest"]
    blob = host.blob(digest)
    if sha256_of_file(blob) != digest:
        name = spec["payload"]
        raise ActionFailed(
            text(f"Berkas {name} di komputer ini rusak.", f"The file {name} on this computer is damaged."),
            {"path": blob},
        )
    return open(blob, "rb")


def same_content(spec: dict[str, Any], host: Host, path: str) -> bool:
    """Whether the file holds what is asked; by size first."""
    try:
        size_bytes = os.stat(path).st_size
        if spec.get("payload") is None:
            asked = (spec.get("content") or "").encode("utf-8", "surrogateescape")
            if size_bytes != len(asked):
                return False
            with open(path, "rb") as file:
                return file.read() == asked
        payload = host.payload(spec["payload"])
        return bool(size_bytes == payload["size_bytes"]) and sha256_of_file(path) == payload["digest"]
    except OSError as error:
        raise failed(path, error) from error


def _make_directory(path: str, mode: int | None, ids: tuple[int | None, int | None]) -> dict[str, Any]:
    if not os.path.isdir(path):
        if os.path.lexists(path):
            files.remove(path)
        os.mkdir(path)
        mode = 0o755 if mode is None else mode
    if ids != (None, None):
        native.set_owner(path, (-1 if ids[0] is None else ids[0], -1 if ids[1] is None else ids[1]))
    if mode is not None:
        native.set_mode(path, mode)
    files.sync_folder(os.path.dirname(path))
    return {"path": path, "mode": f"{os.stat(path).st_mode & 0o7777:04o}"}


def failed(path: str, error: OSError) -> ActionFailed:
    """The operating system's refusal as a reason."""
    where, path = native.shown(error.filename if isinstance(error.filename, str) else path), native.shown(path)
    users = native.users_of(error)
    if users is not None:
        who = ": " + ", ".join(users) if users else ""
        reason = text(
            f"{where} sedang dipakai program lain{who}; hentikan dahulu.",
            f"{where} is in use by another program{who}; stop that first.",
        )
        return ActionFailed(reason, {"path": path, "error": str(error), "users": users})
    known = {
        errno.ENOSPC: text(f"Ruang disk habis saat menulis {path}.", f"The disk is full, writing {path}."),
        errno.EROFS: text(f"{where} hanya dapat dibaca.", f"{where} is on a read-only file system."),
        errno.EACCES: text(f"Tidak ada izin untuk {where}.", f"No permission for {where}."),
        errno.EPERM: text(f"Tidak ada izin untuk {where}.", f"No permission for {where}."),
        errno.ENOTDIR: text(f"Sebagian dari {where} bukan folder.", f"A part of {where} is not a folder."),
    }
    what = os.strerror(error.errno) if error.errno else str(error)
    reason = known.get(
        error.errno or 0, text(f"{where} gagal diubah: {what}.", f"{where} could not be changed: {what}.")
    )
    return ActionFailed(reason, {"path": path, "error": str(error)})
