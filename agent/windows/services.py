"""Services as actions and probes ask for them: the service control manager, in the words that every manager has.

It counts no restarts and does not tell since when a service runs. The second is known by its process, which may have
been starting for long; by when it began to run, where we have started it; where several services share a process, by
when we saw it first. The first by ourselves: another process than before, which nobody asked us
for, is a restart.
"""

from __future__ import annotations

import ctypes
import time

from agent.actions import ActionFailed
from agent.light import json
from agent.managers import Log, Service
from agent.protocol import text
from agent.windows import registry, scm, win32
from agent.windows.start import command_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NamedTuple

    from agent.windows.host import WindowsHost as Host
    from agent.windows.scm import Config, Status

    class Process(NamedTuple):
        """A process that was asked for by its number."""

        age_s: float
        exit_code: int | None
        """None while it runs."""

else:
    from agent.light.tuples import namedtuple

    Process = namedtuple("Process", "age_s exit_code")

START_TIMEOUT_S = 180.0
"""What any of the other managers is given too."""
ACTIVE = {
    "stopped": "inactive",
    "starting": "activating",
    "stopping": "deactivating",
    "running": "active",
    "continuing": "activating",
    "pausing": "deactivating",
    "paused": "paused",
}
SETTLED = ("stopped", "running", "paused", "other")
STARTS = {
    "auto": "auto",
    "delayed": "auto",
    "manual": "demand",
    "disabled": "disabled",
    "boot": "boot",
    "system": "system",
}
"""By our word the manager's; ``delayed`` is a mark beside it."""
WITH_THE_COMPUTER = ("boot", "system", "auto", "delayed")
NEVER_STARTED, OWN_CODE, PROCESS_ABORTED = 1077, 1066, 1067
CANNOT_NOW, DEPENDENTS_RUN = 1061, 1051
NOT_TAKEN = (1052, 5)
"""It takes no such order, or not from us: then it is restarted. Source: <winerror.h>."""
PARAMETERS_CHANGED, MAY_PAUSE = 6, 0x40
QUERY_PROCESS, SYNCHRONIZE = 0x1000, 0x100000
KEY = "HKLM\\System\\CurrentControlSet\\Services\\"
VERBS = {
    "start": text("dijalankan", "be started"),
    "stop": text("dihentikan", "be stopped"),
    "set": text("diatur", "be set up"),
}


UNKNOWN = Service(False, "inactive", None, 0, 0, 0.0, "")


class Services:
    """The service control manager of this computer."""

    name = "scm"

    def __init__(self, host: Host) -> None:
        self.host = host
        self._seen: dict[str, tuple[int, float]] = {}
        """By service its process, and when we saw it first."""
        self._ran: dict[str, tuple[int, float]] = {}
        """Of those that we started their process, and when they ran."""
        self._restarts: dict[str, int] = {}

    def read(self, name: str) -> Service:
        """How it is now."""
        status, config = self._asked(name)
        if status is None or config is None:
            return UNKNOWN
        start = start_of(config)
        up = status.state == "running"
        since = self._note(name, status.pid) if up else 0.0
        age_s = None
        if up and status.kind & scm.OWN_PROCESS:
            process = process_of(status.pid)
            age_s = process.age_s if process else None
            pid, ran_at = self._ran.get(name.lower(), (0, 0.0))
            if age_s is not None and pid == status.pid:
                age_s = min(age_s, time.monotonic() - ran_at)
        failed = status.state == "stopped" and status.exit_code not in (0, NEVER_STARTED)
        return Service(
            known=True,
            active="failed" if failed else ACTIVE.get(status.state, status.state),
            enabled=start in WITH_THE_COMPUTER,
            main_pid=status.pid,
            restarts=self._restarts.get(name.lower(), 0),
            active_for_s=(time.monotonic() - since if age_s is None else age_s) if up else 0.0,
            result=code_of(status) if failed else "success",
            start=start,
        )

    def lives(self, name: str, service: Service) -> Callable[[], bool]:
        """Whether a service still runs in the process it was read with."""

        def lives() -> bool:
            status = self._asked(name)[0]
            return status is not None and (status.state, status.pid) == ("running", service.main_pid)

        return lives

    def start(self, name: str) -> dict[str, Any]:
        """Start it, and wait until it runs."""
        began = time.monotonic()
        try:
            if self._waited(name, SETTLED).state == "paused":
                scm.control(name, scm.CONTROL_CONTINUE, access=MAY_PAUSE)
            elif not scm.start(name) and self._waited(name, SETTLED).state == "stopped":
                self.stop(name)  # the manager has not noticed that its process has ended
                scm.start(name)
        except OSError as error:
            raise self._refused("start", name, error) from error
        status = self._waited(name, SETTLED)
        evidence = {"start": name, "seconds": round(time.monotonic() - began, 3), "code": status.exit_code}
        if status.state != "running":
            raise ActionFailed(self._why("start", name, status), evidence)
        self._seen.pop(name.lower(), None)
        self._ran[name.lower()] = status.pid, time.monotonic()
        return evidence

    def stop(self, name: str) -> dict[str, Any]:
        """Stop it, and wait until it has."""
        began = time.monotonic()
        deadline = began + START_TIMEOUT_S
        while True:
            try:
                scm.stop(name)
                break
            except OSError as error:
                found = self._asked(name)[0]
                if found is not None and found.state == "stopped":
                    break  # its process has ended, and the manager has not noticed
                if getattr(error, "winerror", 0) != CANNOT_NOW or time.monotonic() > deadline:
                    raise self._refused("stop", name, error) from error
                time.sleep(scm.LOOK_S)  # it is on its way up, or down
        status = self._waited(name, ("stopped",))
        evidence: dict[str, Any] = {
            "stop": name,
            "seconds": round(time.monotonic() - began, 3),
            "code": status.exit_code,
        }
        if status.state != "stopped":
            raise ActionFailed(self._why("stop", name, status), evidence)
        return evidence

    def restart(self, name: str) -> dict[str, Any]:
        """Stop and start it."""
        return {**self.stop(name), **self.start(name)}

    def reload(self, name: str) -> dict[str, Any]:
        """Tell it that its parameters have changed; one that does not take that is restarted."""
        try:
            scm.control(name, PARAMETERS_CHANGED, access=MAY_PAUSE)
        except OSError as error:
            if getattr(error, "winerror", 0) in NOT_TAKEN:
                return self.restart(name)
            raise self._refused("set", name, error) from error
        return {"reload": name}

    def set_enabled(self, name: str, enabled: bool | str) -> dict[str, Any]:
        """Let it start with the computer, or when somebody asks; or as a word of ``STARTS`` says."""
        word = enabled if isinstance(enabled, str) else "auto" if enabled else "manual"
        try:
            before = start_of(scm.config(name))
            scm.change(name, start=STARTS[word])
            if STARTS[word] == "auto" and (word == "delayed") != (before == "delayed"):
                scm.delay(name, delayed=word == "delayed")
        except OSError as error:
            raise self._refused("set", name, error) from error
        return {"start": word, "before": before}

    def path(self, name: str) -> str:  # noqa: ARG002 - of the contract
        """Services are defined in the registry: what is there of files is our own folder."""
        return self.host.root

    def render(self, name: str, definition: dict[str, Any]) -> str:  # noqa: ARG002 - of the contract
        """A definition as it can be read back.

        Raises:
            ActionFailed: it asks for what a service of Windows does not have.
        """
        for word in ("user", "directory"):
            if definition.get(word):
                reason = text(
                    f"Layanan Windows yang dibuat Pasang tidak memakai {word}.",
                    f"A Windows service that Pasang makes has no {word}.",
                )
                raise ActionFailed(reason)
        environment = definition.get("environment") or {}
        return rendered(
            command_line(definition["argv"]),
            definition.get("description") or "",
            [f"{key}={value}" for key, value in sorted(environment.items())],
        )

    def define(self, name: str, content: str) -> dict[str, Any]:
        """Make the service, or change it."""
        wanted = json.loads(content)
        try:
            if scm.config(name) is None:
                scm.create(name, wanted["command"])
            else:
                scm.change(name, command=wanted["command"])
            scm.describe(name, wanted["description"])
            if wanted["environment"]:
                registry.write(KEY + name, "Environment", "multi", wanted["environment"])
            else:
                registry.delete(KEY + name, "Environment")
        except OSError as error:
            raise self._refused("set", name, error) from error
        return {"service": name, "command": wanted["command"]}

    def definition(self, name: str) -> str | None:
        """What is defined under this name, ours or not; None where nothing is."""
        config = self._asked(name)[1]
        if config is None:
            return None
        environment = registry.read(KEY + name, "Environment")
        listed = environment.data if environment is not None and environment.type == "multi" else []
        return rendered(config.command, scm.description(name), listed)

    def defined_ago_s(self, name: str) -> float:
        """Since when its key in the registry is as it is."""
        return time.time() - registry.written_at(KEY + name)

    def undefine(self, name: str, former: str | None) -> dict[str, Any]:
        """Put the former definition back, or remove the service."""
        if former is not None:
            return self.define(name, former)
        try:
            return {"deleted": scm.delete(name)}
        except OSError as error:
            raise self._refused("set", name, error) from error

    def forget(self, names: Sequence[str]) -> dict[str, Any]:  # noqa: ARG002 - of the contract
        """Nothing stays of a service that is gone."""
        return {"gone": []}

    def log(self, name: str) -> Log:
        """Why it ended last, in Windows' own words."""
        status = self._asked(name)[0]
        if status is None or status.state == "running" or status.exit_code in (0, NEVER_STARTED):
            return Log("", "")
        words = words_of(status)
        return Log(words, words)

    def _asked(self, name: str) -> tuple[Status | None, Config | None]:
        try:
            return seen(scm.status(name)), scm.config(name)
        except OSError as error:
            reason = text(
                f"Windows tidak menjawab pertanyaan tentang layanan {name}: {error}",
                f"Windows does not answer about service {name}: {error}",
            )
            raise ActionFailed(reason) from error

    def _note(self, name: str, pid: int) -> float:
        """When we first saw a service in this process."""
        former = self._seen.get(name.lower())
        if former is None or former[0] != pid:
            if former is not None:
                self._restarts[name.lower()] = self._restarts.get(name.lower(), 0) + 1
            former = self._seen[name.lower()] = (pid, time.monotonic())
        return former[1]

    def _waited(self, name: str, states: Sequence[str]) -> Status:
        """A service in one of these states, or as it is after a long while."""
        deadline = time.monotonic() + START_TIMEOUT_S
        status = self._asked(name)[0]
        while status is not None and status.state not in states and time.monotonic() < deadline:
            time.sleep(scm.LOOK_S)
            status = self._asked(name)[0]
        if status is None:
            raise ActionFailed(text(f"Tidak ada layanan {name} di komputer ini.", f"There is no service {name} here."))
        return status

    def _refused(self, verb: str, name: str, error: OSError) -> ActionFailed:
        if isinstance(error, FileNotFoundError) and getattr(error, "winerror", None) is None:
            return ActionFailed(
                text(f"Tidak ada layanan {name} di komputer ini.", f"There is no service {name} on this computer.")
            )
        said, code = VERBS[verb], getattr(error, "winerror", None) or error.errno
        why = f"{error.strerror} ({code})"
        return ActionFailed(
            text(f"Layanan {name} tidak dapat {said['id']}: {why}", f"Service {name} could not {said['en']}: {why}"),
            {"code": code},
        )

    def _why(self, verb: str, name: str, status: Status) -> dict[str, str]:
        said, seconds = VERBS[verb], f"{START_TIMEOUT_S:.0f}"
        why = text(
            f"belum juga setelah {seconds} detik ({status.state}).",
            f"not yet after {seconds} seconds ({status.state}).",
        )
        if status.state == "stopped":
            why = text(words_of(status), words_of(status))
        return text(
            f"Layanan {name} tidak dapat {said['id']}: {why['id']}",
            f"Service {name} could not {said['en']}: {why['en']}",
        )


def seen(status: Status | None) -> Status | None:
    """How a service is, held against its process: one that has ended does not run, whatever the manager has noticed."""
    if status is None or status.state == "stopped" or not status.pid:
        return status
    process = process_of(status.pid)
    if process is None or process.exit_code is None:
        return status
    return scm.Status("stopped", 0, PROCESS_ABORTED, process.exit_code, status.kind)


def start_of(config: Config | None) -> str:
    """How a service starts, in our words."""
    if config is None:
        return ""
    if config.start == "auto" and config.delayed:
        return "delayed"
    return "manual" if config.start == "demand" else config.start


def code_of(status: Status) -> str:
    """The number with which a service ended: its own, where it has one for that."""
    return str(status.own_code if status.exit_code == OWN_CODE else status.exit_code)


def words_of(status: Status) -> str:
    """Why a service ended, as Windows says it."""
    if status.exit_code == OWN_CODE:
        return f"service-specific error {status.own_code}"
    return f"{win32.failure(status.exit_code).strerror} ({status.exit_code})"


def rendered(command: str, description: str, environment: list[str]) -> str:
    """A definition as text: the same text for the same definition."""
    return json.dumps({"command": command, "description": description, "environment": environment}, sort_keys=True)


def process_of(pid: int) -> Process | None:
    """A process by its number; None where we may not look, or nobody keeps it any more."""
    handle = win32.kernel32.OpenProcess(QUERY_PROCESS | SYNCHRONIZE, False, pid)
    if not handle:
        return None
    with win32.Handle(handle):
        times, code = [win32.FileTime() for _ in range(4)], win32.DWORD()
        if not win32.kernel32.GetProcessTimes(handle, *(ctypes.byref(each) for each in times)):
            return None
        has_ended = win32.kernel32.WaitForSingleObject(handle, 0) == win32.WAIT_OBJECT_0
        win32.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
    age_s = max(0.0, time.time() - (times[0].ticks - win32.EPOCH_TICKS) / 1e7)
    return Process(age_s, code.value if has_ended else None)
