"""``deb``: packages of Debian and its kin, from files that came along (``payloads``) or from the computer's own apt.

Files go through dpkg, all in one call; what they need must be there already and is looked at before dpkg is. Names in
``packages`` (with or without ``=version``) are left to apt-get, together with the files where both are given; it may
add packages but never remove one, and takes no recommendations.
"""

from __future__ import annotations

import os

from agent import debian, dpkg
from agent.actions import ActionFailed, Detection
from agent.digest import sha256_of_file
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent.host.linux import LinuxHost as Host


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
        row = dpkg.row(packages, name, architecture)
        if row is None or row.status == "config-files":
            states.add("absent")
            found.append(f"{name}: -")
        elif row.status != "installed" or (version and debian.compare(row.version, version)):
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
        ``{"package", "needs", "found"}`` each, short strings; empty where all is there, or where apt will see to it.
    """
    if spec.get("packages"):
        return []
    packages, asked = host.packages(), metas(spec, host)
    architecture = dpkg.native(packages)
    missing = [
        {"package": meta["package"], "needs": f"architecture {meta['architecture']}", "found": architecture}
        for meta in asked
        if architecture and meta["architecture"] not in ("all", *dpkg.architectures(architecture))
    ]
    brought = {meta["package"]: debian.Offer(meta["version"], meta["architecture"], foreign=False) for meta in asked}
    offers: dict[str, list[debian.Offer]] = {name: [offer] for name, offer in brought.items()}
    for key, row in packages.items():
        name = key.partition(":")[0]
        if row.status in ("installed", "triggers-pending") and name not in brought:
            offers.setdefault(name, []).append(debian.Offer(row.version, row.architecture, foreign=False))
    groups = debian.unmet(asked, offers, {})
    if groups:  # now it is worth reading Provides and Multi-Arch of everything that is installed
        groups = debian.unmet(asked, *dpkg.all_offers(asked))
    for name, group in groups:
        rows = [dpkg.row(packages, relation.name) for relation in group]
        found = ", ".join(
            f"{row.version} ({row.status})" if row.status != "installed" else row.version for row in rows if row
        )
        missing.append({"package": name, "needs": debian.write_relations(group), "found": found})
    return missing


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep the state of every package that will change, and of an installed one the package itself."""
    from agent import packages

    asked = [(name, architecture) for name, _, architecture in wanted(spec, host)]
    if not spec.get("packages"):
        return packages.capture(asked, metas(spec, host), host, keep, apt=None)
    folder, paths = link_payloads(spec, host)  # apt reads them too, to tell what else it would install
    try:
        return packages.capture(asked, metas(spec, host), host, keep, apt=[*paths, *spec["packages"]])
    finally:
        _unlink_payloads(folder)


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Install, and read dpkg's status back."""
    timeout_s = float(spec.get("timeout_s") or dpkg.TIMEOUT_S)
    missing = missing_dependencies(spec, host)
    if missing:
        needs = "; ".join(f"{row['package']}: {row['needs']}" for row in missing)
        raise ActionFailed(
            text(f"Kebutuhan paket tidak terpenuhi: {needs}", f"What the packages need is missing: {needs}"),
            {"missing": missing},
        )
    evidence: dict[str, Any] = {}
    folder, paths = link_payloads(spec, host)
    try:
        if spec.get("packages"):
            with dpkg.locked(timeout_s):
                evidence.update(_settle(spec, host, timeout_s))
            arguments = [*apt_options(timeout_s), "install", *paths, *spec["packages"]]
            result = dpkg.program(host, ["apt-get", *arguments], timeout_s)
            evidence.update(result.evidence())
        else:
            with dpkg.locked(timeout_s):
                evidence.update(_settle(spec, host, timeout_s))
                for wave in _waves(spec, host, paths):
                    result = dpkg.run(host, [*dpkg.KEEP_CONFFILES, "--install", *wave], timeout_s)
                    evidence.update(result.evidence())
                    if not result.ok:
                        break
    finally:
        _unlink_payloads(folder)
    now = detect(spec, host)
    if not now.present:
        raise ActionFailed(dpkg.reason_of(evidence["output"]), dict(evidence, found=now.found))
    return dict(evidence, found=now.found)


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Read dpkg's status back."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Every package as it was: gone, its configuration alone, or the version before."""
    from agent import packages

    return packages.undo(entry, host)


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To purge the packages; None where dpkg knows none of them."""
    known = [name for name, _, architecture in wanted(spec, host) if dpkg.row(host.packages(), name, architecture)]
    before = [{"name": name, "state": "absent"} for name in known]
    return {"before": before, "conffiles": [], "units": {}} if before else None


def apt_options(timeout_s: float) -> list[str]:
    """How apt-get is always called: no questions, nothing removed, nothing recommended, waiting for its locks."""
    return [
        "--yes", "--quiet=2", "--no-remove", "--no-install-recommends", "--allow-downgrades",
        "--allow-change-held-packages",
        "-o", f"DPkg::Lock::Timeout={int(timeout_s)}", "-o", "Dpkg::Use-Pty=0",
        *(word for option in dpkg.KEEP_CONFFILES for word in ("-o", f"Dpkg::Options::={option}")),
    ]  # fmt: skip


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


def _settle(spec: dict[str, Any], host: Host, timeout_s: float) -> dict[str, Any]:
    """Finish what a dpkg that was killed left: its own diary, and for apt every package it would stumble over."""
    packages = host.packages()
    broken = sorted(name for name, row in packages.items() if row.status not in dpkg.SETTLED)
    interrupted = dpkg.interrupted()
    if not interrupted and not (broken and spec.get("packages")):
        return {}
    result = dpkg.run(host, [*dpkg.KEEP_CONFFILES, "--configure", "--pending"], timeout_s)
    return {"interrupted": broken, "configured": result.evidence()}


def _waves(spec: dict[str, Any], host: Host, paths: list[str]) -> list[list[str]]:
    """The files in as few calls as can be: a package that another one pre-depends on is configured in a call before."""
    asked = metas(spec, host)
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

    return [[path_of[name] for name in names] for names in split(list(path_of))]
