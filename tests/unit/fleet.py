"""A fleet of scripted computers for the tests of runs: no socket, no sleep, a clock that only the tests move."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

from agent.protocol import MARK, decode, encode
from controller.inventory import Inventory, load
from controller.playbook import Playbook
from controller.playbook import load as load_playbook
from controller.records import Record, Store
from controller.run.opening import Order, RunResult, execute
from controller.run.recovery import resume
from controller.run.work import HostResult, HostWork, Patience
from controller.settings import Settings
from controller.transport import Options
from controller.transport.memory import Drop, End, Event, Hear, Refuse, Say, Script

CONTENT = b"halo dari kilat\n" * 40
DIGEST = "bf0d7c5c6d4a4c2b6b0f8f5b7a0e6f5f1e0b6d8f0c9d8e7f6a5b4c3d2e1f0a9b"
"""Replaced by the file's own when the playbook is written."""
PLAYBOOK = """\
pasang: 1
software: {{name: {name}, version: "1.0", publisher: Contoh, licence: MIT}}
payloads:
  isi: {{file: isi.txt, sha256: "{digest}"}}
variants:
  - when: {{os: linux}}
    install: [{{file: {{path: /opt/{name}.txt, payload: isi}}}}]
    test: [{{file: {{path: /opt/{name}.txt, contains: "{{{{ salam | default('halo') }}}}"}}}}]
"""

Talk = Generator[Event, bytes, None]
Behaviour = Callable[[dict[str, Any]], Talk]
"""What the agent does once it has the job."""


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds

    def pause(self, leave: threading.Event, seconds: float) -> None:
        self.sleep(seconds)


class Computer:
    """A scripted computer: one behaviour a contact, the last one for all that follow; it remembers the jobs it got."""

    def __init__(self, *contacts: Behaviour | Refuse) -> None:
        self.contacts = list(contacts)
        self.jobs: list[dict[str, Any]] = []
        self.received: list[bytes] = []

    def _next(self) -> Behaviour | Refuse:
        return self.contacts.pop(0) if len(self.contacts) > 1 else self.contacts[0]

    def __call__(self, command: str) -> Script:
        if isinstance(self.contacts[0], Refuse):
            refusal = self._next()
            assert isinstance(refusal, Refuse)
            yield refusal
            return
        yield Say(MARK)
        while (line := (yield Hear())) != MARK:
            if not line:
                return
        yield Hear(decode((yield Hear()))["stage"])
        self.jobs.append(decode((yield Hear())))
        behaviour = self._next()
        assert not isinstance(behaviour, Refuse)
        yield from behaviour(self.jobs[-1])


def record(seq: int, type_: str, **fields: Any) -> dict[str, Any]:
    return {"type": type_, "seq": seq, "at": f"2026-11-22T03:00:{seq % 60:02d}.000Z", "mono": float(seq), **fields}


def journal(outcome: str | None = "installed", *, steps: Sequence[int] = (4, 5, 6, 7, 9), **end: Any) -> list[Any]:
    """A run's journal; None: it does not end."""
    found = [record(1, "agent_started", protocol=1, detached=False, resumed=False)]

    def add(type_: str, **fields: Any) -> None:
        found.append(record(len(found) + 1, type_, **fields))

    add("facts", step=4, os="linux", hostname="pc")
    add("variant_chosen", step=4, index=0, when={})
    for step in steps:
        add("step_started", step=step, visit=1)
        add("step_ended", step=step, visit=1, result="ok", reason=None, seconds=0.1)
    add("detached", cpu_seconds=0.01)
    if outcome is not None:
        fields = {"step": 9, "reason": None, "rollback": None, "seconds": 1.0, "cpu_seconds": 0.05}
        add("run_ended", outcome=outcome, **{**fields, **end})
    return found


def tell(records: Sequence[dict[str, Any]], *, then: Sequence[Event] = ()) -> Behaviour:
    """Sends a journal from where the controller asks for it; ``then`` instead of the orderly end."""

    def behave(job: dict[str, Any]) -> Talk:
        for frame in records[job["from"] :]:
            yield Say(encode(frame))
        if then:
            for event in then:  # noqa: UP028 - a list has no send()
                yield event
        else:
            yield Say(encode({"answer": "end"}))
            yield End(0)

    return behave


def say(*lines: bytes, end: Event | None = None) -> Behaviour:
    """Says these lines, whatever they are."""

    def behave(job: dict[str, Any]) -> Talk:
        for line in lines:
            yield Say(line)
        yield end or End(0)

    return behave


def fault(code: str, reason: dict[str, str], **fields: Any) -> Behaviour:
    return say(encode({"answer": "fault", "code": code, "reason": reason, **fields}), encode({"answer": "end"}))


def held_by(owner: str, **fields: Any) -> Behaviour:
    """Another run holds it, since ten o'clock in Jakarta, and five minutes more at most."""
    holder = {"run": "r9.lain", "owner": owner, "host": "", "why": "work", "since": "2026-11-22T03:00:00.000Z"}
    holder |= {"since_s": None, "left_s": 300.0, **fields}
    return say(encode({"answer": "fault", "code": "busy", "holder": holder}), encode({"answer": "end"}))


def lose(records: Sequence[dict[str, Any]], after: int) -> Behaviour:
    """Sends the journal up to a record, then the line drops."""

    def behave(job: dict[str, Any]) -> Talk:
        for frame in records[job["from"] : after]:
            yield Say(encode(frame))
        yield Drop()

    return behave


class Watch:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.pushes: list[tuple[str, str, int, int]] = []
        self.results: dict[str, HostResult] = {}

    def event(self, record: Record) -> None:
        self.records.append(record)

    def asked(self, host: str) -> None:
        """Nobody needs it here."""

    def pushing(self, host: str, name: str, sent_bytes: int, size_bytes: int) -> None:
        self.pushes.append((host, name, sent_bytes, size_bytes))

    def ended(self, work: HostWork, result: HostResult) -> None:
        self.results[f"{work.host.name}/{work.software}"] = result

    def of(self, type_: str) -> list[Record]:
        return [record for record in self.records if record["type"] == type_]


class Office:
    """A fleet, its playbooks and its record, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.computers: dict[str, Computer] = {}
        self.leave = threading.Event()
        self.watch: Any = Watch()
        self.settings = Settings(
            home=folder / "home", database_url=f"sqlite:///{folder}/home/catatan.sqlite3", language="en", playbooks=()
        )

    def inventory(self, names: Sequence[str] | None = None) -> Inventory:
        hosts = "".join(f"    {name}:\n" for name in (names if names is not None else self.computers))
        text = f"all:\n  vars: {{ansible_connection: memory}}\n  hosts:\n{hosts}"
        path = self.folder / "inventory.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    def playbook(self, name: str = "kilat", *, text: str = PLAYBOOK) -> Playbook:
        import hashlib

        folder = self.folder / "playbooks" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "isi.txt").write_bytes(CONTENT)
        digest = hashlib.sha256(CONTENT).hexdigest()
        (folder / "playbook.yaml").write_text(text.format(name=name, digest=digest), encoding="utf-8")
        return load_playbook(str(folder))

    @property
    def options(self) -> Options:
        return Options(cache={"memory": self.computers, "clock": self.clock})

    @property
    def patience(self) -> Patience:
        return Patience(monotonic=self.clock.monotonic, pause=self.clock.pause)

    def run(
        self, mode: str = "install", *, playbooks: Sequence[Playbook] = (), forks: int = 50, wait_s: float = 0.0
    ) -> RunResult:
        hosts = self.inventory().select("all")
        order = Order(mode, list(playbooks) or [self.playbook()], hosts, forks, wait_s=wait_s)
        return execute(order, self.settings, self.watch, self.leave, options=self.options, patience=self.patience)

    def resume(
        self,
        run: str | None = None,
        *,
        names: Sequence[str] | None = None,
        limit: str = "all",
        stop: bool = False,
        wait_s: float = 0.0,
    ) -> list[RunResult]:
        fleet = self.inventory(names)
        return resume(
            self.settings,
            fleet,
            self.watch,
            self.leave,
            run=run,
            hosts=fleet.select(limit),
            stop=stop,
            wait_s=wait_s,
            options=self.options,
            patience=self.patience,
        )

    def store(self) -> Store:
        return Store(self.settings.database_url)


def work_on(host: Any) -> HostWork:
    """An installation on a computer."""
    return HostWork("r", host, "kilat", "FI-2026-000001", "install", "user")


def outcomes(result: RunResult) -> dict[str, str]:
    """How each computer was left."""
    return {work.host.name: found.outcome for work, found in result.results}
