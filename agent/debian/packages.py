"""Packages as they were: kept before a change, put back after it.

Of a package that is installed the .deb itself is kept: the original where it still lies in apt's archives or among our
payloads, otherwise packed again from the disk (``repack``). What was not there before is purged; where a script of such
a package fails, dpkg's own force options are tried, and in the end the script is put out of action. All of that is
evidence.
"""

from __future__ import annotations

import os

from agent import debian, files
from agent.actions import ActionFailed
from agent.debian import database, dpkg
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

    from agent.host.linux import LinuxHost as Host

ARCHIVES = "/var/cache/apt/archives"
EXTENDED_STATES = "/var/lib/apt/extended_states"
SUFFIXES = (".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp", ".ucf-dist", ".ucf-old")
"""What dpkg and ucf leave beside a configuration file."""
DEPENDS = r"(?m)^ (\S+) depends on "
PLANNED = r"(?m)^Inst (\S+) (?:\[\S+\] )?\((\S+) .*\[(\S+)\]\)"


def capture(
    asked: Iterable[tuple[str, str]],
    metas: list[dict[str, Any]],
    host: Host,
    keep: str,
    *,
    debs: dict[str, str],
    apt: list[str] | None,
) -> dict[str, Any]:
    """Keep what a change of packages can lose.

    Args:
        asked: name and architecture of the packages that will be installed, in order.
        metas: control data of those that come as files.
        host: the computer.
        keep: the folder for copies.
        debs: where these are, by package.
        apt: what apt will be asked to install; None where only dpkg is used.

    Raises:
        ActionFailed: apt does not know how to install it, or a package cannot be kept.
    """
    packages = host.packages()
    names = dict(asked)
    replaces = {meta["package"]: meta["replaces"] for meta in metas if meta.get("replaces")}
    if apt is not None:
        coming = planned(apt, host)
        for name, _, architecture in coming:
            names.setdefault(name, architecture)
        replaces.update(replaced([row for row in coming if row[0] not in debs], host))
    for meta in metas:
        for name in debian.named(meta.get("conflicts")):
            if database.row(packages, name):
                names.setdefault(name, "")
    losing = _keep_taken(replaces, debs, host, keep) if replaces else []
    for row in losing:
        if row["whole"]:  # dpkg forgets a package that has lost all it had
            names.setdefault(row["name"], row["architecture"])
    before: list[dict[str, Any]] = []
    conffiles = {
        path: database.row(packages, meta["package"]) is not None
        for meta in metas
        for path in meta.get("conffiles") or ()
    }
    units: dict[str, dict[str, Any]] = {}
    for name, architecture in names.items():
        found = database.row(packages, name, architecture)
        if found is None:
            before.append({"name": name, "state": "absent"})
            continue
        try:
            before.append(_keep(name, found.architecture, host, keep, conffiles))
        except OSError as error:
            raise _unkept(f"{name} {found.version}", error) from error
        if found.status == "installed":
            for unit in database.units(name, found.architecture):
                service = host.services.read(unit)
                units[unit] = {"active": service.active in ("active", "reloading"), "enabled": service.enabled}
    entry = {"before": before, "conffiles": _keep_conffiles(conffiles, keep), "units": units}
    if losing:
        entry["taken"] = losing
    if os.path.isdir(keep):
        files.sync_folder(keep)
    return entry


def _unkept(what: str, error: OSError) -> ActionFailed:
    """That something of an installed package cannot be kept, and why."""
    why = os.strerror(error.errno) if error.errno else str(error)
    reason = text(
        f"Paket {what} yang terpasang tidak dapat disimpan: {why}.",
        f"The installed package {what} cannot be kept: {why}.",
    )
    return ActionFailed(reason, {"error": str(error)})


def _keep_taken(replaces: dict[str, str], debs: dict[str, str], host: Host, keep: str) -> list[dict[str, Any]]:
    """What other packages may lose to those that come (``taken``)."""
    from agent.debian import taken

    try:
        return taken.capture(replaces, debs, host, keep)
    except OSError as error:
        raise _unkept(", ".join(replaces), error) from error


def replaced(coming: list[tuple[str, str, str]], host: Host) -> dict[str, str]:
    """By name what the packages of apt's own that are coming replace, as they say it.

    Source: apt-cache(8), ``depends``; its APT::Cache::ShowVersion adds the versions.
    """
    if not coming:
        return {}
    others = ("pre-depends", "depends", "recommends", "suggests", "conflicts", "breaks", "enhances")
    argv = ["apt-cache", "-o", "APT::Cache::ShowVersion=true", "depends", *(f"--no-{other}" for other in others)]
    result = dpkg.program(host, [*argv, *(f"{name}:{arch}={version}" for name, version, arch in coming)], 60)
    found: dict[str, str] = {}
    name = ""
    for line in result.out.splitlines():
        if not line.startswith(" "):
            name = line.partition(":")[0]
        elif "Replaces: " in line:
            field = line.partition("Replaces: ")[2].strip("<>")
            found[name] = ", ".join(filter(None, (found.get(name), field)))
    return found


def planned(apt: list[str], host: Host) -> list[tuple[str, str, str]]:
    """Name, version and architecture of every package that apt would put in place; its lists are fetched if it must.

    Raises:
        ActionFailed: it cannot.
    """
    import re

    result = dpkg.install_by_apt(host, ["--simulate", *apt], 120)
    if not result.ok and "Unable to locate" in result.err + result.out:
        update = dpkg.update(host)
        result = dpkg.install_by_apt(host, ["--simulate", *apt], 120)
        if not result.ok and (not update.ok or "Failed to fetch" in update.err):
            raise ActionFailed(dpkg.reason_of(update.secrets.text(update.err)), update.evidence())
    if not result.ok:
        raise ActionFailed(dpkg.reason_of(result.secrets.text(result.err + result.out)), result.evidence())
    return [(match[0].partition(":")[0], match[1], match[2]) for match in re.findall(PLANNED, result.out)]


def _keep(name: str, architecture: str, host: Host, keep: str, conffiles: dict[str, bool]) -> dict[str, Any]:
    """One package that dpkg has something of; its conffiles are added to ``conffiles`` as its own."""
    from agent.debian import repack

    fields = database.paragraph(name, architecture) or {}
    want, _, state = (fields.get("Status") or "install ok installed").split()
    for line in fields.get("Conffiles", "").split("\n"):
        if line.strip():
            conffiles[line.strip().split(" ")[0]] = True
    version = fields.get("Version", "")
    kept: dict[str, Any] = {
        "name": name,
        "state": state,
        "version": version,
        "architecture": architecture,
        "hold": want == "hold",
        "auto": is_automatic(name, architecture),
        "conffiles": fields.get("Conffiles", ""),
        "files": _present(name, architecture),
    }
    if state == "config-files":
        deb = os.path.join(files.make_folder(keep), name + ".deb")
        files.remove(deb)
        repack.repack(fields, deb, configuration_only=True)
        kept["deb"] = deb
    elif state in ("installed", "half-configured", "unpacked", "triggers-awaited", "triggers-pending"):
        kept["origin"], kept["deb"] = _keep_deb(fields, host, files.make_folder(keep))
    return kept


def _keep_deb(fields: dict[str, str], host: Host, keep: str) -> tuple[str, str]:
    """The .deb of an installed package: where it is from, and its path in ``keep``."""
    from agent.debian import repack

    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    target = os.path.join(keep, name + ".deb")
    cached = os.path.join(ARCHIVES, f"{name}_{version.replace(':', '%3a')}_{architecture}.deb")
    files.remove(target)  # of a run that died here
    found = [("archives", cached)] if os.path.exists(cached) else []
    found += [("payload", path) for path in _payloads(host, f"{name}\n{version}\n{architecture}\n")]
    for origin, path in found:
        folder = os.path.join(keep, "control")
        same = repack.same_package(path, name, architecture, folder)
        files.remove(folder)
        if same:
            try:
                os.link(path, target)
            except OSError:  # another file system
                files.copy_of(path, target)
            return origin, target
    repack.repack(fields, target)
    return "disk", target


def _payloads(host: Host, wanted: str) -> list[str]:
    """Our payloads that are this package, by their control file."""
    folder = os.path.dirname(host.blob("x"))
    found = []
    for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, entry)
        with open(path, "rb") as file:
            if file.read(8) != b"!<arch>\n":
                continue
        result = host.run(["dpkg-deb", "--showformat=${Package}\n${Version}\n${Architecture}\n", "--show", path])
        if result.ok and result.out == wanted:
            found.append(path)
    return found


def _keep_conffiles(conffiles: dict[str, bool], keep: str) -> list[dict[str, Any]]:
    """Copies of those that are there; and, of packages that were there (True), which of them were not."""
    rows = []
    for path, known in conffiles.items():
        for name in (path, *(path + suffix for suffix in SUFFIXES)):
            if os.path.lexists(name) or (known and name == path):
                rows.append(files.keep(name, keep))
    return rows


def is_automatic(name: str, architecture: str) -> bool | None:
    """Whether apt installed it only because another package needed it; None where apt says nothing."""
    try:
        with open(EXTENDED_STATES, encoding="utf-8", errors="replace") as file:
            rows = list(debian.paragraphs(file.read()))
    except FileNotFoundError:
        return None
    for fields in rows:
        if fields.get("Package") == name and architecture in ("all", fields.get("Architecture")):
            return fields.get("Auto-Installed") == "1"
    return None


def _present(name: str, architecture: str) -> int:
    return sum(os.path.lexists(path) for path in database.listed(name, architecture))


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Let every package be as it was.

    Raises:
        ActionFailed: one is not; the evidence says what was tried.
    """
    before = entry["before"]
    log: list[dict[str, Any]] = []
    units: list[str] = []
    from agent.debian import conffiles

    losing = entry.get("taken") or []
    if losing or any(_differs(row, host) or row.get("hold") for row in before) or conffiles.forgotten(before, host):
        with dpkg.locked(host, dpkg.TIMEOUT_S):
            units = _undo_packages(entry, host, log)
            log += conffiles.remember(before, host)
            if losing:
                from agent.debian import taken

                back = taken.put_back(losing, host)
                log += [{"given_back": back}] if back else []
    _put_back(entry["conffiles"])
    _restore_marks(before, host, log)
    forgotten = host.services.forget(units) if units else {}
    _restore_units(entry["units"], host, log)
    wrong = [row["name"] for row in before if _differs(row, host)]
    evidence = {"calls": log, **({"services": forgotten} if forgotten else {})}
    if wrong:
        names = ", ".join(wrong)
        why = dpkg.reason_of(log[-1].get("output", "")) if log else text("", "")
        raise ActionFailed(
            text(f"Paket {names} tidak kembali seperti semula. {why['id']}", f"{names} is not as before. {why['en']}"),
            evidence,
        )
    return evidence


def _undo_packages(entry: dict[str, Any], host: Host, log: list[dict[str, Any]]) -> list[str]:
    """Purge, remove and install until dpkg's status is as it was; the services that went with the packages."""
    before = entry["before"]
    ours = {row["name"] for row in before}
    units: list[str] = []
    gone = [row["name"] for row in reversed(before) if row["state"] == "absent" and _differs(row, host)]
    emptied = [row["name"] for row in reversed(before) if row["state"] == "config-files" and _differs(row, host)]
    for name in (*gone, *emptied):
        units += database.units(name, "", templates=True)
    if gone:
        _remove(gone, "purge", ours, host, log)
    if emptied:
        _remove(emptied, "remove", ours, host, log)
    old = [row for row in before if row["state"] not in ("absent", "config-files") and _differs(row, host)]
    if old:
        _restore(old, entry["conffiles"], host, log)
    for row in before:
        if row["state"] == "config-files" and _differs(row, host):
            _call(["--force-downgrade", *dpkg.KEEP_CONFFILES, "--install", row["deb"]], host, log)
            _call(["--remove", row["name"]], host, log)
    _select("hold", [row["name"] for row in before if row.get("hold")], host, log)
    return units


def _differs(row: dict[str, Any], host: Host) -> bool:
    """Whether a package is now not as it was."""
    now = database.row(host.packages(), row["name"], row.get("architecture", ""))
    if row["state"] == "absent" or now is None:
        return not (row["state"] == "absent" and now is None)
    return bool(now.status != row["state"] or now.version != row["version"])


def _call(arguments: list[str], host: Host, log: list[dict[str, Any]]) -> str:
    """One call of dpkg; its output."""
    result = dpkg.run(host, arguments)
    log.append(result.evidence())
    return result.out + result.err


def _remove(names: list[str], verb: str, ours: Collection[str], host: Host, log: list[dict[str, Any]]) -> None:
    """Remove or purge, by force where it must be.

    Raises:
        ActionFailed: a package that is none of ours needs one of them, or dpkg refused to the end.
    """

    def left() -> list[str]:
        packages = host.packages()
        rows = [(name, database.row(packages, name)) for name in names]
        return [name for name, row in rows if row and not (verb == "remove" and row.status == "config-files")]

    output = _call([f"--{verb}", *names], host, log)
    if not left():
        return
    import re

    strangers = sorted(set(re.findall(DEPENDS, output)) - set(ours))
    if strangers:
        who = ", ".join(strangers)
        _select("install", left(), host, log)  # dpkg remembers the wish to remove even where it refuses
        raise ActionFailed(
            text(f"Tidak dapat dihapus: masih diperlukan oleh {who}.", f"Cannot be removed: {who} still needs it."),
            {"calls": log},
        )
    # Among our own, the order does not matter, and a package that is half there has to go without being whole first.
    force = ["--force-depends", "--force-remove-reinstreq"]
    _call([*force, f"--{verb}", *left()], host, log)
    for script in ("prerm", "postrm"):
        rest = left()
        if not rest:
            return
        _silence(rest, script, host, log)
        _call([*force, f"--{verb}", *rest], host, log)
    if left():
        raise ActionFailed(dpkg.reason_of(log[-1]["output"]), {"calls": log})


def _silence(names: list[str], script: str, host: Host, log: list[dict[str, Any]]) -> None:
    """Put a maintainer script that fails out of action, after doing what such scripts are mostly for."""
    for name in names:
        for unit in database.units(name, ""):
            if script == "prerm" and host.services.read(unit).known:
                log.append(host.services.stop(unit))
                log.append(host.services.set_enabled(unit, False))
        path = database.info(name, database.native(host.packages()), script)
        if os.path.exists(path):
            import io

            files.write(path, io.BytesIO(b"#!/bin/sh\nexit 0\n"), mode=0o755)
            log.append({"silenced": path})


def _restore(
    rows: list[dict[str, Any]], conffiles: list[dict[str, Any]], host: Host, log: list[dict[str, Any]]
) -> None:
    """Install the kept packages over what is there now."""
    missing = [row["name"] for row in rows if not row.get("deb") or not os.path.exists(row["deb"])]
    if missing:
        names = ", ".join(missing)
        raise ActionFailed(
            text(f"Paket lama {names} tidak tersimpan.", f"The old package of {names} was not kept."), {"calls": log}
        )
    for conffile in conffiles:  # dpkg forgets one that only the newer version has when it is not there
        files.put_back(conffile)  # and the old version's scripts find theirs as it was
    install = ["--force-downgrade", *dpkg.KEEP_CONFFILES, "--install", *(row["deb"] for row in rows)]
    _call(install, host, log)
    for script in ("prerm", "postrm"):
        rest = [row["name"] for row in rows if _differs(row, host)]
        if not rest:
            break
        _silence(rest, script, host, log)
        _call(install, host, log)
    if any(_present(row["name"], row["architecture"]) < row["files"] for row in rows):
        # Two versions may have passed a file from one package to another: with both in place, once more.
        _call(install, host, log)


def _put_back(conffiles: list[dict[str, Any]]) -> None:
    """Configuration files byte for byte, and nothing of dpkg's beside them that was not there."""
    known = {row["path"] for row in conffiles}
    for row in conffiles:
        if row["is"] != "absent" or os.path.lexists(row["path"]):
            files.put_back(row)
        if not row["path"].endswith(SUFFIXES):
            for suffix in SUFFIXES:
                if row["path"] + suffix not in known:
                    files.remove(row["path"] + suffix)


def _select(want: str, names: list[str], host: Host, log: list[dict[str, Any]]) -> None:
    """Set what dpkg shall think is wanted of packages."""
    if names:
        lines = "".join(f"{name} {want}\n" for name in names).encode()
        environment = dict(dpkg.ENVIRONMENT, **dpkg.LOCKED)
        log.append(host.run(["dpkg", "--set-selections"], environment=environment, stdin=lines).evidence())


def _restore_marks(before: list[dict[str, Any]], host: Host, log: list[dict[str, Any]]) -> None:
    for automatic, verb in ((True, "auto"), (False, "manual")):
        names = [
            row["name"]
            for row in before
            if row.get("auto") is automatic and is_automatic(row["name"], row["architecture"]) is not automatic
        ]
        if names:
            log.append(dpkg.program(host, ["apt-mark", verb, *names], 60).evidence())


def _restore_units(units: dict[str, dict[str, Any]], host: Host, log: list[dict[str, Any]]) -> None:
    """Services of packages that were there before: enabled and running as then."""
    for unit, former in units.items():
        now = host.services.read(unit)
        if former["enabled"] is not None and now.enabled is not former["enabled"] and now.enabled is not None:
            log.append(host.services.set_enabled(unit, former["enabled"]))
        if former["active"] and now.active != "active":
            log.append(host.services.start(unit))
        elif not former["active"] and now.active in ("active", "activating", "reloading"):
            log.append(host.services.stop(unit))
