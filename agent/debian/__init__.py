"""Debian's own rules, as pure functions: how versions compare, how relations are written and when they hold.

Source: deb-version(7), deb-control(5), Debian Policy chapter 7.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NamedTuple

    class Relation(NamedTuple):
        """One alternative of a dependency; ``operator`` is empty where every version will do."""

        name: str
        architecture: str
        operator: str
        version: str

    class Offer(NamedTuple):
        """A package that is (or will be) there, or a name it provides; a provided name may have no version."""

        version: str
        architecture: str
        foreign: bool
else:
    from agent.light.tuples import namedtuple

    Relation = namedtuple("Relation", "name architecture operator version")
    Offer = namedtuple("Offer", "version architecture foreign")

OPERATORS = ("", "<<", "<=", "=", ">=", ">>", "<", ">")


def compare(left: str, right: str) -> int:
    """Negative, zero or positive as ``left`` is older than, as old as, or newer than ``right``."""
    one, other = _parts(left), _parts(right)
    if one[0] != other[0]:
        return -1 if one[0] < other[0] else 1
    return _compare_part(one[1], other[1]) or _compare_part(one[2], other[2])


def _parts(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", epoch
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return int(epoch) if epoch.isdigit() else 0, upstream, revision


def _weight(character: str) -> int:
    if character == "~":
        return -1
    if character.isalpha():
        return ord(character)
    return ord(character) + 256


def _compare_part(left: str, right: str) -> int:
    """Runs of non-digits by weight (the end of the text weighs zero), runs of digits by value, in turn."""
    i = j = 0
    while i < len(left) or j < len(right):
        while (i < len(left) and not left[i].isdigit()) or (j < len(right) and not right[j].isdigit()):
            one = _weight(left[i]) if i < len(left) and not left[i].isdigit() else 0
            other = _weight(right[j]) if j < len(right) and not right[j].isdigit() else 0
            if one != other:
                return one - other
            i, j = i + 1, j + 1
        start_i, start_j = i, j
        while i < len(left) and left[i].isdigit():
            i += 1
        while j < len(right) and right[j].isdigit():
            j += 1
        difference = int(left[start_i:i] or 0) - int(right[start_j:j] or 0)
        if difference:
            return difference
    return 0


def holds(version: str, operator: str, wanted: str) -> bool:
    """Whether ``version`` stands in this relation to ``wanted``. The old ``<`` and ``>`` mean ``<=`` and ``>=``."""
    if not operator:
        return True
    order = compare(version, wanted)
    return {
        "<<": order < 0,
        "<=": order <= 0,
        "<": order <= 0,
        "=": order == 0,
        ">=": order >= 0,
        ">": order >= 0,
        ">>": order > 0,
    }[operator]


def parse_relations(field: str) -> list[list[Relation]]:
    """A field such as Depends: every group has to hold, and it does if one of its alternatives does.

    What is not written as Debian writes it is left to dpkg, which refuses it with its own words.
    """
    groups = []
    for part in field.replace("\n", " ").split(","):
        group = [found for found in map(parse_relation, part.split("|")) if found]
        if group:
            groups.append(group)
    return groups


def parse_relation(alternative: str) -> Relation | None:
    """``name:architecture (>= version)``; what build dependencies have more, in ``[]`` and ``<>``, does not count here.

    By hand: compiling a regular expression would cost every computer more than reading its few relations.
    """
    head, bracket, rest = alternative.partition("(")
    inside, closed, _ = rest.partition(")")
    name, _, architecture = head.partition("[")[0].partition("<")[0].strip().partition(":")
    version = inside.lstrip(" <>=")
    operator = inside[: len(inside) - len(version)].strip()
    version = version.strip()
    if not name or " " in name or bracket != ("(" if closed else "") or bool(operator) != bool(version):
        return None
    return Relation(name, architecture, operator, version) if operator in OPERATORS else None


def named(field: str | None) -> set[str]:
    """The packages that a relation field names."""
    return {relation.name for group in parse_relations(field or "") for relation in group}


def write_relations(group: Iterable[Relation]) -> str:
    """One group as a control file has it."""
    words = []
    for relation in group:
        name = relation.name + (":" + relation.architecture if relation.architecture else "")
        words.append(f"{name} ({relation.operator} {relation.version})" if relation.operator else name)
    return " | ".join(words)


def satisfied(
    relation: Relation,
    *,
    offers: Mapping[str, Iterable[Offer]],
    provided: Mapping[str, Iterable[Offer]],
    architecture: str,
) -> bool:
    """Whether one alternative holds.

    Args:
        relation: what is needed.
        offers: real packages by name.
        provided: virtual names by what provides them.
        architecture: of the package that needs it.
    """
    for offer in offers.get(relation.name, ()):
        if _architecture_fits(relation, offer, architecture) and holds(
            offer.version, relation.operator, relation.version
        ):
            return True
    for offer in provided.get(relation.name, ()):
        fits = not relation.operator or bool(
            offer.version and holds(offer.version, relation.operator, relation.version)
        )
        if fits and _architecture_fits(relation, offer, architecture):
            return True
    return False


def _architecture_fits(relation: Relation, offer: Offer, architecture: str) -> bool:
    if relation.architecture in ("any", "native") or offer.foreign or "all" in (offer.architecture, architecture):
        return True
    return bool(offer.architecture == (relation.architecture or architecture))


def parse_provides(field: str, offer: Offer) -> dict[str, Offer]:
    """The names a package provides; a version only where it says ``(= version)``."""
    return {
        relation.name: Offer(relation.version if relation.operator == "=" else "", offer.architecture, offer.foreign)
        for group in parse_relations(field)
        for relation in group
    }


def paragraphs(content: str) -> Iterable[dict[str, str]]:
    """Control paragraphs as dicts; a field of several lines keeps its line breaks."""
    for block in content.split("\n\n"):
        fields: dict[str, str] = {}
        key = ""
        for line in block.split("\n"):
            if line[:1] in (" ", "\t"):
                if key:
                    fields[key] += "\n" + line
            elif ":" in line:
                key, value = line.split(":", 1)
                fields[key] = value.strip()
        if fields:
            yield fields


def unmet(
    metas: Iterable[Mapping[str, Any]], offers: dict[str, list[Offer]], provided: dict[str, list[Offer]]
) -> list[tuple[str, list[Relation]]]:
    """The groups of Depends and Pre-Depends of some packages that neither they nor what is there satisfy."""
    found = []
    for meta in metas:
        for group in parse_relations(", ".join(filter(None, (meta.get("pre_depends"), meta.get("depends"))))):
            if not any(
                satisfied(relation, offers=offers, provided=provided, architecture=meta["architecture"])
                for relation in group
            ):
                found.append((meta["package"], group))
    return found
