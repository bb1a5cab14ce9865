"""The channel to the first stage on a Windows computer; a Python is brought on the way, where there is none.

Four questions until the first answer: a shell, a command, the job for it, what it says. Where a Python is brought two
more, and its bytes: the command that lacks one waits for it, with the job before it, while another takes it in.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from agent.protocol import MARK
from controller.errors import AgentFault, HostError, InventoryError, LineLost, NoPython
from controller.inventory import Connection
from controller.text import Text
from controller.transport.base import Channel, Options, Transport, lost
from controller.transport.bootstrap import NOISE_LIMIT_BYTES, TAIL_BYTES, UNPACKING_S, BootChannel
from controller.transport.winrm import WinrmTransport
from controller.transport.winrm.channel import WinrmChannel
from controller.transport.winrm.commands import FAILED, FROM_OUTSIDE, LEFT, NO_PYTHON, boot_command, bring_command
from controller.transport.winrm.shell import PIECE_BYTES

Progress = Callable[[str, int, int], None]

_PROCESSORS = {"AMD64": "x86_64", "ARM64": "aarch64", "x86": "x86"}
"""Source: PROCESSOR_ARCHITECTURE, learn.microsoft.com."""
_LACKING = re.compile(re.escape(NO_PYTHON) + rb" \S+ (?:no)?tar$")
_LOOK_S = 4.0
"""How long a Python that was sent may take until it is asked how it fared: another question, which seldom is needed."""
_GLANCE_S = 0.2
_HEAD_BYTES = 1000
"""For the frame before a chunk: together they are one question."""


def launch(transport: Transport, connection: Connection, options: Options, *, progress: Progress) -> WindowsBoot:
    """Connects and starts the first stage; whether it runs is known by the first ``read_line``.

    Becoming somebody else is sudo's, and means nothing here: whoever is let in works as themselves.

    Raises:
        Unreachable: or one of its children.
        InventoryError: another way to become somebody else is asked for.
    """
    if connection.become and connection.become_method != "sudo":
        raise InventoryError(
            Text(f"{connection.become_method!r} tidak didukung", f"{connection.become_method!r} is not supported"),
            where="ansible_become_method",
            hint=Text("masuk sebagai administrator, tanpa become", "log in as an administrator, without become"),
        )
    assert isinstance(transport, WinrmTransport)  # noqa: S101 - for the type checker
    transport.connect()
    return WindowsBoot(transport, connection, options, progress=progress)


class WindowsBoot(BootChannel):
    """The channel to the first stage of a Windows computer."""

    chunk_bytes = PIECE_BYTES - _HEAD_BYTES

    def __init__(
        self, transport: WinrmTransport, connection: Connection, options: Options, *, progress: Progress
    ) -> None:
        """Start it, on a transport that is connected.

        Args:
            transport: closed with the channel.
            connection: of the inventory.
            options: with the Pythons that can be brought.
            progress: told while one is sent: its digest, how many bytes went, and the size.
        """
        self._windows = transport
        self._command = boot_command(options.pythons.values(), python=connection.python)
        self._main = transport.open(self._command)
        super().__init__(transport, self._main, where=connection.address)
        self._options = options
        self._progress = progress
        self._offered = bytearray()
        """All that was written, until the first stage runs: it is written again to another command."""
        self._is_stuck = False
        """Whether some of it was not taken, because nobody reads it yet."""
        self._courier: WinrmChannel | None = None
        """The command that takes a Python in, as long as it is not known how it fared."""
        self._asks_at = 0.0
        """When it is asked."""
        self.is_left = False
        """Whether something that was to be removed at the end is still there."""

    def read_line(self, timeout_s: float | None = None) -> bytes:
        """See ``BootChannel.read_line``."""
        try:
            line = super().read_line(timeout_s)
            while line.startswith((NO_PYTHON, LEFT)):
                self.is_left = self.is_left or line.startswith(LEFT)
                line = super().read_line(timeout_s)
            return line
        finally:
            self.round_trips = self._windows.requests

    def _await_mark(self, deadline: float | None) -> None:
        while not self._started:
            if self._refused is not None:
                raise self._refused
            until = min([self._until, *(moment for moment in (deadline, self._asks_at) if moment)])
            left_s = max(0.0, until - time.monotonic())
            try:
                line = Channel.read_line(self, left_s)
            except TimeoutError:
                if self._courier is not None and time.monotonic() >= self._asks_at:
                    self._ask_courier(_GLANCE_S)
                    self._asks_at = time.monotonic() + _LOOK_S
                if time.monotonic() >= self._until:
                    self._refused = self._refusal()
                elif deadline is not None and time.monotonic() >= deadline:
                    raise
                continue
            self._noise_bytes += len(line)
            self._noise = (self._noise + line)[-TAIL_BYTES:]
            if line.startswith(NO_PYTHON):
                self._lacks_python(line.decode("ascii", "replace").split()[3:])
            elif not line or self._noise_bytes > NOISE_LIMIT_BYTES:
                self._refused = self._refusal()
            self._started = line.endswith(MARK)
        self._offered.clear()

    def _send(self, data: bytes) -> None:
        if not self._started:
            self._offered += data
            if self._is_stuck:
                return
        while data:
            try:
                taken = self._main.offer(data)
            except LineLost:
                if not self._started:
                    self._await_mark(time.monotonic() + 1)
                raise
            if not taken and not self._started and self._main.has_output():
                self._is_stuck = True  # it says something, e.g. that there is no Python, instead of reading
                return
            data = data[taken:]

    def _receive(self, timeout_s: float | None) -> bytes:
        data = super()._receive(timeout_s)
        if self._main.may_lack:  # the journal is read on from any record: asking anew loses nothing
            raise lost(self._where, because="a piece of the output may be missing")
        return data + b"\n" if not self._started and _LACKING.search(data) else data

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``; none of a Python that somebody ended: it has no say in that."""
        status = super().exit_status()
        return None if status in FROM_OUTSIDE and not self.errors().strip() else status

    def _lacks_python(self, words: list[str]) -> None:
        """Bring one where there is one for this computer; what stands against that is raised when one reads on."""
        processor, has_tar = [*words, "", ""][0], words[1:2] == ["tar"]
        platform = f"windows-{_PROCESSORS.get(processor, processor.lower() or 'unknown')}"
        digest = self._options.pythons.get(platform, "")
        package = self._options.once(("package", digest), lambda: self._options.package(digest)) if digest else None
        if package is None:
            self._refused = self._none_for(platform)
            return
        if not (has_tar or self._options.slowly):
            self._refused = self._slow()
            return
        command = bring_command(f"{digest}.{os.urandom(4).hex()}", package.listed, has_tar=has_tar)
        self._courier = self._windows.open(command, listens=False)
        size_bytes, sent_bytes = package.archive.stat().st_size, 0
        try:
            with package.archive.open("rb") as file:
                while data := file.read(PIECE_BYTES):
                    sent_bytes += len(data)
                    if sent_bytes < size_bytes:
                        self._courier.write(data)
                    else:
                        self._courier.finish(data)
                    self._progress(digest, sent_bytes, size_bytes)
        except LineLost:
            self._ask_courier(_GLANCE_S)  # it may have stopped reading because it could not go on
            if self._refused is None:
                raise
        self._asks_at = time.monotonic() + _LOOK_S
        self._until = time.monotonic() + UNPACKING_S
        if self._is_stuck and self._refused is None:
            self._ask_courier(UNPACKING_S)
            self._begin_again()

    def _ask_courier(self, timeout_s: float) -> None:
        """Hear whether the Python was taken in; that it was not is raised when one reads on."""
        courier = self._courier
        assert courier is not None  # noqa: S101 - for the type checker
        courier.listen()
        try:
            word = courier.read_line(timeout_s).strip()
        except TimeoutError:
            return
        except LineLost as error:
            self._refused = error
            return
        if word == FAILED:
            said = " ".join(courier.errors().split())[-TAIL_BYTES:]
            self._refused = NoPython(
                Text(
                    f"Python tidak dapat ditaruh di komputer itu: {said}",
                    f"Python could not be brought there: {said}",
                ),
                where=self._where,
                hint=Text(
                    "periksa ruang disk di komputer itu, dan apakah pengguna itu administrator",
                    "check the disk of that computer, and that this user is an administrator",
                ),
            )
        if not word or word == FAILED:
            courier.close()
            self._courier, self._asks_at = None, 0.0

    def _begin_again(self) -> None:
        """Another command, now that there is a Python: what the first one was sent may have reached it in part."""
        self._main.close()
        self._main = self._inner = self._windows.open(self._command)
        self._is_stuck = False
        self._main.write(bytes(self._offered))

    def _none_for(self, platform: str) -> NoPython:
        error = NoPython(
            Text(
                f"tidak ada Python di komputer itu, dan belum ada yang dapat dibawakan ({platform})",
                f"there is no Python on that computer, and none that could be brought ({platform})",
            ),
            where=self._where,
            hint=Text(
                "tambahkan paket embeddable dari python.org: `pasang runtime add python-3.…-embed-amd64.zip`",
                "add the embeddable package of python.org: `pasang runtime add python-3.…-embed-amd64.zip`",
            ),
        )
        error.platform = platform
        return error

    def _slow(self) -> NoPython:
        return NoPython(
            Text(
                "komputer itu belum punya Python, dan tidak punya tar.exe (Windows sebelum 10 1803 dan Server 2019): "
                "Python akan dibawakan lewat PowerShell",
                "that computer has no Python yet, and no tar.exe (Windows before 10 1803 and Server 2019): a Python "
                "would be brought by PowerShell",
            ),
            where=self._where,
            hint=Text(
                "`pasang install` dan `pasang hosts facts` melakukannya",
                "`pasang install` and `pasang hosts facts` do so",
            ),
        )

    def _refusal(self) -> HostError:
        """Why there was no mark, out of what was said instead; who was ended in the middle may have begun the work."""
        status = self._inner.exit_status()
        flat = " ".join((self._noise.decode("utf-8", "replace") + " " + self._inner.errors()).split())
        if status in FROM_OUTSIDE and not flat:
            return lost(self._where, because="python.exe was ended there before it answered")
        said = flat[-TAIL_BYTES:] or ("no answer" if status is None else f"exit {status}")
        return AgentFault(
            Text(f"program awal tidak dapat dimulai: {said}", f"the first stage could not start: {said}"),
            where=self._where,
            hint=Text(
                "lihat apakah antivirus di komputer itu menahan python.exe di Program Files\\Pasang",
                "see whether that computer's antivirus holds python.exe in Program Files\\Pasang back",
            ),
        )
