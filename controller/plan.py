"""Playbook × host → ``Plan``: the whole work of one computer as JSON, with the digest that approvals are bound to."""

from __future__ import annotations

import hashlib
import itertools
import json
import ntpath
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from agent.protocol import VERSION
from controller import limits
from controller.errors import PlaybookError, Problem
from controller.playbook import Playbook
from controller.playbook.load import MARKS
from controller.template import Scope, TemplateFault
from controller.text import Text
from controller.units import Template, UnitError, convert

MODES = ("check", "plan", "install", "verify", "uninstall")
ACTIONS = ("install", "run", "uninstall")
_SAME_WORK = {"check": "install", "plan": "install"}
"""Modes that look at the work of another: their plans have its digest."""
POLICY: Mapping[str, Any] = {"keep_days": 30}


class PlannedHost(Protocol):
    """What a plan needs of a host (``controller.inventory.Host`` has it)."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def variables(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def groups(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def location(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Plan:
    """What one computer is to do."""

    document: Mapping[str, Any]
    """Ready for JSON; parts are shared between hosts, so nobody changes them."""
    digest: str
    payloads: Mapping[str, Mapping[str, Any]]
    """By name: ``digest``, ``size_bytes``, ``file``, ``format``, ``meta``."""
    secrets: tuple[str, ...]
    """Every secret that stands in the document, as it stands there; sorted, longest first."""

    def lasts_s(self) -> float:
        """About how long the work takes at most, by its own limits: ``controller.limits``."""
        return limits.plan_s(self.document)

    def numbered(self, run: str, form: str) -> Plan:
        """The same plan under a run's and a form's number, which are no part of its digest."""
        return replace(self, document={**self.document, "run": run, "form": form})


def build(
    playbook: Playbook,
    host: PlannedHost,
    *,
    mode: str,
    run: str = "",
    form: str = "",
    decision: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] = POLICY,
) -> Plan:
    """The plan of one host.

    Args:
        playbook: taken in by the depot (``controller.depot.take_in``), so that its payloads are known.
        host: its variables fill the values in.
        mode: one of ``MODES``.
        run: the run's number; no part of the digest, may come later (``Plan.numbered``).
        form: the form's number; likewise.
        decision: step 9 where a person took it, as in ``docs/records.md``.
        policy: what the agent keeps and for how long.

    Raises:
        PlaybookError: a variable is unknown or does not fit; every such mistake of this host.
    """
    if mode not in MODES:
        raise ValueError(mode)
    if missing := sorted(set(playbook.payloads) - set(playbook.inspected)):
        raise ValueError(f"payloads not taken into the depot: {missing}")
    filling = _Filling(playbook, host)
    variants = [filling.variant(v) for v in playbook.variants]
    if filling.problems:
        raise PlaybookError.of(filling.problems)
    document: dict[str, Any] = {
        "protocol": VERSION,
        "mode": mode,
        "software": playbook.software,
        "location": host.location,
        "payloads": playbook.inspected,
        "variants": variants,
        "decision": decision,
        "policy": dict(policy),
    }
    digest = digest_of(document)
    document |= {"digest": digest, "run": run, "form": form}
    secrets = sorted(filling.scope.revealed, key=lambda s: (-len(s), s))
    return Plan(document, digest, playbook.inspected, tuple(secrets))


def build_all(
    playbook: Playbook,
    hosts: Iterable[PlannedHost],
    *,
    mode: str,
    decision: Mapping[str, Any] | None = None,
    policy: Mapping[str, Any] = POLICY,
) -> dict[str, Plan]:
    """The plans of all hosts by name, in their order, without numbers; either all of them or none.

    Raises:
        PlaybookError: every mistake of every host, each named once with the hosts it concerns.
    """
    plans: dict[str, Plan] = {}
    found: dict[tuple[str, Text, Text | None], list[str]] = {}
    for host in hosts:
        try:
            plans[host.name] = build(playbook, host, mode=mode, decision=decision, policy=policy)
        except PlaybookError as error:
            for problem in error.problems:
                prefix = f"{host.name}: "
                what = Text(problem.what.id.removeprefix(prefix), problem.what.en.removeprefix(prefix))
                found.setdefault((problem.where, what, problem.hint), []).append(host.name)
    if found:
        raise PlaybookError.of([_shared(where, what, hint, names) for (where, what, hint), names in found.items()])
    return plans


def _shared(where: str, what: Text, hint: Text | None, names: list[str]) -> Problem:
    shown = ", ".join(names[:3])
    more = len(names) - 3
    of = Text(f"{shown} dan {more} lainnya", f"{shown} and {more} more") if more > 0 else Text(shown, shown)
    return Problem(where, Text(f"{of.id}: {what.id}", f"{of.en}: {what.en}"), hint)


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 over a plan's canonical JSON: no ``digest``, ``run``, ``form``; keys sorted, no spaces, UTF-8.

    ``check`` and ``plan`` count as ``install``, for they show its work: an approval of what a dry run printed holds.
    """
    content = {k: v for k, v in document.items() if k not in ("digest", "run", "form")}
    content["mode"] = _SAME_WORK.get(content["mode"], content["mode"])
    canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class _Filling:
    """One host's values going into one playbook; mistakes are collected, not raised."""

    def __init__(self, playbook: Playbook, host: PlannedHost) -> None:
        self._playbook = playbook
        self._host = host
        self.problems: list[Problem] = []
        builtin = {
            "inventory_hostname": host.name,
            "group_names": list(host.groups),
            "software": dict(playbook.software),
            "location": host.location,
        }
        self.scope = Scope({**host.variables, **builtin})

    def variant(self, variant: Mapping[str, Any]) -> Mapping[str, Any]:
        """The variant with every value filled in and the payloads' room among the requirements."""
        filled: dict[str, Any] = {k: self._fill(v) for k, v in variant.items() if k not in ACTIONS and k != "configure"}
        for section in ACTIONS:
            filled[section] = [self._action(a) for a in variant[section]]
        configure = variant["configure"]
        if configure is not None:
            configure = {**self._fill(configure), "actions": [self._action(a) for a in configure["actions"]]}
        filled["configure"] = configure
        for at, action in enumerate(to_start := [*filled["install"], *filled["run"]]):
            if action["kind"] == "deb" and (later := self._starts_later(action, to_start[at + 1 :])):
                action["starts_later"] = later
        actions = [*to_start, *(configure["actions"] if configure else ())]
        room = [r for a in actions for r in self._room(a, filled["when"]["os"])]
        if room:
            requirements = dict(filled["requirements"])
            requirements["disk_free"] = [*requirements.get("disk_free", ()), *room]
            filled["requirements"] = requirements
        return filled

    def _starts_later(self, action: Mapping[str, Any], after: Sequence[Mapping[str, Any]]) -> list[str]:
        """The services that packages need not start, since the next thing that is done does so.

        Packages of one source know of each other; scripts of several may rely on a service of another one's.
        """
        metas = [self._playbook.inspected[name]["meta"] for name in action.get("payloads", ())]
        sources = {(meta.get("source") or meta["package"]).partition(" ")[0] for meta in metas}
        if action.get("packages") or len(sources) != 1:
            return []
        rest = itertools.dropwhile(lambda each: each["kind"] in ("file", "archive"), after)
        starts = itertools.takewhile(lambda each: each["kind"] == "service", rest)
        return [each["name"] for each in starts if each.get("state") == "running"]

    def _fill(self, value: Any) -> Any:
        if isinstance(value, Template):
            return self._value(value)
        if isinstance(value, dict):
            return {k: self._fill(v) for k, v in value.items()}
        return [self._fill(v) for v in value] if isinstance(value, (list, tuple)) else value

    def _action(self, action: Mapping[str, Any]) -> dict[str, Any]:
        filled = {k: self._fill(v) for k, v in action.items() if k != "template"}
        if action["kind"] == "archive":
            filled.setdefault("version", self._playbook.software["version"])
        if action["kind"] == "exe":
            filled.setdefault("maker", self._playbook.inspected[action["payload"]]["meta"].get("maker", "plain"))
        if "template" in action:
            filled["content"] = self._content(action["template"])
        return filled

    def _content(self, name: str) -> str:
        text = self._playbook.templates[name]
        if not any(mark in text for mark in MARKS):
            return text
        path = str(self._playbook.folder / name)
        try:
            return self.scope.render(text, name=path)
        except TemplateFault as fault:
            self._mistake(f"{path}:{fault.line}", fault.what, fault.hint)
            return ""

    def _value(self, template: Template) -> Any:
        where = self._playbook.where("=" + template.text)
        try:
            return convert(template.to, self.scope.render(template.text))
        except (TemplateFault, UnitError) as fault:
            self._mistake(where, fault.what, fault.hint)
            return None

    def _mistake(self, where: str, what: Text, hint: Text) -> None:
        name = self._host.name
        problem = Problem(where, Text(f"{name}: {what.id}", f"{name}: {what.en}"), hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def _room(self, action: Mapping[str, Any], system: str) -> list[dict[str, Any]]:
        """What the payloads of an action take on the disk: see "Room for payloads" in ``docs/records.md``."""
        windows = system == "windows"
        known = {
            "deb": "/usr",
            "archive": action.get("into"),
            "file": (ntpath if windows else posixpath).dirname(str(action.get("path", ""))),
        }
        room = []
        for name in [*action.get("payloads", ()), action.get("payload"), *action.get("transforms", ())]:
            if name is None:
                continue
            payload = self._playbook.inspected[name]
            room.append(
                {
                    "path": known.get(action["kind"]) or ("C:\\" if windows else "/"),
                    "at_least_bytes": 0,
                    "payload": name,
                    "digest": payload["digest"],
                    "payload_bytes": payload["size_bytes"],
                    "unpacked_bytes": payload["meta"].get("unpacked_size_bytes", payload["size_bytes"]),
                }
            )
        return room
