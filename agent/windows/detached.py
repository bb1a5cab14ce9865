"""A process that outlives the line, on Windows: a service of our own, else a process that leaves the line's job.

Everything that WinRM starts ends with its shell, but not what the service manager starts.
"""

from __future__ import annotations

import os

from agent.windows import boot, scm, win32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.host import Host

DETACHED, NEW_GROUP, BREAKAWAY, UNICODE = 0x8, 0x200, 0x01000000, 0x400
ENDING_S = 15.0
"""How long a process of the same run that has let go of the computer may take to end."""


def start(host: Host, folder: str, argv: list[str], run: str) -> None:
    """Let a run go on in a process that outlives us.

    Args:
        host: this computer.
        folder: the run's.
        argv: the program.
        run: the run's name.

    Raises:
        OSError: nothing here can be made to outlive us.
    """
    if not host.is_administrator:
        new_process(argv, os.path.join(folder, "agent.log"))
        return
    name = boot.name_of(folder)
    boot.arrange(folder, argv)
    if not scm.start(name, "run"):
        scm.wait(name, ["stopped"], ENDING_S)
        scm.start(name, "run")


def new_process(argv: list[str], log: str) -> None:
    """Start a program outside of every job, with streams of its own.

    Raises:
        OSError: the job that we are in lets nobody go, among others.
    """
    from agent.windows.start import Startup, command_line

    nothing = os.open(os.devnull, os.O_RDWR)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | win32.OWN)
    try:
        handles = [win32.handle_of(number) for number in (nothing, output, output)]
        for number in (nothing, output):
            os.set_inheritable(number, True)
        flags = DETACHED | NEW_GROUP | BREAKAWAY | UNICODE
        startup = Startup(handles, handles[:2])
        process, thread, _, _ = win32.winapi().CreateProcess(
            argv[0], command_line(argv), None, None, True, flags, None, "C:\\", startup
        )
        win32.kernel32.CloseHandle(process)
        win32.kernel32.CloseHandle(thread)
    finally:
        os.close(nothing)
        os.close(output)
