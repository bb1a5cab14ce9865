"""Which computers a variant is meant for: its ``when:`` held against the computer's facts."""

from __future__ import annotations

from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    Text = Dict[str, str]

ARCHITECTURES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "x86-64": "x86_64",
    "arm64": "aarch64",
    "i386": "x86",
    "i486": "x86",
    "i586": "x86",
    "i686": "x86",
    "armhf": "armv7l",
}
"""Other names of the same thing. Source: dpkg-architecture(1), uname(2), Windows' PROCESSOR_ARCHITECTURE."""

SYSTEMS = {"darwin": "macos", "osx": "macos", "win32": "windows", "win": "windows"}


def matches(when: dict[str, Any], facts: dict[str, Any]) -> tuple[bool, Text | None]:
    """Whether this computer is one of those meant, and if not, why not.

    Args:
        when: ``os``, ``distribution``, ``like``, ``version``, ``arch``; each a value or a list (any of them), the
            version also a range. Empty holds everywhere. ``distribution: debian`` is Debian itself; what is derived
            from it is ``like: debian``.
        facts: the computer's, as in its record.

    Returns:
        ``(True, None)``, or False with the reason. What the computer does not tell of itself does not hold.
    """
    for word, wanted in when.items():
        if word == "version":
            reason = version_reason(wanted, facts)
        elif word in NAMED:
            reason = name_reason(word, wanted, facts)
        else:
            reason = text(f"syarat “{word}” tidak dikenal agen ini", f"this agent does not know the condition “{word}”")
        if reason is not None:
            return False, reason
    return True, None


NAMED = {
    "os": ("sistem operasi", "operating system"),
    "distribution": ("distribusi", "distribution"),
    "like": ("keluarga distribusi", "family of distributions"),
    "arch": ("arsitektur", "architecture"),
}


def name_reason(word: str, wanted: Any, facts: dict[str, Any]) -> Text | None:
    """Why a name does not hold; None where it does."""
    found = found_names(word, facts)
    if not found:
        return text(
            f"{NAMED[word][0]} komputer ini tidak dapat diketahui; diperlukan {shown(wanted)}",
            f"this computer's {NAMED[word][1]} cannot be told; needed: {shown(wanted)}",
        )
    if not set(found) & {canonical(word, one) for one in listed(wanted)}:
        return text(
            f"{NAMED[word][0]} komputer ini {shown(found)}; diperlukan {shown(wanted)}",
            f"this computer's {NAMED[word][1]} is {shown(found)}; needed: {shown(wanted)}",
        )
    return None


def found_names(word: str, facts: dict[str, Any]) -> list[str]:
    """The computer's own names for one word of ``when``; empty where it has none."""
    own = listed(facts.get("like")) if word == "like" else []
    value = facts.get("distribution" if word == "like" else word)
    return [canonical(word, one) for one in [*([value] if value else []), *own]]


def version_reason(wanted: Any, facts: dict[str, Any]) -> Text | None:
    """Why the version does not hold; None where it does."""
    from agent.versions import satisfies

    found = str(facts.get("version") or "")
    name = facts.get("title") or facts.get("distribution") or facts.get("os") or "?"
    if not found:
        return text(
            f"{name} tidak menyebutkan nomor versinya (testing atau sid?); diperlukan {shown(wanted)}",
            f"{name} does not state its version (testing or sid?); needed: {shown(wanted)}",
        )
    holds = satisfies(found, wanted)
    if holds is None:
        return text(
            f"versi {found} tidak dapat dibandingkan dengan {shown(wanted)}",
            f"version {found} cannot be compared with {shown(wanted)}",
        )
    if not holds:
        return text(
            f"versi {name} adalah {found}; diperlukan {shown(wanted)}",
            f"the version of {name} is {found}; needed: {shown(wanted)}",
        )
    return None


def describe(when: dict[str, Any]) -> str:
    """A ``when`` as one short line: ``debian >=12 x86_64``."""
    words: list[str] = [word for word in ("distribution", "like", "version", "arch") if word in when]
    if "distribution" not in when and "like" not in when and "os" in when:
        words.insert(0, "os")
    return " ".join(("~" if word == "like" else "") + shown(when[word]) for word in words)


def describe_facts(facts: dict[str, Any]) -> str:
    """The computer as one short line, in the words of ``describe``."""
    found = [facts.get("distribution") or facts.get("os"), facts.get("version"), facts.get("arch")]
    return " ".join(str(one) for one in found if one)


def canonical(word: str, name: Any) -> str:
    """One name for things that have several."""
    lower = str(name).strip().lower()
    return {"arch": ARCHITECTURES, "os": SYSTEMS}.get(word, {}).get(lower, lower)


def listed(value: Any) -> list[Any]:
    """A value or a list as a list; empty for None and ``""``."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return [] if value in (None, "") else [value]


def shown(value: Any) -> str:
    """A value or a list, for people."""
    return " | ".join(str(one) for one in listed(value))
