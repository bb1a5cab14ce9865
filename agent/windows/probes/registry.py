"""What stands in the registry: a key, a value, its data."""

from __future__ import annotations

from agent.probes import Answer, judged
from agent.protocol import text
from agent.windows import registry
from agent.windows.actions.registry import named, shown, view_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.windows.registry import Value
    from agent.words import Words


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    return text(f"Registri {named(spec)}", f"Registry {named(spec)}")


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    if spec.get("exists") is False:
        return text("tidak ada", "absent")
    if spec.get("equals") is not None:
        return f"= {spec['equals']}"
    if spec.get("contains") is not None:
        return f"… {spec['contains']} …"
    return text("ada", "there")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Read it, and hold it against what is asked."""
    key, name, view = spec["key"], spec.get("value"), view_of(spec)
    wanted = spec.get("exists") is not False
    if name is None:
        there = registry.exists(key, view)
        reason = text(f"kunci {key} tidak ada", f"there is no key {key}")
        if there:
            reason = text(f"kunci {key} masih ada", f"the key {key} is still there")
        return judged(text("ada", "there") if there else "-", None if there is wanted else reason)
    found = registry.read(key, name, view)
    if found is None:
        reason = text(f"{named(spec)} tidak ada", f"there is no {named(spec)}")
        return judged("-", reason if wanted else None)
    if not wanted:
        return judged(shown(found, host.secrets), text(f"{named(spec)} masih ada", f"{named(spec)} is still there"))
    return judged(shown(found, host.secrets), difference(spec, found, shown(found, host.secrets)))


def difference(spec: dict[str, Any], found: Value, holds: str) -> dict[str, str] | None:
    """Why a value (``holds``: as people are told of it) is not as asked; None where it is."""
    rows = [str(row) for row in found.data] if isinstance(found.data, list) else [str(found.data)]
    equals, contains = spec.get("equals"), spec.get("contains")
    if equals is not None and not equal(equals, found, rows):
        return text(f"isinya {holds}, bukan {equals}", f"it holds {holds}, not {equals}")
    if contains is not None and not any(str(contains) in row for row in rows):
        return text(f"isinya {holds}, tanpa {contains}", f"it holds {holds}, without {contains}")
    return None


def equal(wanted: Any, found: Value, rows: list[str]) -> bool:
    """Whether data is what is asked for; a number however it is written, several texts as a list."""
    if found.type in ("dword", "qword"):
        try:
            return bool(registry.number_in(wanted) == found.data)
        except ValueError:
            return False
    return [str(row) for row in wanted] == rows if isinstance(wanted, list) else rows == [str(wanted)]
