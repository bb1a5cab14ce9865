"""Services without a service manager: plain processes of ours, each known by its definition and its number.

Under ``services/`` of the agent's folder: ``<name>.json`` the definition, ``<name>.pid`` which process it is (its
number, when it began, in which boot of the computer), ``<name>.log`` what it prints. Nobody starts them with the
computer.
"""

from __future__ import annotations

import os
import time

from agent import files
from agent.actions import ActionFailed
from agent.host.processes import age_s, process_of
from agent.host.services import read_text
from agent.host.start import UMASK
from agent.light import json, signal
from agent.managers import Log, Service
from agent.protocol import text
from agent.stopping import held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.host.linux import LinuxHost as Host

TERM_S = 10.0
"""How long a process may take to end by itself."""
LOG_LIMIT_BYTES = 4 * 1024 * 1024


class Keeper:
    """Starts and stops processes that are defined by us, and knows no others."""

    name = "processes"

    def __init__(self, host: Host) -> None:
        self.host = host
        self.folder = os.path.join(host.root, "services")

    def read(self, name: str) -> Service:
        """Whether the process that was started is still the same one."""
        known = os.path.exists(self.path(name))
        mark = self._mark(name)
        pid = alive(mark) if mark else 0
        if pid:
            return Service(known, "active", None, pid, 0, running_for_s(pid), "success")
        state = "failed" if mark else "inactive"
        return Service(known, state, None, 0, 0, 0.0, "exit-code" if mark else "success")

    def start(self, name: str) -> dict[str, Any]:
        """Start, unless it runs."""
        mark = self._mark(name)
        if mark and alive(mark):
            return {"pid": mark["pid"]}
        content = read_text(self.path(name))
        if content is None:
            raise ActionFailed(
                text(
                    f"Tidak ada layanan {name} di komputer ini, dan tidak ada pengelola layanan (systemd).",
                    f"There is no service {name} on this computer, and no service manager (systemd).",
                )
            )
        definition = json.loads(content)
        from agent.host.linux import boot_id

        try:
            with held():  # a process that nobody could find again must not be
                pid = launch(definition, self._path(name, "log"))
                mark = {"pid": pid, "began": began(pid), "boot": boot_id()}
                write_text(self._path(name, "pid"), json.dumps(mark))
        except OSError as error:
            what = os.strerror(error.errno) if error.errno else str(error)
            raise ActionFailed(
                text(
                    f"Layanan {name} tidak dapat dijalankan: {what}.", f"Service {name} could not be started: {what}."
                ),
                {"argv": definition["argv"], "error": str(error)},
            ) from error
        return {"argv": definition["argv"], "pid": pid}

    def stop(self, name: str) -> dict[str, Any]:
        """Ask the process and all it started to end; after a while they are ended."""
        mark = self._mark(name)
        pid = alive(mark) if mark else 0
        if pid:
            deadline = time.monotonic() + TERM_S
            signal_group(pid, signal.SIGTERM)
            while mark and alive(mark) and time.monotonic() < deadline:
                time.sleep(0.02)
            signal_group(pid, signal.SIGKILL)
            while mark and alive(mark):
                time.sleep(0.02)
        if mark:
            os.unlink(self._path(name, "pid"))
        return {"pid": pid}

    def restart(self, name: str) -> dict[str, Any]:
        """Stop, then start."""
        return {"stopped": self.stop(name)["pid"], **self.start(name)}

    def reload(self, name: str) -> dict[str, Any]:
        """A plain process knows no reload: restarted."""
        return self.restart(name)

    def set_enabled(self, name: str, enabled: bool | str) -> dict[str, Any]:
        """Nobody here starts anything with the computer."""
        if not enabled:
            return {}
        raise ActionFailed(
            text(
                f"Layanan {name} tidak dapat dijalankan otomatis: tidak ada systemd untuk pengguna ini.",
                f"Service {name} cannot start with the computer: there is no systemd for this user.",
            )
        )

    def path(self, name: str) -> str:
        """Where the definition is kept."""
        return self._path(name, "json")

    def render(self, name: str, definition: dict[str, Any]) -> str:
        """A definition as it is kept."""
        user = definition.get("user")
        if user:
            import pwd

            if pwd.getpwuid(os.geteuid()).pw_name != user:
                raise ActionFailed(
                    text(
                        f"Layanan {name} tidak dapat berjalan sebagai {user} tanpa systemd.",
                        f"Service {name} cannot run as {user} without systemd.",
                    )
                )
        kept = {
            "argv": [files.expand(word) for word in definition["argv"]],
            "environment": {
                key: files.expand(str(value)) for key, value in (definition.get("environment") or {}).items()
            },
            "directory": files.expand(definition.get("directory") or "/"),
            "description": definition.get("description") or name,
        }
        return json.dumps(kept, sort_keys=True) + "\n"

    def define(self, name: str, content: str) -> dict[str, Any]:
        """Keep the definition."""
        files.make_folder(self.folder)
        write_text(self.path(name), content)
        return {"definition": self.path(name)}

    def definition(self, name: str) -> str | None:
        """The definition that is kept."""
        return read_text(self.path(name))

    def defined_ago_s(self, name: str) -> float:
        """How long ago the definition was written."""
        return time.time() - os.stat(self.path(name)).st_mtime

    def undefine(self, name: str, former: str | None) -> dict[str, Any]:
        """Put the former definition back, or forget the service."""
        return self.define(name, former) if former is not None else self.forget([name])

    def forget(self, names: Sequence[str]) -> dict[str, Any]:
        """Stop services and remove all that is kept of them."""
        for name in names:
            self.stop(name)
            for suffix in ("json", "log"):
                files.remove(self._path(name, suffix))
        files.remove_empty([self.folder])
        return {"gone": list(names)}

    def log(self, name: str) -> Log:
        """The end of what it printed."""
        content = self.host.secrets.tail((read_text(self._path(name, "log")) or "").strip(), 2000)
        return Log(content, content.rpartition("\n")[2][:200])

    def _path(self, name: str, suffix: str) -> str:
        base = name[: -len(".service")] if name.endswith(".service") else name
        return os.path.join(self.folder, f"{base.replace('/', '-')}.{suffix}")

    def _mark(self, name: str) -> dict[str, Any] | None:
        content = read_text(self._path(name, "pid"))
        return json.loads(content) if content else None


def write_text(path: str, content: str) -> None:
    """Put a small file in place, for its owner only."""
    import io

    files.write(path, io.BytesIO(content.encode()), mode=0o600)


def launch(definition: dict[str, Any], log: str) -> int:
    """Start a process that outlives us, in a session of its own, and return its number.

    Raises:
        OSError: the program or its folder is not there, or may not be used.
    """
    if os.path.exists(log) and os.path.getsize(log) > LOG_LIMIT_BYTES:
        os.replace(log, log + ".1")
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    reader, writer = os.pipe()
    try:
        child = os.fork()
        if child == 0:
            become(definition, output, writer)
        os.close(writer)
        writer = -1
        os.waitpid(child, 0)
        said = b""
        while True:
            chunk = os.read(reader, 4096)
            if not chunk:
                break
            said += chunk
    finally:
        os.close(output)
        os.close(reader)
        if writer != -1:
            os.close(writer)
    number, _, trouble = said.decode().partition("\n")
    if trouble:
        raise OSError(int(trouble), os.strerror(int(trouble)))
    return int(number)


def become(definition: dict[str, Any], output: int, writer: int) -> None:
    """In the child: leave a grandchild behind that is nobody's child, and let it be the program. Does not return."""
    try:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        os.write(writer, b"%d\n" % os.getpid())
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.umask(UMASK)
        os.chdir(definition["directory"])
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": os.path.expanduser("~"),
            "LANG": "C.UTF-8",
            **definition["environment"],
        }
        os.execvpe(definition["argv"][0], definition["argv"], environment)  # noqa: S606 - by argv, as it was defined
    except OSError as error:
        os.write(writer, b"%d" % (error.errno or 1))
    finally:
        os._exit(127)


def began(pid: int) -> int:
    """When a process began, in clock ticks after boot; 0 where it is gone."""
    process = process_of(pid)
    return int(process.started) if process else 0


def alive(mark: dict[str, Any]) -> int:
    """The number of the process that is meant, where it still runs; else 0."""
    from agent.host.linux import boot_id

    return int(mark["pid"]) if began(mark["pid"]) == mark["began"] and mark["boot"] == boot_id() else 0


def running_for_s(pid: int) -> float:
    """For how long a process has been running."""
    process = process_of(pid)
    return (age_s(process) or 0.0) if process else 0.0


def signal_group(pid: int, number: int) -> None:
    """Signal a process and its whole group; nothing where it is gone."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return
