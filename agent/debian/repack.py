"""An installed package as a .deb again, made of what dpkg knows of it and of its files on the disk.

The way back to a version whose .deb is nowhere any more. Files that somebody changed are packed as they are.

Source: deb(5), ar(5), dpkg's admindir: ``info/<package>.*`` are the members of the control archive, and ``.list``.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import time

from agent.debian import database

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

_NOT_CONTROL = ("Status", "Config-Version", "Conffiles", "Triggers-Pending", "Triggers-Awaited")
_RELATIONS = ("Depends", "Pre-Depends", "Recommends", "Suggests", "Enhances", "Conflicts", "Breaks", "Replaces")
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")


def repack(fields: dict[str, str], target: str, *, configuration_only: bool = False) -> None:
    """Write a .deb to ``target``.

    Args:
        fields: the package's paragraph of dpkg's status.
        target: the file to write; durable when this returns.
        configuration_only: the package is removed and only its configuration is left: nothing is needed to bring it
            back, and nothing is to be run but its last script.

    Raises:
        OSError: a file cannot be read, or the disk is full.
    """
    name, architecture = fields["Package"], fields["Architecture"]
    paths = [path for path in database.listed(name, architecture) if os.path.lexists(diverted(name).get(path, path))]
    left_out = (*_NOT_CONTROL, *_RELATIONS) if configuration_only else _NOT_CONTROL
    control = "".join(f"{key}: {value}\n" for key, value in fields.items() if key not in left_out)
    with open(target, "xb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(b"!<arch>\n")
        _member(file, "debian-binary", b"2.0\n")
        _member(file, "control.tar", _control(name, architecture, control, set(paths)))
        start = file.tell()
        file.write(_header("data.tar", 0))
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            _data(archive, name, paths)
        size_bytes = file.tell() - start - 60
        if size_bytes % 2:
            file.write(b"\n")
        file.seek(start)
        file.write(_header("data.tar", size_bytes))
        file.flush()
        os.fsync(file.fileno())


def _header(name: str, size_bytes: int) -> bytes:
    return f"{name:<16}{int(time.time()):<12}{0:<6}{0:<6}{'100644':<8}{size_bytes:<10}`\n".encode("ascii")


def _member(file: BinaryIO, name: str, content: bytes) -> None:
    file.write(_header(name, len(content)) + content + (b"\n" if len(content) % 2 else b""))


def _control(name: str, architecture: str, control: str, paths: set[str]) -> bytes:
    members: dict[str, bytes] = {"control": control.encode("utf-8", "surrogateescape")}
    folder = os.path.join(database.FOLDER, "info")
    prefixes = (f"{name}:{architecture}.", f"{name}.")
    for entry in sorted(os.listdir(folder)):
        prefix = next((prefix for prefix in prefixes if entry.startswith(prefix)), None)
        if prefix is None or entry[len(prefix) :] == "list":
            continue
        with open(os.path.join(folder, entry), "rb") as file:
            members[entry[len(prefix) :]] = file.read()
    if "conffiles" in members:  # one that the computer's people removed cannot be packed
        lines = members["conffiles"].decode("utf-8", "surrogateescape").splitlines()
        kept = [line for line in lines if line in paths]
        members["conffiles"] = "".join(line + "\n" for line in kept).encode("utf-8", "surrogateescape")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member, content in members.items():
            row = tarfile.TarInfo("./" + member)
            row.size = len(content)
            row.mode = 0o755 if member in _SCRIPTS else 0o644
            archive.addfile(row, io.BytesIO(content))
    return stream.getvalue()


def _data(archive: tarfile.TarFile, name: str, paths: Iterable[str]) -> None:
    """The files, each under the name it has in the package, wherever a diversion put it."""
    rows = sorted(set(paths))
    folders = {os.path.dirname(path) for path in rows}
    moved = diverted(name)
    root = tarfile.TarInfo("./")
    root.type, root.mode, root.uname, root.gname = tarfile.DIRTYPE, 0o755, "root", "root"
    archive.addfile(root)
    for path in rows:
        place = moved.get(path, path)
        if path in folders and os.path.islink(place):  # a folder of the package where the system has a link to one
            place = os.path.realpath(place)
        if stat.S_ISSOCK(os.lstat(place).st_mode):
            continue
        row = archive.gettarinfo(place, arcname="." + path)
        if row.isreg():
            with open(place, "rb") as file:
                archive.addfile(row, file)
        else:
            archive.addfile(row)


def diverted(name: str) -> dict[str, str]:
    """Where the files of a package are that another package (or the administrator) put its own in place of.

    Source: dpkg-divert(1): ``diversions`` holds three lines each: from, to, by whom.
    """
    try:
        with open(os.path.join(database.FOLDER, "diversions"), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return {}
    return {lines[i]: lines[i + 1] for i in range(0, len(lines) - 2, 3) if lines[i + 2] != name}


def same_package(deb: str, name: str, architecture: str, folder: str) -> bool:
    """Whether a .deb is the very one that is installed: its control archive is what dpkg has of it.

    Two builds may share a version; their scripts or checksums differ. dpkg makes checksums itself for a package that
    brings none: they are made here too, and compared.

    Args:
        deb: the file.
        name: the installed package.
        architecture: of the installed package.
        folder: an empty folder into which the control archive is unpacked.
    """
    from agent import program

    if not program.run(["dpkg-deb", "--control", deb, folder], timeout_s=60).ok:
        return False
    members = [member for member in os.listdir(folder) if member != "control"]
    if "md5sums" not in members and not _has_checksums(deb, database.info(name, architecture, "md5sums")):
        return False
    for member in members:
        try:
            with open(database.info(name, architecture, member), "rb") as installed, open(
                os.path.join(folder, member), "rb"
            ) as other:
                if installed.read() != other.read():
                    return False
        except FileNotFoundError:
            return False
    return True


def _has_checksums(deb: str, path: str) -> bool:
    """Whether the files of a .deb are those of which dpkg wrote the checksums when it was installed."""
    from agent.debian import contents

    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            known = sorted(file.read().splitlines())
        found = contents.checksums(deb)
    except OSError:
        return False
    return known == sorted(f"{digest}  {name[1:]}" for name, digest in found.items())
