"""The agent as a service: the service manager starts it, and knows when it ends.

The work is in Python's main thread, where orders are heard; the service manager's calls come in threads of its own. A
service that ends without having said so has failed, and is started again (Windows; Wine has no such actions).

Source: StartServiceCtrlDispatcherW, RegisterServiceCtrlHandlerExW, SetServiceStatus, ServiceMain.
"""

from __future__ import annotations

import ctypes
import os
import sys

from agent.windows import win32
from agent.windows.scm import OWN_PROCESS
from agent.windows.win32 import BOOL, DWORD, HANDLE, LPCWSTR, LPVOID, LPWSTR, Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

NOT_A_SERVICE = 1063
"""ERROR_FAILED_SERVICE_CONTROLLER_CONNECT. Source: <winerror.h>."""
NOT_IMPLEMENTED, INTERROGATE = 120, 4
STOPPED, RUNNING = 1, 4

_native: Any = ctypes
_advapi32 = Library(
    "advapi32",
    RegisterServiceCtrlHandlerExW=(HANDLE, LPCWSTR, LPVOID, LPVOID),
    SetServiceStatus=(BOOL, HANDLE, LPVOID),
    StartServiceCtrlDispatcherW=(BOOL, LPVOID),
)


class _Entry(ctypes.Structure):
    """SERVICE_TABLE_ENTRYW."""

    _fields_ = (("name", LPWSTR), ("main", LPVOID))


class Service:
    """What the service manager knows of us."""

    def __init__(self) -> None:
        import threading

        self.began = threading.Event()
        self.ended = threading.Event()
        self.words: list[str] = []
        """What we were started with: our name, and what whoever started us added; at boot nobody does."""
        self.trouble = 0
        self._handle = 0
        main = _native.WINFUNCTYPE(None, DWORD, ctypes.POINTER(LPWSTR))(self._main)
        control = _native.WINFUNCTYPE(DWORD, DWORD, DWORD, LPVOID, LPVOID)(self._control)
        self._kept = main, control, (_Entry * 2)(_Entry("", ctypes.cast(main, LPVOID)), _Entry(None, None))

    def dispatch(self) -> None:
        """Listen to the service manager until we have ended; returns at once where it has not started us."""
        if not _advapi32.StartServiceCtrlDispatcherW(self._kept[2]):
            self.trouble = win32.last_error()
            self.began.set()

    def say(self, state: int) -> None:
        """Tell the service manager how we are: nothing is accepted, since a run is stopped otherwise."""
        status = (DWORD * 7)(OWN_PROCESS, state)
        _advapi32.SetServiceStatus(self._handle, ctypes.byref(status))

    def _main(self, count: int, words: Any) -> None:
        self.words = [words[place] for place in range(count)]
        control = ctypes.cast(self._kept[1], LPVOID)
        self._handle = _advapi32.RegisterServiceCtrlHandlerExW(self.words[0], control, None)
        self.say(RUNNING)
        self.began.set()
        self.ended.wait()

    def _control(self, code: int, _kind: int, _data: object, _context: object) -> int:
        return 0 if code == INTERROGATE else NOT_IMPLEMENTED


def live(work: Callable[[bool], None], folder: str) -> None:
    """Do the work as a service; where nobody started us as one, just do it.

    Args:
        work: told whether the computer has started us by itself.
        folder: where what we say in an emergency is kept.
    """
    import _thread

    service = Service()
    _thread.start_new_thread(service.dispatch, ())
    service.began.wait()
    if service.trouble:
        if service.trouble != NOT_A_SERVICE:
            raise win32.failure(service.trouble)
        work(False)
        return
    sys.stdout = sys.stderr = open(os.path.join(folder, "agent.log"), "a", encoding="utf-8", buffering=1)  # noqa: SIM115
    try:
        work(service.words[1:] != ["run"])
    except BaseException:  # noqa: BLE001 - whatever it is, the service manager shall know
        import traceback

        traceback.print_exc()
        os._exit(1)  # it has not stopped but failed: the service manager starts it again
    service.say(STOPPED)
    service.ended.set()
