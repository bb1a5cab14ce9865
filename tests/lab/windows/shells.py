"""The shells of a computer and the commands in them, as Windows Remote Shell has them.

A command's processes are in a job that ends with its shell: what must outlive the shell leaves the job, by
CREATE_BREAKAWAY_FROM_JOB (WinRM's job allows it. Source: PowerShell/Win32-OpenSSH#1032) or as a service.
"""

from __future__ import annotations

import fcntl
import os
import termios
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.windows.soap import Fault, Request, timed_out
from tests.lab.windows.wine import Program, StartError

_HELD_BYTES = 1 << 20  # of output nobody has fetched, and of input nobody has read; then writers wait
_CHUNK_BYTES = 1 << 16
_LOOK_S = 0.25
_READING_S = 0.02
TERMINATED = 1
CONTROL_C_EXIT = 0xC000013A  # STATUS_CONTROL_C_EXIT. Source: <ntstatus.h>


def no_such_shell(shell_id: str) -> Fault:
    """The shell is not, or no longer, there."""
    return Fault(
        2150858843,
        "w:InvalidSelectors",
        f"The request for the Windows Remote Shell with ShellId {shell_id} failed because the shell was not found on "
        "the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the "
        "server. Provide the correct ShellId or create a new shell and retry the operation. ",
    )


def no_such_command() -> Fault:
    """The command is not, or no longer, there."""
    return Fault(2147942487, "w:InternalError", "The parameter is incorrect. ")


def too_many_shells(count: int) -> Fault:
    """Source: hashicorp/vagrant#7489 shows it whole."""
    return Fault(
        2150859173,
        "w:QuotaLimit",
        f"The WS-Management service cannot process the request. This user is allowed a maximum number of {count} "
        "concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user. ",
    )


def aborted() -> Fault:
    """The command was ended while somebody waited for its output."""
    return Fault(
        995,
        "w:InternalError",
        "The I/O operation has been aborted because of either a thread exit or an application request. ",
    )


def refused(code: int) -> Fault:
    """Windows did not start the program."""
    texts = {2: "The system cannot find the file specified. ", 267: "The directory name is invalid. "}
    return Fault(0x80070000 + code, "w:InternalError", texts.get(code, f"Windows error {code}. "))


class Command:
    """A program in a shell. Its output waits until it is fetched, its input until it is read."""

    def __init__(self, program: Program, *, as_console: bool) -> None:
        self.id = str(uuid.uuid4()).upper()
        self._program = program
        self._as_console = as_console
        self._changed = threading.Condition()
        self._input: deque[bytes] = deque()
        self._input_bytes = 0
        self._input_ended = False
        self._held: dict[str, deque[bytes]] = {"stdout": deque(), "stderr": deque()}
        self._open = {"stdout", "stderr"}
        self._exit_code: int | None = None
        self._ended = False
        self._aborted = False
        self._code_if_killed = TERMINATED
        for work, args in (
            (self._write, ()),
            (self._read, ("stdout", program.stdout)),
            (self._read, ("stderr", program.stderr)),
            (self._wait, ()),
        ):
            threading.Thread(target=work, args=args, daemon=True).start()

    def send(self, data: bytes, *, end: bool, deadline: float) -> None:
        """Hand input over; it waits while the program does not read.

        Raises:
            Fault: the program did not take it in time: nothing of it was accepted. Or it has had its end of input.
        """
        if self._as_console:
            data = _as_typed(data)
        with self._changed:
            if self._input_ended:
                raise Fault(2147942509, "w:InternalError", "The pipe has been ended. ")
            while self._input_bytes >= _HELD_BYTES and not self._ended:
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise timed_out()
            if self._ended:
                return  # it reads no more: what it does not want is dropped, as by a pipe
            self._input.append(data)
            self._input_bytes += len(data)
            self._input_ended = end
            self._changed.notify_all()

    def receive(
        self, streams: list[str], *, limit_bytes: int, deadline: float, listens: Callable[[], bool]
    ) -> tuple[list[tuple[str, bytes]], int | None]:
        """Wait for output or for the end.

        Args:
            streams: those that are asked for.
            limit_bytes: at most so much of them together.
            deadline: of time.monotonic.
            listens: whether the client is still there: what is given to nobody is lost.

        Returns:
            Chunks in their order, and the exit code once everything has been fetched.

        Raises:
            Fault: nothing happened in time, or the command was ended by a signal meanwhile.
        """
        with self._changed:
            while True:
                if self._aborted:
                    raise aborted()
                ready = self._done() or any(self._held[name] for name in streams)
                if ready and listens():
                    break
                if time.monotonic() >= deadline or not listens():
                    raise timed_out()
                self._changed.wait(max(0.0, min(_LOOK_S, deadline - time.monotonic())))
            chunks: list[tuple[str, bytes]] = []
            for name in streams:
                held = self._held[name]
                while held and limit_bytes > 0:
                    chunk = held.popleft()
                    if len(chunk) > limit_bytes:
                        held.appendleft(chunk[limit_bytes:])
                        chunk = chunk[:limit_bytes]
                    limit_bytes -= len(chunk)
                    chunks.append((name, chunk))
            self._changed.notify_all()
            emptied = self._done() and not any(self._held.values())
            return chunks, self._exit_code if emptied else None

    def interrupt(self) -> None:
        """End everything in its job as Ctrl+C does where nobody handles it; the output up to there can be fetched."""
        with self._changed:
            self._code_if_killed = CONTROL_C_EXIT
        self._program.kill()

    def kill(self) -> None:
        """End everything in its job; who waits for its output is told."""
        with self._changed:
            self._aborted = self._ended = True
            self._changed.notify_all()
        self._program.kill()

    def _done(self) -> bool:
        """Whether the program has ended and nobody holds its output open any more."""
        return self._exit_code is not None and not self._open

    def _wait(self) -> None:
        code = self._program.wait()
        with self._changed:
            self._exit_code = self._code_if_killed if code is None else code
            self._ended = True
            self._changed.notify_all()

    def _read(self, name: str, pipe: int) -> None:
        with open(pipe, "rb", buffering=0) as file:
            while data := file.read(_CHUNK_BYTES):
                with self._changed:
                    self._held[name].append(data)
                    self._changed.notify_all()
                    while sum(map(len, self._held[name])) >= _HELD_BYTES and not self._aborted:
                        self._changed.wait()
        with self._changed:
            self._open.discard(name)
            self._changed.notify_all()

    def _write(self) -> None:
        pipe = self._program.stdin
        try:
            while (data := self._next_input()) is not None:
                view = memoryview(data)
                while view:
                    view = view[os.write(pipe, view) :]
            self._let_read(pipe)
        except BrokenPipeError:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
        finally:
            os.close(pipe)

    def _let_read(self, pipe: int) -> None:
        """Wait until all of it was read and the reader waits for more: only then may the end of the input come.

        Wine's server forgets a pipe whose end comes after a read found nothing and before it was told of that one's
        wait: ``default_poll_event`` in Wine's server/fd.c. The reader then waits for ever.
        """
        while not self._ended and fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) != bytes(4):
            time.sleep(_READING_S)
        time.sleep(_READING_S)

    def _next_input(self) -> bytes | None:
        with self._changed:
            while not self._input:
                if self._input_ended or self._ended:
                    return None
                self._changed.wait()
            data = self._input.popleft()
            self._input_bytes -= len(data)
            self._changed.notify_all()
            return data


def _as_typed(data: bytes) -> bytes:
    """What a program in console mode gets: text with Windows' ends of lines. Binary data does not survive it."""
    return data.replace(b"\0", b"").replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


@dataclass
class Shell:
    """A session of a person; it stays when the person's line breaks, until it is deleted or idle for too long."""

    owner: str
    client: str
    idle_s: float
    folder: str
    variables: dict[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()).upper())
    commands: dict[str, Command] = field(default_factory=dict)
    made_at: float = field(default_factory=time.monotonic)
    asked_at: float = field(default_factory=time.monotonic)
    at_work: int = 0

    def close(self) -> None:
        """End all that runs in it."""
        for command in list(self.commands.values()):
            command.kill()

    def find(self, command_id: str) -> Command:
        """Return a command of it.

        Raises:
            Fault: there is none.
        """
        found = self.commands.get(command_id.upper())
        if found is None:
            raise no_such_command()
        return found

    def start(self, prefix: Path, line: str, request: Request, *, breakaway: bool) -> Command:
        """Start a command line in it.

        Raises:
            Fault: Windows refused.
        """
        if request.options.get("WINRS_SKIP_CMD_SHELL", "FALSE").upper() != "TRUE":
            line = rf"C:\windows\system32\cmd.exe /C {line}"
        as_console = request.options.get("WINRS_CONSOLEMODE_STDIN", "FALSE").upper() == "TRUE"
        try:
            program = Program(prefix, line, folder=self.folder, variables=self.variables, breakaway=breakaway)
        except StartError as error:
            raise refused(error.code) from error
        command = Command(program, as_console=as_console)
        self.commands[command.id] = command
        return command
