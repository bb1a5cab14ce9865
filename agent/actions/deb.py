"""``deb``: packages of Debian and its kin, from files that came along (``payloads``) or from the computer's own apt.

Files go through dpkg, all in one call; what they need must be there already and is looked at before dpkg is. Names in
``packages`` (with or without ``=version``) are left to apt-get, together with the files where both are given; it may
add packages but never remove one, and takes no recommendations.
"""

from __future__ import annotations

import os

from agent import debian
from agent.actions import ActionFailed, Detection
from agent.debian import database
from agent.digest import sha256_of_file
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent.host.linux import LinuxHost as Host
    from agent.host.linux import Package


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    names = ", ".join([*spec.get("payloads", []), *spec.get("packages", [])])
    return text(f"Memasang paket {names}", f"Install the packages {names}")


def wanted(spec: dict[str, Any], host: Host) -> Iterator[tuple[str, str, str]]:
    """Name, version (empty: any) and architecture (empty: any) of every package that is asked for, in order."""
    for meta in metas(spec, host):
        yield meta["package"], meta["version"], meta["architecture"]
    for word in spec.get("packages") or ():
        name, _, version = word.partition("=")
        name, _, architecture = name.partition(":")
        yield name, version, architecture


def metas(spec: dict[str, Any], host: Host) -> list[dict[str, Any]]:
    """What the control files of the payloads say, in the order of the plan."""
    return [host.payload(name)["meta"] for name in spec.get("payloads") or ()]


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Look every package up in dpkg's status."""
    packages = host.packages()
    found, states = [], set()
    for name, version, architecture in wanted(spec, host):
        row = database.row(packages, name, architecture)
        if row is None or row.status == "config-files":
            states.add("absent")
            found.append(f"{name}: -")
        elif not _is_in_place(row, version):
            states.add("different")
            found.append(f"{name} {row.version}" + ("" if row.status == "installed" else f" ({row.status})"))
        else:
            states.add("present")
            found.append(f"{name} {row.version}")
    state = states.pop() if len(states) == 1 else "different"
    return Detection(state, ", ".join(found))


def missing_dependencies(spec: dict[str, Any], host: Host) -> list[dict[str, str]]:
    """What the payloads need and this computer lacks; dpkg would refuse to configure them.

    Returns:
        ``{"package", "needs", "found"}`` each, short strings, or ``{"package", "made_for", "found"}`` of one that is
        for another architecture than the computer's; empty where all is there, or where apt will see to it.
    """
    if spec.get("packages"):
        return []
    packages, asked = host.packages(), metas(spec, host)
    architecture = database.native(packages)
    missing = [
        {"package": meta["package"], "made_for": meta["architecture"], "found": architecture}
        for meta in asked
        if architecture and meta["architecture"] not in ("all", *database.architectures(architecture))
    ]
    brought = {meta["package"]: debian.Offer(meta["version"], meta["architecture"], foreign=False) for meta in asked}
    offers: dict[str, list[debian.Offer]] = {name: [offer] for name, offer in brought.items()}
    for key, row in packages.items():
        name = key.partition(":")[0]
        if row.status in ("installed", "triggers-pending") and name not in brought:
            offers.setdefault(name, []).append(debian.Offer(row.version, row.architecture, foreign=False))
    groups = debian.unmet(asked, offers, {})
    if groups:  # now it is worth reading Provides and Multi-Arch of everything that is installed
        groups = debian.unmet(asked, *database.all_offers(asked))
    for name, group in groups:
        rows = [database.row(packages, relation.name) for relation in group]
        found = ", ".join(
            f"{row.version} ({row.status})" if row.status != "installed" else row.version for row in rows if row
        )
        missing.append({"package": name, "needs": debian.write_relations(group), "found": found})
    return missing


def lacking(missing: list[dict[str, str]]) -> dict[str, str]:
    """What stands in the way, of ``missing_dependencies``, and what to do about it."""
    parts = [
        text(
            f"paket {row['package']} dibuat untuk {row['made_for']}, komputer ini {row['found']}",
            f"the package {row['package']} is for {row['made_for']}, and this computer is {row['found']}",
        )
        for row in missing
        if "made_for" in row
    ]
    needs = "; ".join(f"{row['package']}: {row['needs']}" for row in missing if "needs" in row)
    if needs:
        parts.append(
            text(
                f"kebutuhan paket belum ada di komputer ini: {needs}; tambahkan ke payloads",
                f"what the packages need is not on this computer: {needs}; add it to payloads",
            )
        )
    return text("; ".join(part["id"] for part in parts), "; ".join(part["en"] for part in parts))


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep the state of every package that will change, and of an installed one the package itself."""
    from agent.debian import packages

    asked = [(name, architecture) for name, _, architecture in wanted(spec, host)]
    payloads = [host.payload(name) for name in spec.get("payloads") or ()]
    debs = {payload["meta"]["package"]: host.blob(payload["digest"]) for payload in payloads}
    if not spec.get("packages"):
        return packages.capture(asked, metas(spec, host), host, keep, debs=debs, apt=None)
    folder, paths = link_payloads(spec, host)  # apt reads them too, to tell what else it would install
    try:
        return packages.capture(asked, metas(spec, host), host, keep, debs=debs, apt=[*paths, *spec["packages"]])
    finally:
        _unlink_payloads(folder)


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Install, and read dpkg's status back."""
    from agent.debian import dpkg

    timeout_s = float(spec.get("timeout_s") or dpkg.TIMEOUT_S)
    missing = missing_dependencies(spec, host)
    if missing:
        raise ActionFailed(lacking(missing), {"missing": missing})
    evidence: dict[str, Any] = {}
    with dpkg.locked(host, timeout_s):
        evidence.update(dpkg.settle(host, timeout_s, whole=bool(spec.get("packages"))))
        if not spec.get("packages"):
            evidence.update(_by_dpkg(spec, host, timeout_s))
    if spec.get("packages") and not detect(spec, host).present:
        evidence.update(_by_apt(spec, host, timeout_s))
    now = detect(spec, host)
    if not now.present:
        raise ActionFailed(dpkg.reason_of_call(evidence), dict(evidence, found=now.found))
    return dict(evidence, found=now.found)


def settle(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Wait for an installer of ours that outlived us, and finish what one that died left half done."""
    from agent.debian import dpkg, policy

    timeout_s = float(spec.get("timeout_s") or dpkg.TIMEOUT_S)
    with dpkg.locked(host, timeout_s):
        policy.withdraw()
        return dpkg.settle(host, timeout_s, whole=bool(spec.get("packages")))


def _by_dpkg(spec: dict[str, Any], host: Host, timeout_s: float) -> dict[str, Any]:
    """Install the files of what is not in place; to be called under dpkg's lock. The evidence of the last call."""
    from agent.debian import dpkg, policy

    evidence: dict[str, Any] = {}
    folder, paths = link_payloads(spec, host)
    later = spec.get("starts_later") or []
    try:
        with policy.waiting(later) as wait:
            for wave in _waves(spec, host, paths):
                result = dpkg.run(host, [*dpkg.KEEP_CONFFILES, "--install", *wave], timeout_s)
                evidence = result.evidence()
                if not result.ok:
                    break
        if wait:
            evidence["starts_later"] = later
    finally:
        _unlink_payloads(folder)
    return evidence


def _by_apt(spec: dict[str, Any], host: Host, timeout_s: float) -> dict[str, Any]:
    """Let apt install names and files."""
    from agent.debian import dpkg

    folder, paths = link_payloads(spec, host)
    try:
        return dpkg.install_by_apt(host, [*paths, *spec["packages"]], timeout_s).evidence()
    finally:
        _unlink_payloads(folder)


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Read dpkg's status back."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Every package as it was: gone, its configuration alone, or the version before."""
    from agent.debian import packages, policy

    policy.withdraw()
    return packages.undo(entry, host)


def residue(entry: dict[str, Any], host: Host) -> list[dict[str, str]]:
    """What other packages lost to these and have not got back, and what dpkg forgot of conffiles."""
    from agent.debian import conffiles

    found = conffiles.residue(entry["before"], host)
    if entry.get("taken"):
        from agent.debian import taken

        found += taken.residue(entry["taken"], host)
    return found


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To purge the packages; None where dpkg knows none of them."""
    known = [name for name, _, architecture in wanted(spec, host) if database.row(host.packages(), name, architecture)]
    before = [{"name": name, "state": "absent"} for name in known]
    return {"before": before, "conffiles": [], "units": {}} if before else None


def link_payloads(spec: dict[str, Any], host: Host) -> tuple[str, list[str]]:
    """Give the payloads the names that dpkg wants, in a folder of our own, and hash what dpkg will open.

    Returns:
        The folder and the paths in it, in the order of the plan.

    Raises:
        ActionFailed: a file is missing or not the one of the plan.
    """
    folder = os.path.join(host.root, "debs")
    _unlink_payloads(folder)
    os.makedirs(folder, mode=0o700)
    paths = []
    for number, name in enumerate(spec.get("payloads") or ()):
        payload = host.payload(name)
        path = os.path.join(folder, f"{number}-{name}.deb")
        try:
            try:
                os.link(host.blob(payload["digest"]), path)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without hard links
                os.symlink(host.blob(payload["digest"]), path)
            whole = sha256_of_file(path) == payload["digest"]
        except FileNotFoundError as error:
            reason = text(f"Berkas {name} tidak ada di komputer ini.", f"The file {name} is not on this computer.")
            raise ActionFailed(reason, {"path": path}) from error
        if not whole:
            reason = text(
                f"Berkas {name} di komputer ini rusak: SHA-256 tidak sama dengan rencana.",
                f"The file {name} on this computer is damaged: its SHA-256 is not the plan's.",
            )
            raise ActionFailed(reason, {"path": path})
        paths.append(path)
    return folder, paths


def _unlink_payloads(folder: str) -> None:
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def _waves(spec: dict[str, Any], host: Host, paths: list[str]) -> list[list[str]]:
    """The files of what is not in place, in as few calls as can be.

    A package that another one pre-depends on is configured in a call before.
    """
    asked, packages = metas(spec, host), host.packages()
    path_of = dict(zip((meta["package"] for meta in asked), paths))
    before = {meta["package"]: debian.named(meta.get("pre_depends")) for meta in asked}
    needs = {meta["package"]: before[meta["package"]] | debian.named(meta.get("depends")) for meta in asked}

    def split(names: list[str]) -> list[list[str]]:
        first = {need for name in names for need in before[name] if need in names}
        while True:
            more = {need for name in first for need in needs[name] if need in names} - first
            if not more:
                break
            first |= more
        if not first or len(first) == len(names):
            return [names]
        return split([name for name in names if name in first]) + split([name for name in names if name not in first])

    rows = {meta["package"]: database.row(packages, meta["package"], meta["architecture"]) for meta in asked}
    missing = [meta["package"] for meta in asked if not _is_in_place(rows[meta["package"]], meta["version"])]
    return [[path_of[name] for name in names] for names in split(missing)] if missing else []


def _is_in_place(row: Package | None, version: str) -> bool:
    return row is not None and row.status == "installed" and not (version and debian.compare(row.version, version))
