"""This computer itself: a subprocess with pipes, started the way a remote one would be."""

from __future__ import annotations

import contextlib
import getpass
import os
import selectors
import signal
import subprocess
import time

from controller.inventory import Connection
from controller.transport.base import ERRORS_LIMIT_BYTES, Channel, Options, Transport, lost

_PIECE_BYTES = 65536
_END_S = 2.0
"""How long a program may take to be gone after it closed its output, or was told to go."""
_BY_ITSELF_S = 0.3
"""How long it may take after its pipes were closed, before it is told."""


class LocalTransport(Transport):
    """Commands under ``sh -c``, each in a session of its own so that Ctrl-C at the terminal does not reach them."""

    def __init__(self, connection: Connection, options: Options) -> None:
        self._connection = connection
        self._options = options
        self._channels: list[LocalChannel] = []

    def connect(self, command: str | None = None) -> None:
        """Nothing to do: we are there."""

    def open(self, command: str) -> Channel:
        """See ``Transport.open``."""
        channel = LocalChannel(["/bin/sh", "-c", command])
        self._channels.append(channel)
        return channel

    def describe(self) -> dict[str, str]:
        """See ``Transport.describe``."""
        return {"transport": "local", "address": "localhost", "user": getpass.getuser(), "host_key": ""}

    def close(self) -> None:
        """See ``Transport.close``."""
        for channel in self._channels:
            channel.close()


class LocalChannel(Channel):
    """The three pipes of one process, without a thread: whoever waits for one serves all of them."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        process = self._process
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._tail = bytearray()
        self._ready = bytearray()
        self._drained = False
        self._selector = selectors.DefaultSelector()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        if self._stdin.closed:
            raise lost("local")
        try:
            while rest:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self._stdin.fileno(), rest) :]
                    continue
                self._selector.register(self._stdin, selectors.EVENT_WRITE)
                try:
                    self._serve(None)
                finally:
                    self._selector.unregister(self._stdin)
        except BrokenPipeError as error:
            raise lost("local", because="EPIPE") from error

    def _receive(self, timeout_s: float | None) -> bytes:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._ready and not self._drained:
            remaining = None if deadline is None else deadline - time.monotonic()
            self._serve(None if remaining is None else max(0.0, remaining))
            if remaining is not None and remaining <= 0 and not self._ready and not self._drained:
                raise TimeoutError
        data = bytes(self._ready)
        self._ready.clear()
        return data

    def _serve(self, timeout_s: float | None) -> None:
        """Waits until a pipe has something to do, and takes in what came."""
        for key, _ in self._selector.select(timeout_s):
            if key.fileobj is self._stdin:
                continue
            data = os.read(key.fd, _PIECE_BYTES)
            if key.fileobj is self._stdout:
                self._ready += data
                self._drained = not data
            else:
                self._tail += data
                del self._tail[:-ERRORS_LIMIT_BYTES]
            if not data:
                self._selector.unregister(key.fileobj)

    def close_write(self) -> None:
        """See ``Channel.close_write``."""
        self._stdin.close()

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``; a signal is 128 and its number, as a shell says it."""
        try:
            code = self._process.wait(_END_S if self._drained else 0)
        except subprocess.TimeoutExpired:
            return None
        return code if code >= 0 else 128 - code

    def errors(self) -> str:
        """See ``Channel.errors``."""
        if not self._stderr.closed:
            with contextlib.suppress(BlockingIOError):
                while data := os.read(self._stderr.fileno(), _PIECE_BYTES):
                    self._tail += data
        del self._tail[:-ERRORS_LIMIT_BYTES]
        return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        """See ``Channel.close``; a process that outlives the closing of its input is ended with its group."""
        if self._stdout.closed:
            return
        self._drained = True
        self._selector.close()
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()
        for end in (None, signal.SIGTERM, signal.SIGKILL):
            if end is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, end)
            try:
                self._process.wait(_BY_ITSELF_S if end is None else _END_S)
            except subprocess.TimeoutExpired:
                continue
            return
