"""Which version is there: as a program says of itself, or as the package manager knows it."""

from __future__ import annotations

import os

from agent.probes import Answer, judged
from agent.probes.patterns import search, short
from agent.protocol import text
from agent.versions import compare_dotted, parts_of, satisfies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from agent.host import Host

PATIENCE_S = 30.0
USUAL_PATTERN = r"(\d+(?:\.\d+)+[\w.~-]*|\d+)"


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    if spec.get("package"):
        return text(f"Versi paket {spec['package']}", f"Version of the package {spec['package']}")
    if spec.get("file"):
        return text(f"Versi berkas {spec['file']}", f"Version of the file {spec['file']}")
    by = short(" ".join(spec["argv"]))
    return text(f"Versi menurut {by}", f"Version by {by}")


def needed(spec: dict[str, Any]) -> str:
    """What is asked, as a short line."""
    wanted = wanted_of(spec)
    return str(wanted if wanted is not None else "*")


def wanted_of(spec: dict[str, Any]) -> Any:
    """The version, or the range, that is asked for; None where any will do."""
    return spec.get("equals") if spec.get("equals") is not None else spec.get("range")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Find the version, and hold it against ``equals`` or ``range``."""
    try:
        found = version_of(spec, host)
    except NotFound as trouble:
        return Answer("failed", found="-", reason=trouble.reason)
    wanted, asked = wanted_of(spec), needed(spec)
    if wanted is None or found == asked:
        return Answer("passed", found=found)
    compare = compare_packages if spec.get("package") else compare_dotted
    holds = equal(found, asked, compare) if spec.get("equals") is not None else satisfies(found, wanted, compare)
    if holds is None:
        reason = text(
            f"versi {found} tidak dapat dibandingkan dengan {asked}", f"version {found} cannot be compared with {asked}"
        )
        return Answer("unknown", found=found, reason=reason, final=True)
    return judged(
        found, None if holds else text(f"versinya {found}, bukan {asked}", f"its version is {found}, not {asked}")
    )


def version_of(spec: dict[str, Any], host: Host) -> str:
    """The version, by whatever the playbook asks.

    Raises:
        NotFound: there is none.
        CannotTell: as ``search``.
    """
    if spec.get("package"):
        return of_package(spec["package"], host)
    return of_file(spec["file"]) if spec.get("file") else of_program(spec, host)


class NotFound(Exception):
    """There is no version to be had; ``reason`` says why."""

    def __init__(self, id: str, en: str) -> None:
        super().__init__(en)
        self.reason = text(id, en)


def of_package(name: str, host: Host) -> str:
    """The version of an installed package.

    Raises:
        NotFound: it is not installed.
    """
    package = host.packages().get(name)
    if package is None:
        raise NotFound(f"paket {name} tidak terpasang", f"package {name} is not installed")
    if package.status != "installed":
        raise NotFound(
            f"paket {name} tidak terpasang utuh: {package.status}",
            f"package {name} is not fully installed: {package.status}",
        )
    return package.version


def of_file(path: str) -> str:
    """The version that a file of Windows bears.

    Raises:
        NotFound: it is not there, or bears none.
    """
    from agent.windows import fileversion

    path = os.path.expandvars(path)
    if not os.path.isfile(path):
        raise NotFound(f"{path} tidak ada", f"there is no {path}")
    found = fileversion.of_file(path)
    if found is None:
        raise NotFound(f"{path} tidak memuat versi", f"{path} bears no version")
    return found


def of_program(spec: dict[str, Any], host: Host) -> str:
    """The version that a program writes, on whichever stream; its exit code does not matter.

    Raises:
        NotFound: it cannot be started, takes too long, or writes none.
        CannotTell: as ``search``.
    """
    program = spec["argv"][0]
    try:
        result = host.run(spec["argv"], timeout_s=float(spec.get("timeout_s") or PATIENCE_S))
    except OSError as error:
        raise NotFound(
            f"{program} tidak dapat dijalankan: {error.strerror}", f"{program} cannot be started: {error.strerror}"
        ) from error
    if result.code is None:
        raise NotFound(f"{program} tidak selesai pada waktunya", f"{program} was not over in time")
    out, err = result.secrets.text(result.out), result.secrets.text(result.err)  # a number in a secret is no version
    match = search(spec.get("pattern") or USUAL_PATTERN, out + "\n" + err)
    if match is None:
        said = short((out.strip() or err.strip()).split("\n", 1)[0])
        raise NotFound(f"{program} tidak menyebutkan versinya: {said}", f"{program} does not say its version: {said}")
    version = match.group(1) if match.re.groups else match.group(0)
    return str(version or "").strip()


def equal(found: str, wanted: str, compare: Callable[[str, str], int]) -> bool | None:
    """Whether two versions are the same one (``1.2`` is ``1.2.0``); None where they cannot be compared."""
    if not parts_of(found) or not parts_of(wanted):
        return None
    return compare(found, wanted) == 0


def compare_packages(found: str, wanted: str) -> int:
    """Debian's order, by as much as was asked for: ``1.22.1`` is also the package ``1.22.1-9`` and ``1:1.22.1-9``.

    Source: deb-version(7): ``[epoch:]upstream[-revision]``.
    """
    from agent.debian import compare

    if ":" not in wanted:
        found = found.partition(":")[2] or found
    if "-" not in wanted:
        found = found.rpartition("-")[0] or found
    return int(compare(found, wanted))
