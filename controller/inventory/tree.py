"""The tree of groups while inventory files are read into it."""

from __future__ import annotations

import re
from typing import Any

from controller.errors import Problem
from controller.inventory import ranges
from controller.inventory.model import Group
from controller.inventory.secrets import seal
from controller.source import Document, Map, nearest
from controller.text import Text
from controller.units import UnitError, port

HOST_LIMIT = 100_000
_SECTIONS = ("hosts", "children", "vars")
_PORT = re.compile(r"(?:(?P<name>[^:\s]+)|\[(?P<six>[0-9A-Fa-f:.]+)\]):(?P<port>[0-9]+)")


class Tree:
    """Groups, hosts and variables, file after file; mistakes are collected in ``problems``.

    ``hosts`` keeps the order in which hosts were first named, with their own variables; ``places`` says where.
    """

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems
        self.warnings: list[Problem] = []
        self.hosts: dict[str, dict[str, Any]] = {}
        self.places: dict[str, str] = {}
        self._variables: dict[str, dict[str, Any]] = {"all": {}, "ungrouped": {}}
        self._members: dict[str, dict[str, None]] = {"all": {}, "ungrouped": {}}
        self._children: dict[str, dict[str, str]] = {"all": {"ungrouped": ""}, "ungrouped": {}}
        """Group → child → ``file:line``."""

    def take(self, document: Document) -> None:
        """The groups of one file, whose root is a mapping."""
        for name, body in document.root.items():
            self._group(document, name, body, document.root.lines[name])

    def _mistake(self, document: Document, line: int, what: Text, hint: Text | None) -> None:
        self._problems.append(Problem(f"{document.path}:{line}", what, hint))

    def _add(self, name: str) -> None:
        for table in (self._variables, self._members, self._children):
            table.setdefault(name, {})

    def _group(self, document: Document, name: str, body: Any, line: int) -> None:
        self._add(name)
        if body is None:
            return
        if not isinstance(body, Map):
            self._mistake(
                document,
                line,
                Text(f"kelompok '{name}' harus berupa pemetaan", f"the group '{name}' must be a mapping"),
                Text("tulis hosts:, children: atau vars: di bawahnya", "write hosts:, children: or vars: below it"),
            )
            return
        for key, value in body.items():
            if key not in _SECTIONS:
                self._unexpected(document, name, key, body.lines[key])
                continue
            entries = self._section(document, key, value, body.lines[key])
            if entries is None:
                continue
            if key == "vars":
                self._variables[name].update({k: seal(k, v) for k, v in entries.items()})
            elif key == "children":
                for child, inner in entries.items():
                    at = entries.lines.get(child, body.lines[key])
                    self._children[name].setdefault(child, f"{document.path}:{at}")
                    self._group(document, child, inner, at)
            else:
                for pattern, variables in entries.items():
                    self._hosts(document, name, pattern, variables, entries.lines.get(pattern, body.lines[key]))

    def _unexpected(self, document: Document, group: str, key: str, line: int) -> None:
        """Ansible passes over such a key with a warning, and so do we: an inventory that works there works here."""
        near = nearest(key, _SECTIONS, 1)
        self.warnings.append(
            Problem(
                f"{document.path}:{line}",
                Text(f"'{key}' di kelompok '{group}' diabaikan", f"'{key}' in the group '{group}' is passed over"),
                Text(f"mungkin maksudnya {near[0]}", f"perhaps you mean {near[0]}")
                if near
                else Text("kelompok memuat hosts, children, vars", "a group holds hosts, children, vars"),
            )
        )

    def _section(self, document: Document, key: str, value: Any, line: int) -> Map | None:
        if value is None or isinstance(value, Map):
            return value
        if isinstance(value, str) and key != "vars":  # Ansible takes a single name so
            single = Map(line)
            single[value] = None
            return single
        example = "{nama: nilai}" if key == "vars" else "{pc01: , pc02: }"
        self._mistake(
            document,
            line,
            Text(f"{key} harus berupa pemetaan", f"{key} must be a mapping"),
            Text(
                f"tulis setiap nama dengan titik dua di belakangnya: {example}",
                f"write every name with a colon behind it: {example.replace('nama', 'name').replace('nilai', 'value')}",
            ),
        )
        return None

    def _hosts(self, document: Document, group: str, pattern: str, variables: Any, line: int) -> None:
        if variables is not None and not isinstance(variables, Map):
            self._mistake(
                document,
                line,
                Text(
                    f"variabel komputer '{pattern}' harus berupa pemetaan",
                    f"the variables of the host '{pattern}' must be a mapping",
                ),
                Text(f"tulis {pattern}: {{ansible_host: …}}", f"write {pattern}: {{ansible_host: …}}"),
            )
            return
        try:
            pattern, number = _split_port(pattern)
            names = _names(pattern)
        except UnitError as error:
            self._mistake(document, line, error.what, error.hint)
            return
        if len(self.hosts) + len(names) > HOST_LIMIT:
            self._mistake(
                document,
                line,
                Text(f"lebih dari {HOST_LIMIT} komputer", f"more than {HOST_LIMIT} hosts"),
                Text("bagi inventarisnya", "split the inventory"),
            )
            return
        own = {k: seal(k, v) for k, v in variables.items()} if variables else {}
        if number is not None:
            own.setdefault("ansible_port", number)
        place = f"{document.path}:{line}"
        for name in names:
            self._members[group][name] = None
            if name in self.hosts:
                self.hosts[name].update(own)
            else:
                self.hosts[name] = dict(own)
                self.places[name] = place

    def finish(self) -> dict[str, Group]:
        """The groups, ``all`` first; every group is below ``all``, hosts of no other group are in ``ungrouped``."""
        parents: dict[str, list[str]] = {name: [] for name in self._members}
        for name, children in self._children.items():
            for child in children:
                parents[child].append(name)
        for name in list(self._members):
            if name != "all" and not parents[name]:
                self._children["all"].setdefault(name, "")
                parents[name].append("all")
        depths = self._depths()
        grouped = {h for g, members in self._members.items() if g not in ("all", "ungrouped") for h in members}
        self._members["ungrouped"] = {h: None for h in self.hosts if h not in grouped}
        for both in sorted(set(self.hosts) & set(self._members)):
            self.warnings.append(
                Problem(
                    self.places[both],
                    Text(f"'{both}' adalah nama komputer dan nama kelompok", f"'{both}' names a host and a group"),
                    Text(
                        "ganti salah satunya; pola mengenai komputernya", "rename one of them; a pattern means the host"
                    ),
                )
            )
        return {
            name: Group(
                name=name,
                hosts=tuple(self._members[name]),
                children=tuple(self._children[name]),
                parents=tuple(parents[name]),
                depth=depths.get(name, 0),
                priority=self._priority(name),
                variables=self._variables[name],
            )
            for name in self._members
        }

    def _priority(self, name: str) -> int:
        value = self._variables[name].get("ansible_group_priority", 1)
        try:
            return int(value)
        except (TypeError, ValueError):
            self._problems.append(
                Problem(
                    "",
                    Text(
                        f"ansible_group_priority kelompok '{name}' bukan bilangan",
                        f"ansible_group_priority of the group '{name}' is not a number",
                    ),
                    Text("tulis misalnya 10", "write for example 10"),
                )
            )
            return 1

    def _depths(self) -> dict[str, int]:
        """Longest way from ``all`` to each group; a circle is a mistake."""
        waiting = dict.fromkeys(self._members, 0)
        for children in self._children.values():
            for child in children:
                waiting[child] += 1
        depths = {"all": 0}
        ready = [n for n, count in waiting.items() if count == 0]
        done = 0
        while ready:
            name = ready.pop()
            done += 1
            for child in self._children[name]:
                depths[child] = max(depths.get(child, 0), depths.get(name, 0) + 1)
                waiting[child] -= 1
                if waiting[child] == 0:
                    ready.append(child)
        if done < len(self._members):
            circle = [n for n, count in waiting.items() if count > 0]
            place = next((p for n in circle for c, p in self._children[n].items() if c in circle), "")
            names = ", ".join(sorted(circle)[:10])
            self._problems.append(
                Problem(
                    place,
                    Text(f"kelompok saling memuat: {names}", f"groups contain each other: {names}"),
                    Text("hapus salah satu children-nya", "delete one of the children"),
                )
            )
        return depths


def _names(pattern: str) -> list[str]:
    names = ranges.expand(pattern)
    if all(n and not re.search(r"[\s,/\0]", n) for n in names):
        return names
    raise UnitError(
        Text(f"'{pattern}' bukan nama komputer", f"'{pattern}' is not the name of a host"),
        Text("pakai huruf, angka, titik, dan tanda hubung", "use letters, digits, dots and hyphens"),
    )


def _split_port(pattern: str) -> tuple[str, int | None]:
    """``name:port`` and ``[address]:port`` apart; a range keeps its colons."""
    match = _PORT.fullmatch(pattern)
    if match and not (match["name"] and "[" in match["name"] and "]" not in match["name"]):
        return match["name"] or match["six"], port(match["port"])
    if pattern.startswith("[") and pattern.endswith("]") and pattern.count(":") > 1 and not ranges.has_range(pattern):
        return pattern[1:-1], None
    return pattern, None
