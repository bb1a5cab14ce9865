"""What is asked of systemd itself: how a unit is, which units are there, and to start one of ours.

Orders that take their time (start, stop, reload) are left to systemctl, which knows how to wait for them.
Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import os

from agent.host.bus import Bus, BusError
from agent.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple, Sequence

    class Awaited(NamedTuple):
        """A service of which systemd has not done yet what it was told."""

        unit: str
        user: bool
        """Of the user's own manager."""
        is_reloading: bool
        control: int
        """The process that starts, reloads or stops it; 0 where there is none."""
        group: str
        """Its control group, from the root of the hierarchy; empty where it has none yet."""

else:
    from agent.light.tuples import namedtuple

    Awaited = namedtuple("Awaited", "unit user is_reloading control group")

OURS = "pasang-"
"""How the names of our own units begin."""
MARK = "/run/systemd/system"
"""Source: sd_booted(3)."""
MESSAGE_BUS = "/run/dbus/system_bus_socket"
TIMEOUT_S = 60
MANAGER = ("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
STATES = ("active", "activating", "deactivating", "failed", "inactive", "maintenance", "reloading")
UNIT_PROPERTIES = ("LoadState", "ActiveState", "UnitFileState", "ActiveEnterTimestampMonotonic")
SERVICE_PROPERTIES = ("MainPID", "NRestarts", "Result")


def is_running() -> bool:
    """Whether this computer was booted by systemd."""
    return os.path.isdir(MARK)


def private_socket(*, user: bool) -> str:
    """Where the manager listens for those who may do anything: root, or for the user's own manager the user."""
    return f"/run/user/{os.geteuid()}/systemd/private" if user else "/run/systemd/private"


def is_within_reach() -> bool:
    """Whether there is a way for us to ask the system's manager."""
    return is_running() and (os.geteuid() == 0 or os.path.exists(MESSAGE_BUS))


def connect(*, user: bool = False) -> Bus:
    """A line to the system's manager, or to the user's own. Who is not root reaches the system's over the message bus.

    Raises:
        BusError: it does not answer.
    """
    if user or os.geteuid() == 0:
        return Bus(private_socket(user=user), timeout_s=TIMEOUT_S)
    return Bus(MESSAGE_BUS, timeout_s=TIMEOUT_S, service="org.freedesktop.systemd1")


def properties(unit: str, *, user: bool = False) -> dict[str, Any]:
    """``UNIT_PROPERTIES`` of a unit and, where it is a service, ``SERVICE_PROPERTIES``.

    A unit that nobody knows has a ``LoadState`` of not-found.

    Raises:
        BusError: systemd does not answer, or not about a unit of such a name.
    """
    path = path_of(unit)
    asked = [("Unit", name) for name in UNIT_PROPERTIES]
    if unit.endswith(".service"):
        asked += [("Service", name) for name in SERVICE_PROPERTIES]
    with connect(user=user) as bus:
        return {name: get(bus, path, of, name) for of, name in asked}


def file_of(unit: str) -> str:
    """The file that a unit is of; empty where there is none, or nobody tells."""
    try:
        with connect() as bus:
            return str(get(bus, path_of(unit), "Unit", "FragmentPath"))
    except BusError:
        return ""


def path_of(unit: str) -> str:
    """The name that a unit has on the bus."""
    return MANAGER[0] + "/unit/" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):02x}" for c in unit)


def ended(unit: str, *, user: bool = False) -> tuple[int, bool] | None:
    """What the main process of a service ended with, and whether that is a signal; None where it has not ended.

    Source: ExecMainCode is ``si_code`` of sigaction(2) for SIGCHLD: CLD_EXITED, CLD_KILLED, CLD_DUMPED.

    Raises:
        BusError: systemd does not answer, or not about a service of such a name.
    """
    with connect(user=user) as bus:
        code, status = (get(bus, path_of(unit), "Service", name) for name in ("ExecMainCode", "ExecMainStatus"))
    return (int(status), code != 1) if code else None


def get(bus: Bus, path: str, of: str, name: str) -> Any:
    """A property of a unit or of the manager, by its path and the interface that the property is of.

    Raises:
        BusError: as ``properties``.
    """
    return bus.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", f"org.freedesktop.systemd1.{of}", name)[0]


def units(states: Sequence[str], patterns: Sequence[str], *, user: bool = False) -> dict[str, str]:
    """The loaded units that are in one of some states and have a name of some form, with that state.

    Without a form there is none.

    Raises:
        BusError: systemd does not answer.
    """
    if not patterns:
        return {}
    with connect(user=user) as bus:
        (rows,) = bus.call(*MANAGER, "ListUnitsByPatterns", "asas", states, patterns)
    return {row[0]: row[3] for row in rows if row[3] in states}


def awaited(names: Sequence[str], *, user: bool) -> list[Awaited]:
    """The services among some names that have work waiting or going on; none where nobody tells.

    Args:
        names: words of a systemctl's command line, with or without suffix; what is no service is passed over.
        user: of the user's own manager.
    """
    found = []
    try:
        with connect(user=user) as bus:
            (jobs,) = bus.call(*MANAGER, "ListJobs")
            unit_of = {path: unit for _, unit, _, _, _, path in jobs if unit.endswith(".service")}
            for name in names if unit_of else ():
                try:
                    (path,) = bus.call(
                        *MANAGER, "GetUnit", "s", name if name.endswith(".service") else name + ".service"
                    )
                except BusError:
                    continue  # a verb, or a unit that nobody knows
                if path in unit_of:
                    state = get(bus, path, "Unit", "ActiveState")
                    control, group = get(bus, path, "Service", "ControlPID"), get(bus, path, "Service", "ControlGroup")
                    found.append(Awaited(unit_of[path], user, state == "reloading", control, group))
    except BusError:
        return []
    return found


def abandon(service: Awaited) -> None:
    """Let systemd give up what it does with a service: a reload ends, everything else ends with the service stopped."""
    try:
        with connect(user=service.user) as bus:
            if service.is_reloading:
                bus.call(*MANAGER, "KillUnit", "ssi", service.unit, "control", signal.SIGTERM)
            else:
                bus.call(*MANAGER, "StopUnit", "ss", service.unit, "replace")
    except BusError:
        return  # it has gone meanwhile; what is left of it is seen to


def kill(service: Awaited) -> None:
    """End the processes of a service that was abandoned."""
    try:
        with connect(user=service.user) as bus:
            who = "control" if service.is_reloading else "all"
            bus.call(*MANAGER, "KillUnit", "ssi", service.unit, who, signal.SIGKILL)
    except BusError:
        return  # as above


def state() -> tuple[str, int]:
    """How the computer as a whole is (starting, running, degraded, stopping …), and how many jobs are under way.

    Raises:
        BusError: systemd does not answer.
    """
    with connect() as bus:
        return str(get(bus, MANAGER[0], "Manager", "SystemState")), int(get(bus, MANAGER[0], "Manager", "NJobs"))


def stale() -> list[str]:
    """Units that systemd knows otherwise than their files now are: services, timers, sockets; none where nobody tells.

    Source: org.freedesktop.systemd1(5), NeedDaemonReload.
    """
    if not is_within_reach():
        return []
    try:
        with connect() as bus:
            forms = ("*.service", "*.timer", "*.socket", "*.path")
            (rows,) = bus.call(*MANAGER, "ListUnitsByPatterns", "asas", (), forms)
            return [row[0] for row in rows if get(bus, row[6], "Unit", "NeedDaemonReload")]
    except BusError:
        return []


def waiting_at(port: int) -> list[tuple[str, str, list[str]]]:
    """The socket units that wait for others at a port: name, the file that it is of, and the units that it starts.

    Source: org.freedesktop.systemd1(5), ``Listen`` of sockets: (Stream, [::]:80), and Triggers.

    Raises:
        BusError: systemd does not answer.
    """
    found = []
    with connect() as bus:
        (rows,) = bus.call(*MANAGER, "ListUnitsByPatterns", "asas", ("active",), ("*.socket",))
        for unit, path in ((row[0], row[6]) for row in rows):
            if any(address.rpartition(":")[2] == str(port) for _, address in get(bus, path, "Socket", "Listen")):
                file, starts = (get(bus, path, "Unit", name) for name in ("FragmentPath", "Triggers"))
                found.append((unit, file, starts))
    return found


def reload() -> None:
    """Let systemd read its units again.

    Raises:
        BusError: it does not.
    """
    with connect() as bus:
        bus.call(*MANAGER, "Reload")


def drop(unit: str) -> None:
    """Let systemd forget a unit whose file is gone, where it has read it."""
    if not is_running():
        return
    try:
        with connect() as bus:
            (path,) = bus.call(*MANAGER, "GetUnit", "s", unit)
            if not get(bus, path, "Service", "MainPID"):  # it has died, and is about to be started again
                bus.call(*MANAGER, "StopUnit", "ss", unit, "replace")
            bus.call(*MANAGER, "Reload")
            bus.call(*MANAGER, "ResetFailedUnit", "s", unit)
    except BusError:
        return  # it does not know the unit


def start_transient(unit: str, argv: Sequence[str], description: str) -> None:
    """Start a program as a service of its own, as systemd-run does: it outlives whoever asked.

    Daemons that it leaves running are not killed with it. One that is killed comes back; one that ends again and again
    stays down.

    Raises:
        BusError: systemd refuses.
    """
    wanted = [
        ("Description", ("s", description)),
        ("CollectMode", ("s", "inactive-or-failed")),
        ("KillMode", ("s", "process")),
        ("Restart", ("s", "on-failure")),
        ("RestartUSec", ("t", 2_000_000)),
        ("StartLimitIntervalUSec", ("t", 120_000_000)),
        ("StartLimitBurst", ("u", 5)),
        ("ExecStart", ("a(sasb)", [(argv[0], argv, False)])),
    ]
    with connect() as bus:
        bus.call(*MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", wanted, [])
