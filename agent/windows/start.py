"""Programs on Windows: how one is started, waited for, and what it writes to.

Each is in a job of its own before it has done anything. It inherits its three streams and the right to look at its job,
nothing else. What it writes goes to files that are gone when nobody has them open any more.

Source: CreateProcessW, UpdateProcThreadAttribute, CreateEnvironmentBlock; Parsing C++ command-line arguments.
"""

from __future__ import annotations

import ctypes
import errno
import os
import time

from agent.windows import jobs, win32
from agent.windows.quoting import Raw
from agent.windows.win32 import BOOL, DWORD, HANDLE, LPVOID, Handle, Library, kernel32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Mapping, Sequence

TICKS = 10_000_000
SUSPENDED, NO_WINDOW, UNICODE, EXTENDED = 0x4, 0x08000000, 0x400, 0x80000
USE_HANDLES = 0x100
NO_BOXES = 0x1 | 0x2 | 0x8000
"""What goes wrong in a program does not open a window that nobody sees. Source: SetErrorMode."""
TEMPORARY_UNTIL_CLOSED = 0x100 | 0x04000000
CREATE_NEW = 1
READ_WRITE_DELETE, ALL_SHARED = 0xC0010000, 0x7
SLICE_MS = 100
"""A wait of Windows' is not interrupted: it is made of short ones."""
ENDINGS = (".com", ".exe", ".bat", ".cmd")
SHELL = ["cmd.exe", "/d", "/s", "/c"]

_kernel32 = Library(
    "kernel32",
    ResumeThread=(DWORD, HANDLE),
    SetErrorMode=(DWORD, DWORD),
    SetHandleInformation=(BOOL, HANDLE, DWORD, DWORD),
)
_userenv = Library(
    "userenv",
    CreateEnvironmentBlock=(BOOL, LPVOID, HANDLE, BOOL),
    DestroyEnvironmentBlock=(BOOL, LPVOID),
)
_advapi32 = Library("advapi32", OpenProcessToken=(BOOL, HANDLE, DWORD, LPVOID))


class _Running:
    """A program of ours: handles to it and to its job, which keep both their names."""

    def __init__(self, program: str, process: int, job: jobs.Job) -> None:
        self.program = program
        self.process = process
        self.job = job

    def close(self) -> None:
        """Let go of it, but not of its job where something that it started goes on there."""
        kernel32.CloseHandle(self.process)
        _left.append((self.program, self.job))
        left_behind()


_running: dict[int, _Running] = {}
"""By number: those whose end has not been waited for."""
_left: list[tuple[str, jobs.Job]] = []
"""Programs that have ended, with their jobs, as long as something is in these."""


def left_behind() -> list[tuple[str, jobs.Job]]:
    """Programs that have ended while something that they started goes on, each with its job."""
    for row in [row for row in _left if not row[1].members()]:
        _left.remove(row)
        row[1].close()
    return list(_left)


def ticks_per_s() -> int:
    """What ``boot_ticks``, and all times of processes, are counted in."""
    return TICKS


def boot_ticks() -> int:
    """Now, on the clock of this boot."""
    return int(time.perf_counter() * TICKS)


def environment() -> dict[str, str]:
    """What the computer gives everybody who logs on, as it is now: an installer may just have changed the PATH."""
    found, token = LPVOID(), HANDLE()
    win32.checked(_advapi32.OpenProcessToken(kernel32.GetCurrentProcess(), 0xE, ctypes.byref(token)))
    with Handle(token.value or 0):
        if not _userenv.CreateEnvironmentBlock(ctypes.byref(found), token, False):
            return dict(os.environ)
    rows: dict[str, str] = {}
    place = found.value or 0
    try:
        while True:
            row = ctypes.wstring_at(place)
            if not row:
                break
            place += 2 * (len(row.encode("utf-16-le", "surrogatepass")) // 2 + 1)
            name, _, value = row[1:].partition("=")
            rows[row[0] + name] = value
    finally:
        _userenv.DestroyEnvironmentBlock(found)
    upper = {name.upper() for name in rows}
    for name in ("SystemRoot", "SystemDrive", "ComSpec", "PATH", "PATHEXT", "TEMP", "TMP", "WINDIR"):
        if name.upper() not in upper and name in os.environ:
            rows[name] = os.environ[name]
    return rows


def scratch(content: bytes = b"", *, name: str = "") -> BinaryIO:
    """A file that goes with us and with the programs that have it open, at its beginning.

    Args:
        content: what is in it.
        name: where it is found again by whoever goes on after we were killed; else in the folder for such files.
    """
    path = name if os.path.isabs(name) else os.path.join(os.environ.get("TEMP", r"C:\Windows\Temp"), own_name(name))
    flags = TEMPORARY_UNTIL_CLOSED
    handle = kernel32.CreateFileW(path, READ_WRITE_DELETE, ALL_SHARED, None, CREATE_NEW, flags, None)
    number = win32.number_of(win32.checked(handle, path), os.O_RDWR)
    file = os.fdopen(number, "w+b", buffering=0)
    file.write(content)
    file.seek(0)
    return file


def own_name(name: str) -> str:
    """A name that nobody else has."""
    return f"pasang-{os.urandom(8).hex()}-{name}"


def open_scratch(path: str) -> BinaryIO | None:
    """A file as ``scratch`` makes them, opened by somebody else; None where it is gone."""
    handle = kernel32.CreateFileW(path, 0x80000000, ALL_SHARED, None, 3, 0, None)
    if not handle or handle == win32.INVALID_HANDLE:
        return None
    file: BinaryIO = os.fdopen(win32.number_of(handle, os.O_RDONLY), "rb", buffering=0)
    return file


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    directory: str | None,
    files: tuple[int, int, int],
    label: str,
    line: str | None = None,
) -> int:
    """Start a program in a job of its own and return its number.

    Args:
        argv: as for ``program.run``.
        env: its whole environment.
        directory: where it runs.
        files: its input, output and error output; it gets no other file of ours.
        label: the name of its job.
        line: its command line, where ``argv`` does not say how that is quoted.

    Raises:
        OSError: as for ``program.run``.
    """
    _kernel32.SetErrorMode(NO_BOXES)
    program = find(argv[0], env)
    streams = [win32.handle_of(number) for number in files]
    job = jobs.create(label)
    try:
        with job.heirloom() as heirloom:
            startup = Startup(streams, [*dict.fromkeys(streams), heirloom])
            for stream in streams:
                _kernel32.SetHandleInformation(stream, 1, 1)
            try:
                process, thread, pid, _ = win32.winapi().CreateProcess(
                    program, line or command_line(argv), None, None, True, SUSPENDED | NO_WINDOW | UNICODE,
                    dict(env), directory, startup,
                )  # fmt: skip
            finally:
                for stream in streams:
                    _kernel32.SetHandleInformation(stream, 1, 0)
        with Handle(thread):
            try:
                job.assign(process)
            except OSError:
                kernel32.TerminateProcess(process, jobs.ENDED)
                kernel32.CloseHandle(process)
                raise
            _kernel32.ResumeThread(thread)
    except OSError:
        job.close()
        raise
    _running[pid] = _Running(program, process, job)
    return int(pid)


class Startup:
    """STARTUPINFO as ``win32.winapi().CreateProcess`` reads it."""

    wShowWindow = 0

    def __init__(self, streams: list[int], handles: list[int]) -> None:
        self.dwFlags = USE_HANDLES
        self.hStdInput, self.hStdOutput, self.hStdError = streams
        self.lpAttributeList = {"handle_list": handles}


def find(name: str, env: Mapping[str, str]) -> str:
    """Where a program is, as the command processor would look for it, but never in the folder one is in.

    Raises:
        FileNotFoundError: it is nowhere.
    """
    endings = ("",) if name.lower().endswith(ENDINGS) else (*ENDINGS, "")
    path = next((value for key, value in env.items() if key.upper() == "PATH"), "")
    folders = [""] if os.path.dirname(name) else [os.path.join(os.environ["SYSTEMROOT"], "System32"), *path.split(";")]
    for folder in folders:
        for ending in endings:
            found = os.path.join(folder.strip('"'), name + ending) if folder else name + ending
            if os.path.isfile(found):
                return found
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def command_line(argv: Sequence[str]) -> str:
    """Words as one command line, from which a program of C's makes the same words.

    What is given to the command processor stands in quotes as it is: it takes the first and the last of them away.
    Source: cmd.exe /?, on /S. ``Raw`` words are for programs that take their line apart in a way of their own.
    """
    words = list(argv)
    if words[: len(SHELL)] == SHELL and len(words) == len(SHELL) + 1:
        return " ".join(SHELL) + f' "{words[-1]}"'
    return " ".join(word if isinstance(word, Raw) else quoted(word) for word in words)


def quoted(word: str) -> str:
    """A word of a command line: in quotes where it must be, backslashes doubled where they stand before one."""
    if word and not any(sign in word for sign in ' \t\n\v"'):
        return word
    found, slashes = '"', 0
    for sign in word:
        if sign == "\\":
            slashes += 1
            continue
        found += "\\" * (2 * slashes + 1 if sign == '"' else slashes) + sign
        slashes = 0
    return found + "\\" * (2 * slashes) + '"'


def wait(pid: int, timeout_s: float) -> int | None:
    """Wait for a program of ours: its exit code, all 32 bits; None where it still runs after ``timeout_s``."""
    running = _running[pid]
    deadline = time.monotonic() + timeout_s
    while True:
        left_ms = max(0, int((deadline - time.monotonic()) * 1000))
        if kernel32.WaitForSingleObject(running.process, min(SLICE_MS, left_ms)) == win32.WAIT_OBJECT_0:
            code = int(win32.winapi().GetExitCodeProcess(running.process))
            del _running[pid]
            running.close()
            return code
        if not left_ms:
            return None


def decoded(data: bytes) -> str:
    """What a program wrote, as text: UTF-8, where it is, or UTF-16; else the code page of consoles."""
    if data.startswith(b"\xff\xfe") or b"\0" in data[1:64:2]:
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("oem", "replace")
