"""Which version is there: as a program says of itself, or as the package manager knows it."""

from __future__ import annotations

from agent.probes import Answer
from agent.probes.patterns import PatternTrouble, search, short
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
    of = spec.get("package") or spec["argv"][0]
    return text(f"Versi {of}", f"Version of {of}")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Find the version, and hold it against ``equals`` or ``range``."""
    wanted = spec.get("equals") if spec.get("equals") is not None else spec.get("range")
    needed = str(wanted if wanted is not None else "*")
    try:
        found = of_package(spec["package"], host) if spec.get("package") else of_program(spec, host)
    except NotFound as trouble:
        return Answer("failed", needed=needed, found="-", reason=trouble.reason)
    except PatternTrouble as trouble:
        return Answer("unknown", needed=needed, found="?", reason=trouble.reason, final=True)
    compare = compare_packages if spec.get("package") else compare_dotted
    if wanted is None or found == needed:
        return Answer("passed", needed=needed, found=found)
    holds = equal(found, needed, compare) if spec.get("equals") is not None else satisfies(found, wanted, compare)
    if holds is None:
        reason = text(
            f"versi {found} tidak dapat dibandingkan dengan {needed}",
            f"version {found} cannot be compared with {needed}",
        )
        return Answer("unknown", needed=needed, found=found, reason=reason, final=True)
    if not holds:
        reason = text(f"versinya {found}, bukan {needed}", f"its version is {found}, not {needed}")
        return Answer("failed", needed=needed, found=found, reason=reason)
    return Answer("passed", needed=needed, found=found)


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


def of_program(spec: dict[str, Any], host: Host) -> str:
    """The version that a program writes, on whichever stream; its exit code does not matter.

    Raises:
        NotFound: it cannot be started, takes too long, or writes none.
        PatternTrouble: as ``search``.
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
    match = search(spec.get("pattern") or USUAL_PATTERN, result.out + "\n" + result.err)
    if match is None:
        said = short((result.out.strip() or result.err.strip()).split("\n", 1)[0])
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
