"""``msi``: a package of Windows Installer. Which product it is was read from the file by the controller (``meta``).

In place is what Windows Installer remembers under the package's product code, in its version. Another product of the
same upgrade code is the version before: its own package is kept before the change, looked into, and put back where the
change is taken back. A change whose way back cannot be kept is not begun.
"""

from __future__ import annotations

import os
import shutil

from agent.actions import ActionFailed, Detection
from agent.digest import sha256_of_file
from agent.protocol import text
from agent.versions import compare_dotted
from agent.windows import installers, msiexec, products, registry
from agent.windows.quoting import property_word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from agent.host import Host
    from agent.windows.products import Product


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    return text(f"Memasang paket MSI {spec['payload']}", f"Install the MSI package {spec['payload']}")


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Ask for the product code, and its version; for its features, where some are asked for."""
    meta = host.payload(spec["payload"])["meta"]
    found = products.product(meta["product_code"])
    if found is None:
        others = products.related(meta["upgrade_code"]) if meta.get("upgrade_code") else []
        names = ", ".join(shown(other) for other in others)
        return Detection("different", names) if others else Detection("absent", "-")
    if not same_version(found.version, meta["version"]):
        return Detection("different", shown(found))
    missing = missing_features(spec, found.code)
    if missing:
        names = ", ".join(missing)
        reason = text(f"Fitur {names} tidak terpasang.", f"The features {names} are not installed.")
        return Detection("different", f"{shown(found)} (- {names})", reason)
    return Detection("present", shown(found))


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep the package of every version before, and how it was installed as far as that is known."""
    payload = host.payload(spec["payload"])
    meta = payload["meta"]
    entry: dict[str, Any] = {
        "code": meta["product_code"].upper(),
        "upgrade": meta.get("upgrade_code") or "",
        "version": meta["version"],
        "package": {"digest": payload["digest"], "file": payload["file"]},
        "words": words_of(spec),
        "stored": products.stored(),
        "features": spec.get("features") or [],
        "timeout_s": float(spec.get("timeout_s") or msiexec.TIMEOUT_S),
    }
    entry["before"] = [keep_product(found, entry, host, keep) for found in versions(entry)]
    if any("package" in row for row in entry["before"]):
        entry["services"] = installers.services_now(host)
    return entry


def keep_product(found: Product, entry: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """One product as it is, and its package where it may have to be installed again."""
    known = installers.noted(host, found.code)
    row: dict[str, Any] = {
        "code": found.code,
        "name": found.name,
        "version": found.version,
        "features": sorted(name for name, there in products.features(found.code).items() if there),
        "words": known.get("words") or [],
        "transforms": [],
    }
    if found.code == entry["code"] and same_version(found.version, entry["version"]):
        return row  # it stays; only features are added
    for path in packages_of(found, known, host):
        target = os.path.join(keep, found.code.strip("{}").lower() + ".msi")
        try:
            package = products.package(path)
            if not (package.is_whole and package.code == found.code and same_version(package.version, found.version)):
                continue
            os.makedirs(keep, exist_ok=True)
            shutil.copyfile(path, target)
        except OSError:
            continue
        row["transforms"] = [kept_transform(each, host, keep) for each in known.get("transforms") or ()]
        return {**row, "package": target, "digest": sha256_of_file(target), "file": file_of(found)}
    reason = text(
        f"{shown(found)} yang terpasang tidak dapat disimpan: paket MSI-nya tidak ada lagi atau tidak lengkap."
        " Lepas dahulu versi itu, atau sediakan paketnya di folder asalnya.",
        f"The installed {shown(found)} cannot be kept: its MSI package is gone or not whole."
        " Remove that version first, or put its package back into the folder it came from.",
    )
    raise ActionFailed(reason, {"package": found.package, "source": found.source})


def kept_transform(transform: list[str], host: Host, keep: str) -> str:
    """A transform that a version before was installed with, in ``keep``.

    Raises:
        ActionFailed: it is not here any more.
    """
    digest, file = transform
    target = os.path.join(keep, digest[:16] + "-" + file)
    return installers.place(host.blob(digest), target, digest, file)


def packages_of(found: Product, known: dict[str, Any], host: Host) -> Iterator[str]:
    """Where an installed product's package may lie: with us, in Windows' own store, where it came from."""
    if known.get("digest"):
        yield host.blob(known["digest"])
    if found.package:
        yield found.package
    if found.source:
        yield os.path.join(found.source, file_of(found))


def file_of(found: Product) -> str:
    """The name of the package that a product was installed from."""
    key = f"{products.CLASSES}\\Products\\{products.packed(found.code)}\\SourceList"
    name = registry.read(key, "PackageName")
    said = os.path.basename(str(name.data)) if name is not None else ""
    return said or found.code.strip("{}").lower() + ".msi"


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Install; what msiexec says of it is believed only where the product is there."""
    meta, digest = host.payload(spec["payload"])["meta"], host.payload(spec["payload"])["digest"]
    code = meta["product_code"].upper()
    former = installers.noted(host, code)
    timeout_s = float(spec.get("timeout_s") or msiexec.TIMEOUT_S)
    words = words_of(spec)
    path = installers.link(host, spec["payload"])
    transforms = [installers.link(host, name) for name in spec.get("transforms") or ()]
    installers.note(host, code, {**former, "begun": True})
    try:
        said, evidence = msiexec.call(
            host, ["/i", path, *again(spec, meta), *transformed(transforms), *written(words)], timeout_s=timeout_s
        )
    finally:
        for each in (path, *transforms):
            installers.unlink(each)
    now = detect(spec, host)
    if not now.present:
        installers.note(host, code, former) if former else installers.forget(host, code)
        reason = now.reason if said.succeeded and now.reason else msiexec.reason_of(said, evidence)
        raise ActionFailed(reason, {**evidence, "found": now.found})
    used = [[host.payload(name)["digest"], host.payload(name)["file"]] for name in spec.get("transforms") or ()]
    installers.note(host, code, {"digest": digest, "words": words, "transforms": used})
    return {**evidence, "found": now.found}


def settle(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Wait for an installation that outlived us: the service of Windows Installer goes on without whoever asked it."""
    return {"waited_s": msiexec.wait(float(spec.get("timeout_s") or msiexec.TIMEOUT_S))}


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Ask again."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """The product gone, and the versions before as they were."""
    timeout_s = entry.get("timeout_s") or msiexec.TIMEOUT_S
    evidence: dict[str, Any] = {"waited_s": msiexec.wait(timeout_s), "calls": []}
    before = {row["code"]: row for row in entry["before"]}
    finish(entry, host, evidence)
    for found in versions(entry):
        row = before.get(found.code)
        if row is not None and same_version(found.version, row["version"]):
            remove_features(row, host, timeout_s, evidence)
            continue
        said, call = msiexec.call(host, ["/x", found.code], timeout_s=timeout_s, removing=True)
        evidence["calls"].append(call)
        evidence.update({"reboot": call["reboot"]} if "reboot" in call else {})
        if products.product(found.code) is not None:
            why = msiexec.reason_of(said, call)
            raise ActionFailed(
                text(
                    f"{shown(found)} tidak dapat dilepas: {why['id']}", f"{shown(found)} cannot be removed: {why['en']}"
                ),
                evidence,
            )
        installers.forget(host, found.code)
    for row in entry["before"]:
        put_back(row, host, timeout_s, evidence)
    sweep(entry, evidence)
    if entry["code"] not in before:
        installers.forget(host, entry["code"])
    evidence["services"] = installers.services_back(host, entry.get("services") or {})
    return evidence


def finish(entry: dict[str, Any], host: Host, evidence: dict[str, Any]) -> None:
    """Where we died in the middle: install to the end first, for only what is installed can be removed whole.

    That may fail as it did before; then Windows Installer itself has taken back what it had begun.
    """
    package = entry.get("package")
    if not package or not installers.noted(host, entry["code"]).get("begun") or products.product(entry["code"]):
        return
    path = os.path.join(host.root, "work", package["digest"][:16], os.path.basename(package["file"]))
    try:
        installers.place(host.blob(package["digest"]), path, package["digest"], package["file"])
        words = ["/i", path, *written(entry["words"])]
        evidence["finished"] = msiexec.call(host, words, timeout_s=entry["timeout_s"])[1]
    except ActionFailed as failed:
        evidence["finished"] = failed.evidence
    finally:
        installers.unlink(path)


def sweep(entry: dict[str, Any], evidence: dict[str, Any]) -> None:
    """Remove the copies of our package that are no product's: each time that we died in the middle left one."""
    if "stored" not in entry:
        return
    for name in products.unclaimed():
        path = os.path.join(products.store(), name)
        if name not in entry["stored"] and sha256_of_file(path) == entry["package"]["digest"]:
            os.unlink(path)
            evidence.setdefault("swept", []).append(path)


def put_back(row: dict[str, Any], host: Host, timeout_s: float, evidence: dict[str, Any]) -> None:
    """Install a version before again, where it is not there."""
    now = products.product(row["code"])
    if "package" not in row or (now is not None and same_version(now.version, row["version"])):
        return
    if sha256_of_file(row["package"]) != row["digest"]:
        reason = text(
            f"Paket {row['name']} {row['version']} yang disimpan rusak.",
            f"The package of {row['name']} {row['version']} that was kept is damaged.",
        )
        raise ActionFailed(reason, evidence)
    words = [word for word in row["words"] if word[0] != "ADDLOCAL"]
    chosen = [["ADDLOCAL", ",".join(row["features"])]] if row["features"] else []
    path = os.path.join(host.root, "work", row["digest"][:16], row["file"])  # as it was put there the first time
    installers.place(row["package"], path, row["digest"], row["file"])
    try:
        argv = ["/i", path, *transformed(row["transforms"]), *written([*words, *chosen])]
        said, call = msiexec.call(host, argv, timeout_s=timeout_s)
    finally:
        installers.unlink(path)
    evidence["calls"].append(call)
    now = products.product(row["code"])
    if now is None or not same_version(now.version, row["version"]):
        why = msiexec.reason_of(said, call)
        reason = text(
            f"{row['name']} {row['version']} tidak dapat dikembalikan: {why['id']}",
            f"{row['name']} {row['version']} cannot be put back: {why['en']}",
        )
        raise ActionFailed(reason, evidence)
    installers.note(host, row["code"], {"digest": row["digest"], "words": row["words"]})


def remove_features(row: dict[str, Any], host: Host, timeout_s: float, evidence: dict[str, Any]) -> None:
    """Of a product that stays, the features that it did not have."""
    added = [name for name, there in products.features(row["code"]).items() if there and name not in row["features"]]
    if not added or not row["features"]:
        return
    words = ["/i", row["code"], property_word("REMOVE", ",".join(added))]
    evidence["calls"].append(msiexec.call(host, words, timeout_s=timeout_s, removing=True)[1])


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To remove the product, and what else there is of its upgrade code; None where nothing is."""
    meta = host.payload(spec["payload"])["meta"]
    entry = {"code": meta["product_code"].upper(), "upgrade": meta.get("upgrade_code") or "", "before": []}
    return {**entry, "timeout_s": float(spec.get("timeout_s") or msiexec.TIMEOUT_S)} if versions(entry) else None


def versions(entry: dict[str, Any]) -> list[Product]:
    """The product itself where it is installed, and the others of its upgrade code."""
    own = products.product(entry["code"])
    others = products.related(entry["upgrade"]) if entry["upgrade"] else []
    return [*([own] if own else []), *(each for each in others if each.code != entry["code"])]


def words_of(spec: dict[str, Any]) -> list[list[str]]:
    """The properties of the playbook and the features, as pairs."""
    words = [[name, str(value)] for name, value in sorted((spec.get("properties") or {}).items())]
    return [*words, ["ADDLOCAL", ",".join(spec["features"])]] if spec.get("features") else words


def written(words: list[list[str]]) -> list[str]:
    """Properties as msiexec reads them."""
    return [property_word(name, value) for name, value in words]


def transformed(paths: list[str]) -> list[str]:
    """Transforms, where there are some."""
    return [property_word("TRANSFORMS", ";".join(paths))] if paths else []


def again(spec: dict[str, Any], meta: dict[str, Any]) -> list[str]:
    """Over the same product in another version every file is compared anew, and the new package kept.

    Source: https://learn.microsoft.com/windows/win32/msi/reinstallmode, and "Applying Small Updates by Reinstalling".
    """
    found = products.product(meta["product_code"])
    if found is None or same_version(found.version, meta["version"]):
        return []
    return [property_word("REINSTALL", "ALL"), property_word("REINSTALLMODE", "vomus")]


def missing_features(spec: dict[str, Any], code: str) -> list[str]:
    """The features that are asked for and not installed."""
    there = products.features(code)
    return [name for name in spec.get("features") or () if name != "ALL" and not there.get(name)]


def same_version(left: str, right: str) -> bool:
    """Whether two versions are one: of an MSI's only the first three numbers count.

    Source: https://learn.microsoft.com/windows/win32/msi/productversion.
    """
    return compare_dotted(*(".".join(each.split(".")[:3]) for each in (left, right))) == 0


def shown(found: Product) -> str:
    """A product, for people."""
    return f"{found.name} {found.version}".strip()
