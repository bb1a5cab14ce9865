"""The service control manager: services made, started, stopped, asked for and removed.

By name everywhere; what does not exist is None, or ``FileNotFoundError`` from what must have it. Every other refusal is
an ``OSError`` with Windows' own words and number (``winerror``).

Source: learn.microsoft.com/windows/win32/services, <winsvc.h>.
"""

from __future__ import annotations

import ctypes
import time

from agent.light.contexts import contextmanager
from agent.windows.win32 import (
    BOOL,
    DWORD,
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_MORE_DATA,
    HANDLE,
    LPCWSTR,
    LPVOID,
    LPWSTR,
    P_DWORD,
    Library,
    checked,
    failure,
    last_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, NamedTuple, Sequence

    class Status(NamedTuple):
        """How a service is at this moment."""

        state: str
        """One of ``STATES``."""
        pid: int
        """0 where it has no process."""
        exit_code: int
        """Why it ended last, or could not start; 1066 where it has a number of its own for that."""
        own_code: int
        kind: int
        """SERVICE_WIN32_OWN_PROCESS (16) and so on."""

    class Config(NamedTuple):
        """How a service is set up."""

        command: str
        """Its command line."""
        start: str
        """One of ``STARTS``."""
        delayed: bool
        account: str
        title: str
        kind: int
        depends: list[str]

    class Row(NamedTuple):
        """A service in the list of all."""

        name: str
        title: str
        status: Status
else:
    from agent.light.tuples import namedtuple

    Status = namedtuple("Status", "state pid exit_code own_code kind")
    Config = namedtuple("Config", "command start delayed account title kind depends")
    Row = namedtuple("Row", "name title status")

STATES = {
    1: "stopped",
    2: "starting",
    3: "stopping",
    4: "running",
    5: "continuing",
    6: "pausing",
    7: "paused",
}
STARTS = {0: "boot", 1: "system", 2: "auto", 3: "demand", 4: "disabled"}
OWN_PROCESS, WIN32 = 0x10, 0x30
ALL_STATES = 3
MANAGER_CONNECT, MANAGER_CREATE, MANAGER_ENUMERATE = 0x1, 0x2, 0x4
QUERY_CONFIG, CHANGE_CONFIG, QUERY_STATUS, START, STOP, DELETE, ALL_ACCESS = 0x1, 0x2, 0x4, 0x10, 0x20, 0x10000, 0xF01FF
CONTROL_STOP, CONTROL_CONTINUE = 1, 3
NO_CHANGE = 0xFFFFFFFF
DESCRIPTION, FAILURE_ACTIONS, DELAYED, FAILURE_FLAG = 1, 2, 3, 4
RESTART_ACTION = 1

DOES_NOT_EXIST, ALREADY_RUNNING, NOT_ACTIVE, MARKED_FOR_DELETE, EXISTS = 1060, 1056, 1062, 1072, 1073
"""Source: <winerror.h>, ERROR_SERVICE_…"""
LOOK_S = 0.05


class _StatusOf(ctypes.Structure):
    """SERVICE_STATUS_PROCESS."""

    _fields_ = tuple(
        (name, DWORD) for name in ("kind", "state", "accepts", "code", "own", "check", "hint", "pid", "flags")
    )


class _RowOf(ctypes.Structure):
    """ENUM_SERVICE_STATUS_PROCESSW."""

    _fields_ = (("name", LPWSTR), ("title", LPWSTR), ("status", _StatusOf))


class _ConfigOf(ctypes.Structure):
    """QUERY_SERVICE_CONFIGW."""

    _fields_ = (
        ("kind", DWORD),
        ("start", DWORD),
        ("error_control", DWORD),
        ("command", LPWSTR),
        ("group", LPWSTR),
        ("tag", DWORD),
        ("depends", LPVOID),
        ("account", LPWSTR),
        ("title", LPWSTR),
    )


class _Action(ctypes.Structure):
    """SC_ACTION."""

    _fields_ = (("kind", DWORD), ("delay_ms", DWORD))


class _Failure(ctypes.Structure):
    """SERVICE_FAILURE_ACTIONSW."""

    _fields_ = (
        ("reset_s", DWORD),
        ("message", LPWSTR),
        ("command", LPWSTR),
        ("count", DWORD),
        ("actions", ctypes.POINTER(_Action)),
    )


advapi32 = Library(
    "advapi32",
    OpenSCManagerW=(HANDLE, LPCWSTR, LPCWSTR, DWORD),
    OpenServiceW=(HANDLE, HANDLE, LPCWSTR, DWORD),
    CloseServiceHandle=(BOOL, HANDLE),
    CreateServiceW=(
        *(HANDLE, HANDLE, LPCWSTR, LPCWSTR, DWORD, DWORD, DWORD, DWORD, LPCWSTR),
        *(LPCWSTR, P_DWORD, LPVOID, LPCWSTR, LPCWSTR),
    ),
    ChangeServiceConfigW=(
        *(BOOL, HANDLE, DWORD, DWORD, DWORD, LPCWSTR, LPCWSTR, P_DWORD, LPVOID),
        *(LPCWSTR, LPCWSTR, LPCWSTR),
    ),
    ChangeServiceConfig2W=(BOOL, HANDLE, DWORD, LPVOID),
    ControlService=(BOOL, HANDLE, DWORD, LPVOID),
    DeleteService=(BOOL, HANDLE),
    EnumServicesStatusExW=(
        *(BOOL, HANDLE, DWORD, DWORD, DWORD, LPVOID, DWORD, P_DWORD),
        *(P_DWORD, P_DWORD, LPCWSTR),
    ),
    QueryServiceConfigW=(BOOL, HANDLE, LPVOID, DWORD, P_DWORD),
    QueryServiceConfig2W=(BOOL, HANDLE, DWORD, LPVOID, DWORD, P_DWORD),
    QueryServiceStatusEx=(BOOL, HANDLE, DWORD, LPVOID, DWORD, P_DWORD),
    StartServiceW=(BOOL, HANDLE, DWORD, LPVOID),
)


@contextmanager
def manager(access: int = MANAGER_CONNECT) -> Iterator[int]:
    """The manager of this computer."""
    handle = checked(advapi32.OpenSCManagerW(None, None, access))
    try:
        yield handle
    finally:
        advapi32.CloseServiceHandle(handle)


@contextmanager
def opened(name: str, access: int) -> Iterator[int]:
    """A service.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    with manager() as scm:
        handle = advapi32.OpenServiceW(scm, name, access)
        if not handle:
            code = last_error()
            raise FileNotFoundError(2, failure(code).strerror, name) if code == DOES_NOT_EXIST else failure(code, name)
        try:
            yield handle
        finally:
            advapi32.CloseServiceHandle(handle)


def create(
    name: str,
    command: str,
    *,
    title: str | None = None,
    start: str = "demand",
    account: str | None = None,
    password: str | None = None,
    depends: Sequence[str] = (),
) -> None:
    """Make a service with a process of its own.

    Args:
        name: its key.
        command: its command line; a path with spaces stands in quotes.
        title: as people see it.
        start: one of ``STARTS``.
        account: as whom it runs; None: LocalSystem.
        password: of the account, where it has one.
        depends: services that are started before it.

    Raises:
        FileExistsError: there is one of this name.
    """
    numbers = {word: number for number, word in STARTS.items()}
    with manager(MANAGER_CONNECT | MANAGER_CREATE) as scm:
        handle = advapi32.CreateServiceW(
            scm, name, title or name, ALL_ACCESS, OWN_PROCESS, numbers[start], 1, command,
            None, None, _listed(depends), account, password,
        )  # fmt: skip
        if not handle:
            code = last_error()
            raise FileExistsError(17, failure(code).strerror, name) if code == EXISTS else failure(code, name)
        advapi32.CloseServiceHandle(handle)


def change(
    name: str,
    *,
    command: str | None = None,
    title: str | None = None,
    start: str | None = None,
    account: str | None = None,
    password: str | None = None,
    depends: Sequence[str] | None = None,
) -> None:
    """Change what is named of a service; the rest stays.

    Raises:
        FileNotFoundError: there is none of this name.
    """
    numbers = {word: number for number, word in STARTS.items()}
    number = NO_CHANGE if start is None else numbers[start]
    listed = None if depends is None else _listed(depends) or ctypes.create_unicode_buffer("", 2)
    with opened(name, CHANGE_CONFIG) as service:
        done = advapi32.ChangeServiceConfigW(
            service, NO_CHANGE, number, NO_CHANGE, command, None, None, listed, account, password, title
        )
        checked(done, name)


def describe(name: str, words: str) -> None:
    """Give a service its description."""
    _change2(name, DESCRIPTION, ctypes.byref(LPWSTR(words)))


def delay(name: str, *, delayed: bool) -> None:
    """Let a service that starts with the computer do so some time after the others, or not."""
    _change2(name, DELAYED, ctypes.byref(BOOL(delayed)))


def restart_after_failure(name: str, *, delays_s: Sequence[float], reset_s: int) -> None:
    """Let a service be started again when its process ends without having said that it stopped.

    Args:
        name: the service.
        delays_s: how long after the first time, the second … ; the last counts for all that follow.
        reset_s: after so long without a failure it is counted from the first again.
    """
    actions = (_Action * len(delays_s))(*(_Action(RESTART_ACTION, int(1000 * delay_s)) for delay_s in delays_s))
    _change2(
        name,
        FAILURE_ACTIONS,
        ctypes.byref(_Failure(reset_s, None, None, len(delays_s), actions)),
        access=CHANGE_CONFIG | START,
    )


def _change2(name: str, level: int, content: Any, *, access: int = CHANGE_CONFIG) -> None:
    with opened(name, access) as service:
        checked(advapi32.ChangeServiceConfig2W(service, level, content), name)


def _listed(names: Sequence[str]) -> Any:
    """Names as Windows takes several: each ended by a zero, all of them by another."""
    return ctypes.create_unicode_buffer("\0".join(names) + "\0") if names else None


def delete(name: str) -> bool:
    """Remove a service: at once, or when it has stopped and nobody has it open; False where there was none."""
    try:
        with opened(name, DELETE) as service:
            if not advapi32.DeleteService(service) and last_error() != MARKED_FOR_DELETE:
                raise failure(path=name)
    except FileNotFoundError:
        return False
    return True


def start(name: str, *arguments: str) -> bool:
    """Tell a service to start; False where it runs already. That it was told is not that it runs.

    Raises:
        FileNotFoundError: there is none of this name.
        OSError: it cannot be started (its program, its account, what it depends on).
    """
    words = (LPCWSTR * len(arguments))(*arguments) if arguments else None
    with opened(name, START) as service:
        if advapi32.StartServiceW(service, len(arguments), words):
            return True
        if last_error() == ALREADY_RUNNING:
            return False
        raise failure(path=name)


def stop(name: str) -> bool:
    """Tell a service to stop; False where it does not run. That it was told is not that it has stopped.

    Raises:
        FileNotFoundError: there is none of this name.
        OSError: it does not take that.
    """
    with opened(name, STOP) as service:
        if advapi32.ControlService(service, CONTROL_STOP, ctypes.byref(_StatusOf())):
            return True
        if last_error() == NOT_ACTIVE:
            return False
        raise failure(path=name)


def control(name: str, order: int, *, access: int) -> None:
    """Give a service an order of another kind.

    Args:
        name: the service.
        order: its number, SERVICE_CONTROL_…
        access: the right to give it.

    Raises:
        FileNotFoundError: there is none of this name.
        OSError: it does not take that.
    """
    with opened(name, access) as service:
        checked(advapi32.ControlService(service, order, ctypes.byref(_StatusOf())), name)


def status(name: str) -> Status | None:
    """How a service is now; None where there is none of this name."""
    found, needed = _StatusOf(), DWORD()
    try:
        with opened(name, QUERY_STATUS) as service:
            size = ctypes.sizeof(found)
            checked(advapi32.QueryServiceStatusEx(service, 0, ctypes.byref(found), size, ctypes.byref(needed)), name)
    except FileNotFoundError:
        return None
    return _status_of(found)


def _status_of(found: Any) -> Status:
    return Status(STATES.get(found.state, "other"), found.pid, found.code, found.own, found.kind)


def wait(name: str, states: Sequence[str], timeout_s: float) -> Status | None:
    """Wait until a service is in one of these states; how it is then, or was at the end of that time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = status(name)
        if found is None or found.state in states or time.monotonic() >= deadline:
            return found
        time.sleep(LOOK_S)


def config(name: str) -> Config | None:
    """How a service is set up; None where there is none of this name."""
    try:
        with opened(name, QUERY_CONFIG) as service:
            data = _sized(lambda *room: advapi32.QueryServiceConfigW(service, *room), name)
            row = _ConfigOf.from_buffer(data)
            late = DWORD()
            size = ctypes.sizeof(late)
            said = advapi32.QueryServiceConfig2W(service, DELAYED, ctypes.byref(late), size, ctypes.byref(DWORD()))
            depends = _names_at(row.depends)
            return Config(
                row.command or "",
                STARTS.get(row.start, "other"),
                bool(said and late.value),
                row.account or "",
                row.title or "",
                row.kind,
                depends,
            )
    except FileNotFoundError:
        return None


def description(name: str) -> str:
    """A service's description; empty where it has none."""
    with opened(name, QUERY_CONFIG) as service:
        data = _sized(lambda *room: advapi32.QueryServiceConfig2W(service, DESCRIPTION, *room), name)
        return LPWSTR.from_buffer(data).value or ""


def services(kind: int = WIN32) -> list[Row]:
    """All services, with how they are now.

    Args:
        kind: which; by default those that are programs, not drivers.
    """
    found: list[Row] = []
    with manager(MANAGER_CONNECT | MANAGER_ENUMERATE) as scm:
        count, resume = DWORD(), DWORD()
        while True:
            needed, data = DWORD(), (ctypes.c_char * 65536)()
            done = advapi32.EnumServicesStatusExW(
                scm, 0, kind, ALL_STATES, data, len(data), ctypes.byref(needed), ctypes.byref(count),
                ctypes.byref(resume), None,
            )  # fmt: skip
            if not done and last_error() != ERROR_MORE_DATA:
                raise failure()
            rows = (_RowOf * count.value).from_buffer(data)
            found += [Row(row.name, row.title or "", _status_of(row.status)) for row in rows]
            if done or not count.value:
                return found


def _sized(ask: Any, name: str) -> Any:
    """What a function writes that says how much room it needs."""
    needed = DWORD()
    data = (ctypes.c_char * 4096)()
    while not ask(ctypes.byref(data), len(data), ctypes.byref(needed)):
        if last_error() != ERROR_INSUFFICIENT_BUFFER or needed.value <= len(data):
            raise failure(path=name)
        data = (ctypes.c_char * needed.value)()
    return data


def _names_at(place: int | None) -> list[str]:
    """Names as Windows gives several: each ended by a zero, all of them by another."""
    found: list[str] = []
    while place:
        name = ctypes.wstring_at(place)
        if not name:
            break
        found.append(name)
        place += 2 * (len(name.encode("utf-16-le", "surrogatepass")) // 2 + 1)
    return found
