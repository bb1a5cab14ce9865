"""Is a program among those that Windows lists, and in which version."""

from __future__ import annotations

from agent.probes import Answer, judged
from agent.protocol import text
from agent.versions import satisfies
from agent.windows import programs
from agent.words import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.windows.programs import Program
    from agent.words import Words


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    if spec.get("exists") is False:
        return text(f"Program {spec['name']} tidak terpasang", f"Program {spec['name']} is not installed")
    return text(f"Program {spec['name']} terpasang", f"Program {spec['name']} is installed")


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    if spec.get("exists") is False:
        return text("tidak ada", "absent")
    return line(str(spec["name"]), str(spec.get("version") or ""), between=" ")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Look its entry up; of several, one in the right version is enough."""
    found = programs.named(programs.programs(), spec["name"])
    names = ", ".join(shown(each) for each in found) or "-"
    if spec.get("exists") is False:
        return judged(names, text(f"{names} terpasang", f"{names} is installed") if found else None)
    if not found:
        return judged(names, text(f"program {spec['name']} tidak terpasang", f"{spec['name']} is not installed"))
    wanted = spec.get("version")
    if wanted is None or any(is_version(each.version, wanted) for each in found):
        return judged(names, None)
    return judged(names, text(f"versinya bukan {wanted}: {names}", f"its version is not {wanted}: {names}"))


def is_version(found: str, wanted: Any) -> bool:
    """Whether a version is the one, or in the range, that is asked for; what is no number is compared as it stands."""
    return found == str(wanted) or bool(satisfies(found, wanted))


def shown(program: Program) -> str:
    """A program, for people."""
    return f"{program.name} {program.version}".strip()
