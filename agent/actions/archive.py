"""``archive``: a zip or tar unpacked into a folder of its own, behind a link that is switched in one step.

Under ``into``: ``releases/<version>-<digest>/`` the files, ``releases/.<version>-<digest>.json`` what shows that they
are all there, and ``link`` (``current``) pointing to the release in use. An older release stays, for the way back.

An archive may not write outside of its release: absolute names, ``..``, links that lead out, devices and pipes are
refused; setuid, setgid and sticky bits are dropped; everything belongs to the user the agent runs as.
"""

from __future__ import annotations

import os
import re

from agent import files
from agent.actions import ActionFailed, Detection
from agent.host import native
from agent.light import json
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    what = f"{spec['payload']} {spec.get('version') or ''}".strip()
    return text(f"Membongkar {what} ke {spec['into']}", f"Unpack {what} into {spec['into']}")


class Place:
    """Where everything of one archive stands."""

    def __init__(self, spec: dict[str, Any], host: Host) -> None:
        digest = host.payload(spec["payload"])["digest"]
        version = re.sub(r"[^A-Za-z0-9.+~_-]", "-", str(spec.get("version") or "0")).lstrip(".") or "0"
        self.digest = digest
        self.strip = int(spec.get("strip") or 0)
        self.name = f"{version}-{digest[:8]}"
        self.into = files.place(spec["into"])
        self.releases = os.path.join(self.into, "releases")
        self.release = os.path.join(self.releases, self.name)
        self.marker = os.path.join(self.releases, f".{self.name}.json")
        self.partial = os.path.join(self.releases, f".{self.name}.partial")
        self.link = os.path.join(self.into, spec.get("link") or "current")
        self.target = os.path.relpath(self.release, os.path.dirname(self.link))

    def linked(self) -> str | None:
        """Where the link points to; None where there is none."""
        return native.pointed_to(self.link)

    def missing(self) -> str | None:
        """What the release lacks; None where it is whole."""
        try:
            with open(self.marker, encoding="utf-8", errors="surrogateescape") as file:
                marker = json.load(file)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return "releases/" + self.name
        if marker.get("digest") != self.digest or marker.get("strip") != self.strip:
            return "releases/" + self.name
        release = native.deep(self.release)
        for name in marker["files"]:
            if not os.path.lexists(native.below(release, name)):
                return str(name)
        return None


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Whether the link points to this very release, and every file of it is there."""
    place = Place(spec, host)
    linked = place.linked()
    if linked != place.target:
        if linked is None and not os.path.lexists(place.link):
            return Detection("absent", "-")
        return Detection("different", linked or text("tanpa tautan", "no link"))
    missing = place.missing()
    if missing is not None:
        return Detection("different", text(f"tidak lengkap: {missing}", f"missing: {missing}"))
    return Detection("present", linked)


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep where the link pointed, and a release of the same name that is not whole."""
    place = Place(spec, host)
    entry: dict[str, Any] = {
        "link": files.describe(place.link),
        "release": place.release,
        "marker": place.marker,
        "partial": place.partial,
        "whole": place.missing() is None and os.path.isdir(place.release),
        "parents": files.missing_parents(os.path.join(place.releases, "x")),
    }
    if os.path.dirname(place.link) != place.into:
        entry["parents"] += [path for path in files.missing_parents(place.link) if path not in entry["parents"]]
    if not entry["whole"]:
        entry["former"] = [files.keep(place.release, keep), files.keep(place.marker, keep)]
    return entry


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Unpack beside, rename, mark as whole, switch the link."""
    from agent.actions.file import failed

    place = Place(spec, host)
    if os.path.lexists(place.link) and place.linked() is None:
        raise ActionFailed(
            text(
                f"{place.link} sudah ada dan bukan tautan (link); pindahkan dahulu.",
                f"{place.link} is there already and is no link; move it away first.",
            )
        )
    try:
        evidence: dict[str, Any] = {"release": place.release}
        files.make_parents(place.partial)
        if place.missing() is not None:
            evidence.update(_unpack(place, spec, host))
        if place.linked() != place.target:
            files.make_parents(place.link)
            files.write_link(place.link, place.target)
    except OSError as error:
        files.remove(place.partial)
        raise failed(place.release, error) from error
    return evidence


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Read link and release back."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """The link as before, the release gone if it was not there, and the folders that were made for it."""
    from agent.actions.file import failed

    link = entry["link"]
    try:
        files.remove(files.beside(link["path"]))
        # What is no link was refused by apply; where none was and none is, there is nothing to take away.
        ours = link["is"] == "link" or (link["is"] == "absent" and native.pointed_to(link["path"]) is not None)
        changed = files.put_back(link) if ours else False
        changed = files.remove(entry["partial"]) or changed
        if not entry["whole"]:
            release, marker = entry["former"]
            if release["is"] == "absent":
                changed = files.remove(entry["release"]) or changed
            else:
                _remove_others(release["path"], release)
                changed = files.put_back(release) or changed
            changed = files.put_back(marker) or changed
        left = files.remove_empty(entry["parents"])
    except OSError as error:
        raise failed(entry["release"], error) from error
    return {"changed": changed, **({"left": left} if left else {})}


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To remove this release and the link to it; other releases stay, and the folder with them."""
    place = Place(spec, host)
    return {
        "link": {"path": place.link, "is": "absent"},
        "release": place.release,
        "marker": place.marker,
        "partial": place.partial,
        "whole": False,
        "former": [{"path": place.release, "is": "absent"}, {"path": place.marker, "is": "absent"}],
        "parents": [place.into, place.releases],
    }


def _remove_others(path: str, former: dict[str, Any]) -> None:
    """What a half-made release has more than when it was kept."""
    if former["is"] != "directory" or native.pointed_to(path) is not None:
        files.remove(path)
        return
    if not os.path.lexists(path):
        return
    known = {row["path"] for row in files.kept_rows(former)}
    for name in files.below(path):
        if name not in known and os.path.lexists(name):
            files.remove(name)


def _unpack(place: Place, spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Make the release whole, whatever stands there.

    Raises:
        ActionFailed: the payload is not the plan's, or is not an archive that can be unpacked safely.
        OSError: the disk.
    """
    import io

    from agent import unpack

    payload = host.payload(spec["payload"])
    blob = host.blob(payload["digest"])
    limit_bytes = (payload.get("meta") or {}).get("unpacked_size_bytes")
    files.remove(place.partial)
    try:
        with open(blob, "rb") as stream:
            names, size_bytes = unpack.unpack(
                stream,
                place.partial,
                digest=payload["digest"],
                format=payload["format"],
                strip=place.strip,
                limit_bytes=limit_bytes,
            )
    except unpack.BadArchive as error:
        files.remove(place.partial)
        raise ActionFailed(error.reason, {"payload": spec["payload"]}) from error
    files.remove(place.marker)
    files.remove(place.release)
    native.replace(place.partial, place.release)
    files.sync_folder(place.releases)
    marker = {"digest": place.digest, "strip": place.strip, "files": names, "size_bytes": size_bytes}
    content = json.dumps(marker).encode()
    files.write(place.marker, io.BytesIO(content), mode=0o644)
    return {"files": len(names), "size_bytes": size_bytes}
