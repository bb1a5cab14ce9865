"""Is a file as it should be: there or not, of a kind, with an owner and a mode, with a content."""

from __future__ import annotations

import os
import stat

from agent.files import expand
from agent.host import native
from agent.probes import Answer, CannotTell, judged
from agent.probes.patterns import TEXT_LIMIT, search, short
from agent.protocol import text
from agent.words import PLACE, both, line, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.redact import Redactor
    from agent.words import Words

CHUNK_BYTES = 256 * 1024
SEARCH_LIMIT_BYTES = 256 * 1024 * 1024
"""A fixed string is looked for in so much of a file, from its beginning."""


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    path = spec["path"]
    if spec.get("exists") is False:
        return text(f"Berkas {path} tidak ada", f"File {path} is not there")
    return text(f"Berkas {path} sesuai", f"File {path} is as asked")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Look at the file; it is read only where its content is asked for."""
    path, unwanted = native.reach(expand(spec["path"])), spec.get("exists") is False
    try:
        status = os.lstat(path) if spec.get("is") == "link" else status_of(path, spec)
    except (FileNotFoundError, NotADirectoryError):
        return judged("-", None if unwanted else text(f"{path} tidak ada", f"{path} is not there"))
    if unwanted:
        return Answer("failed", found=word(PLACE, kind_of(status)), reason=text(f"{path} ada", f"{path} is there"))
    return judged(found_of(spec, status), status_reason(spec, status) or content_reason(spec, status, host.secrets))


def status_of(path: str, spec: dict[str, Any]) -> os.stat_result:
    """What stands there; a link that leads nowhere is there where only its absence is asked for."""
    return os.lstat(path) if spec.get("exists") is False else os.stat(path)


def status_reason(spec: dict[str, Any], status: os.stat_result) -> dict[str, str] | None:
    """Why kind, mode or owner is not as asked; None where they are."""
    path, kind = native.reach(expand(spec["path"])), kind_of(status)
    if spec.get("is") is not None and kind != spec["is"]:
        found, wanted = both(word(PLACE, kind)), both(word(PLACE, spec["is"]))
        return text(
            f"{path} adalah {found['id']}, bukan {wanted['id']}", f"{path} is a {found['en']}, not a {wanted['en']}"
        )
    if spec.get("mode") is not None and stat.S_IMODE(status.st_mode) != mode_of(spec["mode"]):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        return text(f"mode {path} adalah {mode}", f"the mode of {path} is {mode}")
    if spec.get("owner") is not None and str(spec["owner"]) not in (str(status.st_uid), name_of(status.st_uid)):
        owner = name_of(status.st_uid)
        return text(f"pemilik {path} adalah {owner}", f"the owner of {path} is {owner}")
    return None


def content_reason(spec: dict[str, Any], status: os.stat_result, secrets: Redactor) -> dict[str, str] | None:
    """Why the content is not as asked; None where it is, or is not asked for.

    Raises:
        OSError: it cannot be read.
        CannotTell: it was not read to its end, or as ``search``.
    """
    path = native.reach(expand(spec["path"]))
    if not any(spec.get(name) is not None for name in ("contains", "matches", "digest")):
        return None
    if not stat.S_ISREG(status.st_mode):
        return text(f"{path} bukan berkas biasa", f"{path} is not a regular file")
    if spec.get("contains") is not None and not holds(path, str(spec["contains"]).encode("utf-8")):
        if status.st_size > SEARCH_LIMIT_BYTES:
            raise CannotTell(
                text(f"{path} terlalu besar untuk dibaca seluruhnya", f"{path} is too large to be read to its end")
            )
        shown = secrets.short(spec["contains"])
        return text(f"{path} tidak memuat {shown}", f"{path} does not contain {shown}")
    if spec.get("matches") is not None and search(spec["matches"], end_of(path)) is None:
        shown = secrets.short(spec["matches"])
        return text(f"{path} tidak cocok dengan {shown}", f"{path} does not match {shown}")
    if spec.get("digest") is not None:
        from agent.digest import sha256_of_file

        digest = sha256_of_file(path)
        if digest != str(spec["digest"]).lower():
            return text(f"SHA-256 {path} adalah {digest}", f"the SHA-256 of {path} is {digest}")
    return None


def holds(path: str, wanted: bytes) -> bool:
    """Whether a string stands in a file, wherever its pieces were read apart."""
    with open(path, "rb", buffering=0) as file:
        carried, taken = b"", 0
        while taken < SEARCH_LIMIT_BYTES:
            chunk = file.read(CHUNK_BYTES)
            if wanted in carried + chunk:
                return True
            if not chunk:
                return False
            taken += len(chunk)
            carried = (carried + chunk)[-(len(wanted) - 1) :] if len(wanted) > 1 else b""
    return False


def end_of(path: str) -> str:
    """The last part of a file, as text."""
    with open(path, "rb", buffering=0) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TEXT_LIMIT))
        return file.read(TEXT_LIMIT).decode("utf-8", "replace")


def kind_of(status: os.stat_result) -> str:
    """``file``, ``directory``, ``link``, or ``other`` (a device, a socket, a pipe)."""
    if stat.S_ISREG(status.st_mode):
        return "file"
    if stat.S_ISDIR(status.st_mode):
        return "directory"
    return "link" if stat.S_ISLNK(status.st_mode) else "other"


def mode_of(mode: Any) -> int:
    """A mode as the plan has it: octal digits, or their number."""
    return mode if isinstance(mode, int) else int(str(mode), 8)


def name_of(uid: int) -> str:
    """A user's name, or the number where it has none."""
    return native.owner_name(uid)


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    if spec.get("exists") is False:
        return "-"
    parts = [word(PLACE, spec.get("is") or "file")]
    if spec.get("mode") is not None:
        parts.append(f"{mode_of(spec['mode']):04o}")
    if spec.get("owner") is not None:
        parts.append(str(spec["owner"]))
    parts += [short(spec[name], 40) for name in ("contains", "matches") if spec.get(name) is not None]
    if spec.get("digest") is not None:
        parts.append(f"SHA-256 {str(spec['digest'])[:12]}…")
    return line(*parts)


def found_of(spec: dict[str, Any], status: os.stat_result) -> Words:
    """What stands there, as a short line."""
    parts = [word(PLACE, kind_of(status))]
    if spec.get("mode") is not None:
        parts.append(f"{stat.S_IMODE(status.st_mode):04o}")
    if spec.get("owner") is not None:
        parts.append(name_of(status.st_uid))
    if stat.S_ISREG(status.st_mode):
        parts.append(text(f"{status.st_size} byte", f"{status.st_size} bytes"))
    return line(*parts)
