"""``registry``: a value of the registry, or a key; what was there is kept by type and bytes, and put back so.

Without ``value`` it is about the key itself, with all below it where it is to be gone. An empty ``value`` is the
nameless one.
"""

from __future__ import annotations

from agent.actions import ActionFailed, Detection
from agent.protocol import text
from agent.windows import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.redact import Redactor
    from agent.windows.registry import Value


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    what = named(spec)
    if spec.get("state") == "absent":
        return text(f"Menghapus registri {what}", f"Remove the registry's {what}")
    return text(f"Menulis registri {what}", f"Write the registry's {what}")


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Read the value, or whether there is the key."""
    key, view, wanted = spec["key"], view_of(spec), spec.get("state") != "absent"
    try:
        if spec.get("value") is None:
            there = registry.exists(key, view)
            return Detection("present" if there is wanted else "different" if there else "absent", place_of(there))
        found = registry.read(key, spec["value"], view)
    except OSError as error:
        reason = refusal(spec, error).reason
        return Detection("unknown", "?", reason)
    if found is None:
        return Detection("absent" if wanted else "present", "-")
    if not wanted or not is_same(found, spec):
        return Detection("different", shown(found, host.secrets))
    return Detection("present", shown(found, host.secrets))


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep the value as it is stored, and which keys there are not yet; of a key that goes, all that is in it."""
    key, view = spec["key"], view_of(spec)
    try:
        entry: dict[str, Any] = {"key": key, "view": view, "missing": registry.missing(key, view)}
        if spec.get("value") is None:
            return {**entry, **(registry.keep(key, view) if spec.get("state") == "absent" else {})}
        found = registry.read(key, spec["value"], view)
    except OSError as error:
        raise refusal(spec, error) from error
    return {**entry, "value": spec["value"], "former": registry.kept(found) if found is not None else None}


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Write it, or remove it."""
    key, view, name = spec["key"], view_of(spec), spec.get("value")
    try:
        if spec.get("state") == "absent":
            gone = registry.delete_key(key, view) if name is None else registry.delete(key, name, view)
            return {"removed": gone}
        if name is None:
            return {"made": registry.make(key, view)}
        return {"made": registry.write(key, name, type_of(spec), data_of(spec), view)}
    except (OSError, ValueError) as error:
        raise refusal(spec, error) from error


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Read it back."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """What was there, to the byte; keys that were made for it go again where nothing else is in them."""
    key, view = entry["key"], entry["view"]
    try:
        if "tree" in entry:
            return {"put_back": registry.put_back(entry)}
        if "value" in entry:
            former = entry["former"]
            if former is None:
                registry.delete(key, entry["value"], view)
            else:
                registry.write_raw(key, entry["value"], former[0], bytes.fromhex(former[1]), view)
        return {"removed": registry.remove_empty(entry["missing"], view)}
    except OSError as error:
        raise refusal(entry, error) from error


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To remove the value, and its key where nothing else is in it; None where the action itself removes."""
    if spec.get("state") == "absent" or not registry.exists(spec["key"], view_of(spec)):
        return None
    entry = {"key": spec["key"], "view": view_of(spec), "missing": [spec["key"]]}
    return entry if spec.get("value") is None else {**entry, "value": spec["value"], "former": None}


def is_same(found: Value, spec: dict[str, Any]) -> bool:
    """Whether a value is of the type and holds the data that is asked for, however its text was ended."""
    kind = type_of(spec)
    try:
        raw = registry.encode(kind, data_of(spec))
    except ValueError:
        return False
    return found.type == kind and (found.raw == raw or found.data == registry.decode(registry.TYPES[kind], raw).data)


def type_of(spec: dict[str, Any]) -> str:
    """The type that is asked for."""
    return str(spec.get("type") or "string")


def data_of(spec: dict[str, Any]) -> Any:
    """The data that is asked for; nothing is an empty one."""
    data = spec.get("data")
    if data is None:
        return {"multi": [], "dword": 0, "qword": 0}.get(type_of(spec), "")
    return data[0] if isinstance(data, list) and type_of(spec) != "multi" and len(data) == 1 else data


def view_of(spec: dict[str, Any]) -> str:
    """Whose registry: that of 64-bit programs, where the playbook does not say."""
    return str(spec.get("view") or "64")


def named(spec: dict[str, Any]) -> str:
    """Key and value, for people."""
    name = spec.get("value")
    return str(spec["key"]) if name is None else f"{spec['key']} → {name or '(default)'}"


def shown(found: Value, secrets: Redactor) -> str:
    """A value as a short line, without secrets."""
    data = "; ".join(found.data) if isinstance(found.data, list) else str(found.data)
    return f"{found.type}: {secrets.head(data, 100)}"


def place_of(there: bool) -> dict[str, str]:
    """Whether a key is there."""
    return text("kunci ada", "the key is there") if there else text("tidak ada", "absent")


def refusal(spec: dict[str, Any], error: Exception) -> ActionFailed:
    """Why the registry did not let us."""
    what = error.strerror if isinstance(error, OSError) else str(error)
    return ActionFailed(
        text(f"Registri {named(spec)}: {what}", f"Registry {named(spec)}: {what}"), {"error": str(error)}
    )
