"""Starting Windows programs in a prefix: in a job of their own, with whole exit codes, through pipes."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

LOADER = "/usr/lib/wine/wine64"  # past Debian's script, which looks for 32-bit Wine at every start
SERVER = "/usr/lib/wine/wineserver64"
RUNNER = r"C:\windows\system32\winrshost.exe"
PERSON = "petugas"
"""Who works on the computer: Wine names its only person after the owner of its processes."""

_PIPE_BYTES = 1 << 20
NO_SUCH_FILE = 2  # ERROR_FILE_NOT_FOUND. Source: <winerror.h>


class StartError(Exception):
    """A program could not be started; `code` is Windows' own error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Windows error {code}")
        self.code = code


def environment(prefix: Path) -> dict[str, str]:
    """What Wine itself needs, and nothing of ours: it would pass the rest on to the programs."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LANG": "C.UTF-8",
        "WINEPREFIX": str(prefix),
        "TMPDIR": str(prefix.parent),  # for the folder of wineserver's socket, whose name it keeps in the prefix
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
    }


def unix_path(path: Path | str) -> str:
    """A file of this machine as a program in Wine opens it, though the computer has no drive that leads there."""
    return "\\\\?\\unix" + str(path).replace("/", "\\")


def start_quietly(prefix: Path, *argv: str) -> subprocess.Popen[bytes]:
    """Start a program without streams: whatever inherits a pipe from here would keep its reader waiting for ever."""
    null = subprocess.DEVNULL
    return subprocess.Popen([LOADER, *argv], env=environment(prefix), stdin=null, stdout=null, stderr=null, cwd="/")


class Program:
    """A running command line, with its streams as pipes.

    Attributes:
        stdin, stdout, stderr: file descriptors of our ends; whoever writes or reads them closes them.
    """

    def __init__(
        self,
        prefix: Path,
        command_line: str,
        *,
        folder: str = "",
        variables: Mapping[str, str] | None = None,
        breakaway: bool = True,
    ) -> None:
        """Start it.

        Args:
            prefix: of the computer.
            command_line: as CreateProcess takes it.
            folder: to start in; empty for that of the loader.
            variables: what its environment has beside the computer's own.
            breakaway: whether its processes may leave the job with CREATE_BREAKAWAY_FROM_JOB.

        Raises:
            StartError: Windows refused.
        """
        with tempfile.TemporaryDirectory(prefix="order-", dir=prefix.parent) as place:
            names = ("report", "stdin", "stdout", "stderr")
            report, stdin, stdout, stderr = (os.path.join(place, name) for name in names)
            for path in (report, stdin, stdout, stderr):
                os.mkfifo(path)
            fields = [*map(unix_path, (report, stdin, stdout, stderr)), folder, command_line, "1" if breakaway else "0"]
            fields += [f"{name}={value}" for name, value in (variables or {}).items()]
            order = Path(place, "order")
            order.write_bytes("".join(f"{field}\0" for field in fields).encode("utf-16-le"))
            # Ours are open before Wine's are, so that opening waits for nobody and reading sees no end too early.
            self._report, self.stdout, self.stderr = (
                os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in (report, stdout, stderr)
            )
            both = os.open(stdin, os.O_RDWR)
            for pipe in (both, self.stdout):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            null = subprocess.DEVNULL
            self._runner = subprocess.Popen(
                [LOADER, RUNNER, unix_path(str(order))], env=environment(prefix), cwd="/", stdin=null, stdout=null,
                stderr=null,
            )  # fmt: skip
            self._read = b""
            error = self._started()
            if error is None:
                self.stdin = os.open(stdin, os.O_WRONLY)
            os.close(both)
        if error is not None:
            self.kill()
            for pipe in (self._report, self.stdout, self.stderr):
                os.close(pipe)
            raise StartError(error)
        for pipe in (self._report, self.stdout, self.stderr):
            os.set_blocking(pipe, True)

    def wait(self) -> int | None:
        """Wait for its end, not for that of its children; return its exit code, None where it was killed. Once."""
        while b"\n" not in self._read and (got := os.read(self._report, 64)):
            self._read += got
        os.close(self._report)
        return int(self._read[2:]) if self._read else None

    def kill(self) -> None:
        """End every process of its job; harmless twice."""
        self._runner.kill()
        self._runner.wait()

    def _started(self) -> int | None:
        """Wait for the report of the start; return Windows' error, None where it started."""
        while b"\n" not in self._read:
            ended = self._runner.poll() is not None  # asked first: the report of a short program comes just before
            with suppress(BlockingIOError):
                self._read += os.read(self._report, 64)
            if not self._read and ended:
                return NO_SUCH_FILE
            time.sleep(0.002)  # the end of a pipe that nobody has opened yet looks like its end
        line, _, self._read = self._read.partition(b"\n")
        return int(line[2:]) or None


def _main(prefix: str, line: str, code: str) -> None:
    """Run a command line with our own streams, outside of any shell; write its whole exit code to a file."""
    program = Program(Path(prefix), line)

    def pump(source: int, sink: int) -> None:
        with open(source, "rb", buffering=0) as reads, open(sink, "wb", buffering=0) as writes:
            shutil.copyfileobj(reads, writes)

    threading.Thread(target=pump, args=(0, program.stdin), daemon=True).start()
    outputs = [threading.Thread(target=pump, args=pair) for pair in ((program.stdout, 1), (program.stderr, 2))]
    for output in outputs:
        output.start()
    ended = program.wait()
    for output in outputs:
        output.join()
    Path(code).write_text(str(-1 if ended is None else ended))


if __name__ == "__main__":
    _main(*sys.argv[1:])
