"""A line with a delay: forwards TCP connections and holds every byte back for a while, each way.

Run inside the lab's network: `python -m tests.lab.forward --delay-ms 25 LISTEN:PORT=HOST:PORT …`. Delay costs no
throughput: what is read is stamped and queued, and leaves when its time has come. Setting up a connection takes its
round trip too: the computer speaks first after three delays, as on a long line. It can also cut connections once a
number of bytes has passed, or at once and in several manners, a word a line on its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import struct
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

Address = tuple[str, int]

RESET, HALF, HANG = MANNERS = ("reset", "half", "hang")
"""Both sides are told; the client is, and the computer is not; neither is."""
_QUEUE_BYTES = 64 << 20  # of one direction of one connection; a gigabit line with 250 ms holds half of that


@dataclass
class Cut:
    """When the connections of one route are reset.

    Attributes:
        after_bytes: how many bytes of one connection pass in `direction` before it is cut.
        direction: "up" (towards the computer) or "down".
        left: how many connections are still to be cut.
    """

    after_bytes: int
    direction: str = "up"
    left: int = 1


class _End(Enum):
    EOF = "eof"
    CLOSE = "close"
    ABORT = "abort"


@dataclass
class _Direction:
    """What is under way in one direction of a connection."""

    delay_s: float
    source: asyncio.Transport
    target: asyncio.Transport
    is_up: bool
    cut: Cut | None = None
    queue: deque[tuple[float, bytes | _End]] = field(default_factory=deque)
    queued_bytes: int = 0
    passed_bytes: int = 0
    blocked: bool = False
    dead: bool = False
    timer: asyncio.TimerHandle | None = None
    twin: _Direction | None = None

    def put(self, what: bytes | _End) -> None:
        """Take what the source sent, or that it ended."""
        if self.dead:
            return
        self.queue.append((asyncio.get_running_loop().time() + self.delay_s, what))
        if isinstance(what, bytes):
            self.queued_bytes += len(what)
            if self.queued_bytes > _QUEUE_BYTES:
                self.source.pause_reading()
        self.drain()

    def drain(self) -> None:
        """Send on what is due; come back for the rest."""
        loop = asyncio.get_running_loop()
        while self.queue and not self.blocked and not self.dead:
            due, what = self.queue[0]
            if due > loop.time():
                if self.timer is None:
                    self.timer = loop.call_at(due, self._wake)
                return
            self.queue.popleft()
            if isinstance(what, bytes):
                self._pass(what)
            else:
                self._finish(what)

    def _wake(self) -> None:
        self.timer = None
        self.drain()

    def _pass(self, data: bytes) -> None:
        self.queued_bytes -= len(data)
        if self.queued_bytes <= _QUEUE_BYTES // 2:
            self.source.resume_reading()
        if self.cut is not None and self.cut.left > 0 and self.passed_bytes + len(data) >= self.cut.after_bytes:
            self.cut.left -= 1
            self.target.write(data[: self.cut.after_bytes - self.passed_bytes])
            self.cut_now(RESET)
            return
        self.passed_bytes += len(data)
        self.target.write(data)

    def _finish(self, end: _End) -> None:
        if self.target.is_closing():
            return
        if end is _End.EOF:
            with suppress(OSError):  # it has gone already
                self.target.write_eof()
        elif end is _End.CLOSE:
            self.target.close()
        else:
            self.target.abort()

    def cut_now(self, manner: str) -> None:
        """Let nothing more pass, neither way; only some are told (see `MANNERS`)."""
        assert self.twin is not None
        self.dead = self.twin.dead = True
        for direction in (self, self.twin):
            transport = direction.source
            if transport.is_closing():
                continue
            if manner == RESET or (manner == HALF and direction.is_up):
                linger = struct.pack("ii", 1, 0)  # Source: socket(7): closed with a reset, whatever was under way
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            else:
                transport.resume_reading()  # what it still sends is taken, and thrown away


class _Side(asyncio.Protocol):
    """One side of a forwarded connection; `out` and `into` are set once both sides stand."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.out: _Direction | None = None
        self.into: _Direction | None = None
        self.early: list[bytes | _End] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._take(data)

    def eof_received(self) -> bool:
        self._take(_End.EOF)
        return True  # the other direction may still have something to say

    def connection_lost(self, error: Exception | None) -> None:
        self._take(_End.ABORT if error else _End.CLOSE)

    def pause_writing(self) -> None:
        if self.into is not None:
            self.into.blocked = True

    def resume_writing(self) -> None:
        if self.into is not None:
            self.into.blocked = False
            self.into.drain()

    def _take(self, what: bytes | _End) -> None:
        if self.out is None:
            self.early.append(what)
        else:
            self.out.put(what)


class _Near(_Side):
    """The side of the client; makes the other one."""

    def __init__(
        self, target: Address, delay_s: float, cut: Cut | None, tasks: set[asyncio.Task[None]], lines: list[_Direction]
    ) -> None:
        super().__init__()
        self._target, self._delay_s, self._cut, self._tasks, self._lines = target, delay_s, cut, tasks, lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        task = asyncio.get_running_loop().create_task(self._connect())
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        await asyncio.sleep(3 * self._delay_s)  # SYN, SYN-ACK, ACK: then the server knows of the connection
        assert self.transport is not None
        try:
            far_transport, far = await asyncio.get_running_loop().create_connection(_Side, *self._target)
        except OSError:
            self.transport.abort()
            return
        cut = {self._cut.direction: self._cut} if self._cut else {}
        up = _Direction(self._delay_s, self.transport, far_transport, is_up=True, cut=cut.get("up"))
        down = _Direction(self._delay_s, far_transport, self.transport, is_up=False, cut=cut.get("down"))
        up.twin, down.twin = down, up
        self._lines.append(up)
        now = asyncio.get_running_loop().time()
        up.queue.extend((now, what) for what in self.early)  # was on its way during the handshake
        up.queued_bytes = sum(len(what) for what in self.early if isinstance(what, bytes))
        self.out = far.into = up
        far.out = self.into = down
        for what in far.early:
            down.put(what)
        up.drain()


async def serve(routes: dict[Address, Address], delay_s: float, cuts: dict[Address, Cut]) -> None:
    """Forward every listening address of `routes` to its target, for ever; prints `ready` once all listen."""
    tasks: set[asyncio.Task[None]] = set()
    lines: list[_Direction] = []
    for listen, target in routes.items():
        accept = partial(_Near, target, delay_s, cuts.get(listen), tasks, lines)
        await asyncio.get_running_loop().create_server(accept, *listen, backlog=512)
    with suppress(PermissionError):  # a file, or nothing at all
        asyncio.get_running_loop().add_reader(sys.stdin, _obey, lines)
    print("ready", flush=True)
    await asyncio.Event().wait()


def _obey(lines: list[_Direction]) -> None:
    """Cut every connection in the manner that is written on standard input."""
    manner = sys.stdin.readline().strip()
    if not manner:
        asyncio.get_running_loop().remove_reader(sys.stdin)
        return
    for line in lines:
        if not line.dead:
            line.cut_now(manner)
    lines.clear()
    print("cut", flush=True)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    """Forward until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("routes", nargs="+", metavar="LISTEN:PORT=HOST:PORT")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--cut-after-bytes", type=int)
    parser.add_argument("--cut-direction", choices=("up", "down"), default="up")
    parser.add_argument("--cut-times", type=int, default=1, help="how many connections of each route are cut")
    options = parser.parse_args()
    routes = {_address(left): _address(right) for left, _, right in (route.partition("=") for route in options.routes)}
    cuts = {}
    if options.cut_after_bytes is not None:
        settings = (options.cut_after_bytes, options.cut_direction, options.cut_times)
        cuts = {listen: Cut(*settings) for listen in routes}
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(routes, options.delay_ms / 1000, cuts))


if __name__ == "__main__":
    main()
