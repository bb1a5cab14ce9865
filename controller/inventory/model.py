"""Groups, hosts, and the variables each host ends up with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.errors import InventoryError, Problem
from controller.inventory import connection as connections
from controller.inventory.connection import Connection
from controller.inventory.secrets import Sealer, is_secret
from controller.settings import Secret
from controller.source import nearest
from controller.template import Scope, TemplateFault
from controller.text import Text

LOCATIONS = ("user", "data_center")


@dataclass(frozen=True)
class Host:
    """One computer of the inventory."""

    name: str
    variables: Mapping[str, Any] = field(repr=False)
    """All variables by Ansible's precedence; values may hold ``{{ variables }}``; secrets are ``Secret``."""
    groups: tuple[str, ...]
    """Every group it is in, ``all`` left out, sorted: Ansible's ``group_names``."""
    connection: Connection
    location: str
    """``user`` or ``data_center`` (step 2)."""

    def secrets(self) -> list[Secret]:
        """Every secret among the variables and the connection; each once."""
        found: dict[Secret, None] = {}
        _collect(self.variables, found)
        for one in (self.connection.password, self.connection.become_password):
            if one is not None:
                found[one] = None
        return [s for s in found if s.reveal()]


@dataclass(frozen=True)
class Group:
    """One group, as read; ``hosts`` are those named in the group itself, in order."""

    name: str
    hosts: tuple[str, ...]
    children: tuple[str, ...]
    parents: tuple[str, ...]
    depth: int
    """Longest way from ``all``, which is 0."""
    priority: int
    variables: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Inventory:
    """What one or more inventory files say. Hosts are put together when they are selected."""

    groups: Mapping[str, Group]
    host_groups: Mapping[str, tuple[str, ...]]
    """Every host in the order of the inventory → the groups it is in, ancestors included, in order of precedence."""
    host_variables: Mapping[str, Mapping[str, Any]] = field(repr=False)
    group_files: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Variables of ``group_vars/``."""
    host_files: Mapping[str, Mapping[str, Any]] = field(repr=False)
    """Variables of ``host_vars/``."""
    places: Mapping[str, str] = field(repr=False)
    """Host → ``file:line`` where it was first named."""
    warnings: tuple[Problem, ...]
    sealer: Sealer = field(repr=False)
    _merged: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def names(self) -> list[str]:
        """Every host's name, in the order of the inventory."""
        return list(self.host_groups)

    def members(self, group: str) -> list[str]:
        """The hosts of a group and of all below it, each once, nearest first."""
        found: dict[str, None] = {}
        waiting, seen = [group], {group}
        while waiting:
            name = waiting.pop(0)
            found.update(dict.fromkeys(self.groups[name].hosts))
            waiting += [c for c in self.groups[name].children if c not in seen]
            seen.update(self.groups[name].children)
        return list(found)

    def select(self, pattern: str = "all", *, reveal: bool = True) -> list[Host]:
        """The hosts that a pattern means, in the order of the inventory; never empty.

        Args:
            pattern: as Ansible's ``--limit``.
            reveal: False leaves ``{file: …}`` and ``{env: …}`` unread: for looking, not for connecting.

        Raises:
            InventoryError: a part of the pattern means nothing, or a host's variables cannot be used; all of them.
        """
        from controller.inventory.patterns import match

        return self.hosts(match(self, pattern), reveal=reveal)

    def hosts(self, names: Iterable[str], *, reveal: bool = True) -> list[Host]:
        """These hosts, in the order given.

        Raises:
            InventoryError: an unknown name, or variables that cannot be used; all of them.
        """
        problems: list[Problem] = []
        hosts = [self._host(name, problems, reveal=reveal) for name in names]
        if problems:
            raise InventoryError.of(problems)
        return [h for h in hosts if h is not None]

    def _host(self, name: str, problems: list[Problem], *, reveal: bool) -> Host | None:
        if name not in self.host_groups:
            near = nearest(name, self.names)
            problems.append(
                Problem(
                    "",
                    Text(f"komputer '{name}' tidak ada di inventaris", f"there is no host '{name}' in the inventory"),
                    Text(f"mungkin maksudnya {', '.join(near)}", f"perhaps you mean {', '.join(near)}")
                    if near
                    else None,
                )
            )
            return None
        own: list[Problem] = []
        variables = self._variables(name)
        variables = {k: self.sealer.seal(k, v, own, reveal=reveal) for k, v in variables.items()}
        group_names = tuple(sorted(g for g in self.host_groups[name] if g != "all"))
        filled = _fill(name, group_names, variables, own)
        connection, more = connections.resolve(filled)
        location = str(filled.get("location") or "user")
        if location not in LOCATIONS:
            own.append(
                Problem(
                    "",
                    Text(f"location '{location}' tidak dikenal", f"the location '{location}' is not known"),
                    Text("tulis user atau data_center", "write user or data_center"),
                )
            )
        place = self.places.get(name, "")
        for problem in own + more:
            what = Text(f"{name}: {problem.what.id}", f"{name}: {problem.what.en}")
            problems.append(Problem(place, what, problem.hint))
        if connection is None or own:
            return None
        return Host(name, variables, group_names, connection, location)

    def _variables(self, name: str) -> dict[str, Any]:
        """Variables by Ansible's precedence, the weakest first.

        ``all``, the other groups by depth, priority and name, ``group_vars/all``, ``group_vars/`` of the other groups,
        the host's own, ``host_vars/``.
        Source: Ansible, "Variable precedence" and DEFAULT_VARIABLE_PRECEDENCE.
        """
        groups = self.host_groups[name]
        if groups not in self._merged:
            others = [g for g in groups if g != "all"]
            merged: dict[str, Any] = {}
            for group in ("all", *others):
                merged.update(self.groups[group].variables)
            for group in ("all", *others):
                merged.update(self.group_files.get(group, {}))
            self._merged[groups] = merged
        return {**self._merged[groups], **self.host_variables.get(name, {}), **self.host_files.get(name, {})}


def _fill(name: str, groups: Sequence[str], variables: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """The variables with ``{{ … }}`` filled in where they say how to connect, where it stands, or a secret.

    A secret that was put together so is sealed in ``variables`` too.
    """
    needed = [
        k
        for k, v in variables.items()
        if isinstance(v, str) and "{{" in v and (k.startswith("ansible_") or k == "location" or is_secret(k))
    ]
    if not needed:
        return {**variables, "inventory_hostname": name}
    filled = {**variables, "inventory_hostname": name}
    scope = Scope({**filled, "inventory_hostname_short": name.split(".", 1)[0], "group_names": list(groups)})
    for key in needed:
        try:
            value = scope.value(key)
        except TemplateFault as fault:
            problems.append(Problem("", Text(f"{key}: {fault.what.id}", f"{key}: {fault.what.en}"), fault.hint))
            continue
        filled[key] = Secret(str(value)) if is_secret(key) and value is not None else value
        if is_secret(key):
            variables[key] = filled[key]
    return filled


def _collect(value: Any, found: dict[Secret, None]) -> None:
    if isinstance(value, Secret):
        found[value] = None
    elif isinstance(value, Mapping):
        for one in value.values():
            _collect(one, found)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _collect(one, found)
