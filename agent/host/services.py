"""Service managers: systemd, the user's own systemd, and plain processes of ours where there is neither."""

from __future__ import annotations

import os
import time

from agent.actions import ActionFailed, how_stopped
from agent.host import systemd
from agent.host.bus import BusError
from agent.light import json
from agent.managers import UP, Log, Service
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.host.linux import LinuxHost as Host
    from agent.managers import Services
    from agent.program import Result

START_TIMEOUT_S = 180
ENABLED = {
    "enabled": True,
    "enabled-runtime": True,
    "linked": False,
    "linked-runtime": False,
    "disabled": False,
    "masked": False,
    "masked-runtime": False,
}
"""systemctl(1), is-enabled: every other word (static, indirect, alias, generated, …) cannot be switched."""


def services_of(host: Host) -> Services:
    """The manager of this computer and user."""
    if systemd.is_running() and host.is_administrator:
        return Systemd(host, user=False)
    from agent.host.keeper import Keeper

    is_own = systemd.is_running() and os.path.exists(systemd.private_socket(user=True))
    own = Systemd(host, user=True) if is_own else Keeper(host)
    return OfUser(own, Systemd(host, user=False)) if systemd.is_within_reach() else own


class Systemd:
    """systemd: the computer's own, or that of the user the agent runs as."""

    def __init__(self, host: Host, *, user: bool) -> None:
        self.host = host
        self.user = user
        self.name = "systemd --user" if user else "systemd"
        self.folder = os.path.expanduser("~/.config/systemd/user") if user else "/etc/systemd/system"

    def read(self, name: str) -> Service:
        """All that is asked of a service."""
        try:
            found = systemd.properties(unit(name), user=self.user)
        except BusError as error:
            reason = text(
                f"systemd tidak menjawab pertanyaan tentang layanan {name}: {error}",
                f"systemd does not answer about {name}: {error}",
            )
            raise ActionFailed(reason) from error
        entered_us = found["ActiveEnterTimestampMonotonic"]
        active = found["ActiveState"]
        up = active in UP and entered_us
        return Service(
            known=found["LoadState"] not in ("not-found", "masked"),
            active=active,
            enabled=ENABLED.get(found["UnitFileState"]),
            main_pid=found.get("MainPID", 0),
            restarts=found.get("NRestarts", 0),
            active_for_s=max(0.0, time.clock_gettime(time.CLOCK_MONOTONIC) - entered_us / 1e6) if up else 0.0,
            result=found.get("Result", ""),
            masked=found["LoadState"] == "masked",
        )

    def ended(self, name: str) -> tuple[int, bool] | None:
        """The exit code or the signal (True) that its main process ended with; None where it has not, or none tells."""
        try:
            return systemd.ended(unit(name), user=self.user)
        except BusError:
            return None

    def start(self, name: str) -> dict[str, Any]:
        """Start, and wait until systemd calls it started."""
        return self._order("start", name)

    def stop(self, name: str) -> dict[str, Any]:
        """Stop, and wait until it is."""
        return self._order("stop", name)

    def restart(self, name: str) -> dict[str, Any]:
        """Restart; start where it does not run."""
        return self._order("restart", name)

    def reload(self, name: str) -> dict[str, Any]:
        """Let it read its configuration again; restarted where it cannot."""
        return self._order("reload-or-restart", name)

    def set_enabled(self, name: str, enabled: bool | str) -> dict[str, Any]:
        """Let it start with the computer, or not."""
        return self._order("enable" if enabled else "disable", name)

    def path(self, name: str) -> str:
        """Where a unit written by us stands."""
        return os.path.join(self.folder, unit(name))

    def render(self, name: str, definition: dict[str, Any]) -> str:
        """A definition as a unit.

        Source: systemd.service(5), systemd.exec(5); quoting after systemd.syntax(7) and systemd.service(5).
        """
        from agent import files

        lines = ["[Unit]", "Description=" + one_line(definition.get("description") or name)]
        if not self.user:
            lines += ["After=network-online.target", "Wants=network-online.target"]
        lines += ["", "[Service]", "Type=exec"]
        lines.append("ExecStart=" + " ".join(quoted(files.expand(word)) for word in definition["argv"]))
        if definition.get("directory"):
            lines.append("WorkingDirectory=" + files.expand(definition["directory"]).replace("%", "%%"))
        for key, value in sorted((definition.get("environment") or {}).items()):
            lines.append("Environment=" + quoted(f"{key}={files.expand(str(value))}", command=False))
        if definition.get("user") and not self.user:
            lines.append("User=" + one_line(definition["user"]))
        lines += ["Restart=on-failure", "RestartSec=1"]
        lines += ["", "[Install]", "WantedBy=" + ("default.target" if self.user else "multi-user.target"), ""]
        return "\n".join(lines)

    def define(self, name: str, content: str) -> dict[str, Any]:
        """Write the unit and let systemd read it."""
        import io

        from agent import files

        path = self.path(name)
        files.make_parents(path)
        files.write(path, io.BytesIO(content.encode()), mode=0o644)
        return dict(self._systemctl("daemon-reload").evidence(), unit=path)

    def definition(self, name: str) -> str | None:
        """The unit at our place, ours or not; None where there is none there."""
        return read_text(self.path(name))

    def defined_ago_s(self, name: str) -> float:
        """How long ago the unit at our place was written."""
        return time.time() - os.stat(self.path(name)).st_mtime

    def undefine(self, name: str, former: str | None) -> dict[str, Any]:
        """Put the former unit back, or remove ours."""
        if former is not None:
            return self.define(name, former)
        path = self.path(name)
        if os.path.lexists(path):
            os.unlink(path)
        return self.forget([name])

    def forget(self, names: Sequence[str]) -> dict[str, Any]:
        """Let systemd drop services whose units are gone: what still runs is stopped, what dangles is removed.

        A template stands for all that were made from it.
        """
        self._systemctl("daemon-reload")
        plain = [name for name in names if "@." not in name]
        plain += systemd.units(systemd.STATES, [n.replace("@.", "@*.") for n in names if "@." in n], user=self.user)
        gone = [unit(name) for name in plain if not self.read(name).known]
        if not gone:
            return {"gone": []}
        self._systemctl("stop", "--", *gone)
        self._systemctl("reset-failed", "--", *gone)
        removed = remove_dangling(self.folder, gone)
        if removed:
            self._systemctl("daemon-reload")
        return {"gone": gone, "removed": removed}

    def log(self, name: str) -> Log:
        """The last lines of the journal about it."""
        which = "--user-unit" if self.user else "--unit"
        argv = ["journalctl", which, unit(name), "--lines=20", "--no-pager", "--quiet"]
        argv += ["--output=json", "--output-fields=MESSAGE,_PID,SYSLOG_IDENTIFIER"]
        try:
            if not self.user:  # what it said last may still be on its way
                self.host.run(["journalctl", "--sync"], timeout_s=5)
            done = self.host.run(argv, timeout_s=15, environment=self._environment())
        except OSError as error:
            return Log(str(error), "")
        rows = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
        rows = [row for row in rows if isinstance(row.get("MESSAGE"), str)]  # else bytes that are no text
        text_ = "\n".join(row["MESSAGE"] for row in rows)
        manager = ("SYSLOG_IDENTIFIER", "systemd") if self.user else ("_PID", "1")
        own = "\n".join(row["MESSAGE"] for row in rows if row.get(manager[0]) != manager[1])
        secrets = self.host.secrets
        return Log(secrets.tail(text_, 2000), secrets.text(own).rpartition("\n")[2][:200])

    def _order(self, verb: str, name: str) -> dict[str, Any]:
        done = self._systemctl(verb, "--quiet", "--", unit(name))
        if done.ok:
            return done.evidence()
        service = self.read(name)
        if service.result == "start-limit-hit":  # our own restarts count as if it had crashed so often
            self._systemctl("reset-failed", "--", unit(name))
            done = self._systemctl(verb, "--quiet", "--", unit(name))
            if done.ok:
                return done.evidence()
            service = self.read(name)
        evidence = dict(done.evidence(), log=self.log(name).text, active=service.active, result=service.result)
        raise ActionFailed(refusal(verb, name, service, done), evidence)

    def _environment(self) -> dict[str, str]:
        return {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"} if self.user else {}

    def _systemctl(self, *words: str) -> Result:
        argv = ["systemctl", "--user", *words] if self.user else ["systemctl", *words]
        return self.host.run(argv, timeout_s=START_TIMEOUT_S, environment=self._environment())


class OfUser:
    """A user's own manager, and for services that it does not know the system's: there a user may look.

    Orders go there too; whether they are obeyed, systemd decides (polkit).
    """

    def __init__(self, own: Services, system: Services) -> None:
        self.own = own
        self.system = system
        self.name = own.name

    def of(self, name: str) -> Services:
        """The manager that knows a service; the user's own where neither does, or the system's does not answer."""
        if self.own.read(name).known:
            return self.own
        try:
            found = self.system.read(name)
        except ActionFailed:
            return self.own
        return self.system if found.known or found.masked else self.own

    def read(self, name: str) -> Service:
        """How it is, whose ever it is."""
        return self.of(name).read(name)

    def start(self, name: str) -> dict[str, Any]:
        """Start it."""
        return self.of(name).start(name)

    def stop(self, name: str) -> dict[str, Any]:
        """Stop it."""
        return self.of(name).stop(name)

    def restart(self, name: str) -> dict[str, Any]:
        """Stop and start it."""
        return self.of(name).restart(name)

    def reload(self, name: str) -> dict[str, Any]:
        """Let it read its configuration again."""
        return self.of(name).reload(name)

    def set_enabled(self, name: str, enabled: bool | str) -> dict[str, Any]:
        """Let it start with the computer, or not."""
        return self.of(name).set_enabled(name, enabled)

    def log(self, name: str) -> Log:
        """The end of what it and its manager said."""
        return self.of(name).log(name)

    def __getattr__(self, verb: str) -> Any:
        """Definitions are the user's own always."""
        return getattr(self.own, verb)


VERBS = {
    "start": text("dijalankan", "be started"),
    "stop": text("dihentikan", "be stopped"),
    "restart": text("dijalankan ulang", "be restarted"),
    "reload-or-restart": text("dimuat ulang", "be reloaded"),
    "enable": text("diaktifkan saat komputer menyala", "be enabled"),
    "disable": text("dinonaktifkan", "be disabled"),
}


def refusal(verb: str, name: str, service: Service, done: Result) -> dict[str, str]:
    """Why systemd did not do it."""
    if service.masked:
        return text(
            f"Layanan {name} ditutup (masked) oleh administrator komputer ini.",
            f"Service {name} is masked by this computer's administrator.",
        )
    if not service.known:
        return text(f"Tidak ada layanan {name} di komputer ini.", f"There is no service {name} on this computer.")
    said = VERBS[verb]
    if done.stopped is not None:
        how = how_stopped(done.stopped, done.seconds)
        return text(
            f"Layanan {name} tidak dapat {said['id']}: {how['id']}.",
            f"Service {name} could not {said['en']}: it {how['en']}.",
        )
    if service.result == "timeout":
        return text(
            f"Layanan {name} tidak dapat {said['id']}: tidak siap dalam waktu yang diberikan.",
            f"Service {name} could not {said['en']}: it was not ready in time.",
        )
    why = service.result if service.result not in ("", "success") else done.said[:200]
    return text(f"Layanan {name} tidak dapat {said['id']}: {why}.", f"Service {name} could not {said['en']}: {why}.")


def unit(name: str) -> str:
    """The unit's full name."""
    known = (".service", ".socket", ".timer", ".path", ".target", ".mount", ".slice")
    return name if name.endswith(known) else name + ".service"


def one_line(value: str) -> str:
    """A value without what would end its line or be replaced by systemd."""
    return " ".join(value.split()).replace("%", "%%")


def quoted(word: str, *, command: bool = True) -> str:
    """A word for ExecStart (``command``) or Environment, so that systemd takes every character of it as it is."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t"), ("%", "%%")):
        word = word.replace(plain, escaped)
    if command:
        word = word.replace("$", "$$")
    return f'"{word}"'


def read_text(path: str) -> str | None:
    """A file's text; None where there is no file."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove_dangling(folder: str, units: Sequence[str]) -> list[str]:
    """Remove the links by which units that are gone were enabled."""
    removed = []
    with os.scandir(folder) as entries:
        wants = [entry.path for entry in entries if entry.name.endswith((".wants", ".requires"))]
    for parent in wants:
        for name in units:
            path = os.path.join(parent, name)
            if os.path.islink(path) and not os.path.exists(path):
                os.unlink(path)
                removed.append(path)
    return removed
