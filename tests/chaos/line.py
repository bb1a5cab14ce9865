"""`python -m tests.chaos.line [--mb 200] [--cuts 20]`: one large payload over a line that is cut again and again.

One order, and nobody goes on by hand. Two ways of cutting: in a forwarder (the connection is reset for both sides, for
the controller alone, or hangs for both) with the computer's cable pulled for a while in between; and the cable alone,
so that packets vanish between the two kernels themselves. What is counted is counted where it is sent.
"""

from __future__ import annotations

import argparse
import filecmp
import itertools
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import CHUNK_BYTES, decode
from controller.inventory import load as load_inventory
from controller.playbook import load as load_playbook
from controller.records import Record
from controller.run import contact
from controller.run.opening import Order, execute
from controller.run.work import HostResult, HostWork
from controller.settings import Settings
from controller.transport import Options
from tests.lab.forward import MANNERS
from tests.lab.hosts import Host, HostSpec
from tests.lab.lab import Lab, temporary_lab
from tests.lab.lines import forwarded
from tests.lab.playbooks import write_playbook

HOW_OFTEN = {1: "once", 2: "twice"}
CABLE = "cable"
"""Packets vanish for a while, and nobody is told."""
TARGET = "srv/besar"
SAYS = {
    "reset": "is reset for both sides",
    "half": "is reset for the controller, and stays open for the computer",
    "hang": "stays open for both, and nothing passes",
    CABLE: "loses every packet for a while",
}


@dataclass
class Stretch:
    """What was sent in one go: from one byte to another."""

    begin: int
    end: int


@dataclass
class Cut:
    """One of them, by the controller's clock."""

    manner: str
    at_s: float
    noticed_s: float | None = None
    """Until the controller called the line lost."""
    back_s: float | None = None
    """Until bytes went over it again."""


@dataclass
class Report:
    """How it went.

    Attributes:
        outcome: of the computer.
        is_whole: whether what stands on its disk is what was sent, read from outside.
        seconds: from the order to the end.
        cuts: in order.
        stretches: of the payload, as they were sent.
        size_bytes: of the payload.
    """

    size_bytes: int
    outcome: str = ""
    is_whole: bool = False
    seconds: float = 0.0
    cuts: list[Cut] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def times(self) -> Counter[int]:
        """How often -> how many chunks were sent so often: a chunk counts as often as its most sent byte."""
        edges = sorted({edge for s in self.stretches for edge in (s.begin, s.end)})
        often: dict[int, int] = {}
        for begin, end in itertools.pairwise(edges):
            count = sum(s.begin <= begin and end <= s.end for s in self.stretches)
            for chunk in range(begin // CHUNK_BYTES, -(-end // CHUNK_BYTES)):
                often[chunk] = max(count, often.get(chunk, 0))
        return Counter(often.values())

    def is_good(self, cuts: int) -> bool:
        """Whether it was cut so often, and arrived whole for no more than twice of any chunk."""
        return self.outcome == "installed" and self.is_whole and len(self.cuts) == cuts and max(self.times) <= 2


class Watch:
    """The observer of the order: cuts the line where it is due, and looks at the clock."""

    def __init__(self, report: Report, manners: Sequence[str], cut: Callable[[str], None]) -> None:
        self._report = report
        self._cut = cut
        distance_bytes = report.size_bytes // (len(manners) + 1)
        self._due = [(distance_bytes * number, manner) for number, manner in enumerate(manners, 1)]

    def event(self, record: Record) -> None:
        if record["type"] == "line_lost" and self._last is not None and self._last.noticed_s is None:
            self._last.noticed_s = time.monotonic() - self._last.at_s

    def asked(self, host: str) -> None:
        """Nobody needs it here."""

    def pushing(self, host: str, name: str, sent_bytes: int, size_bytes: int) -> None:
        if size_bytes != self._report.size_bytes:
            return
        last = self._last
        if last is not None and last.noticed_s is not None and last.back_s is None:
            last.back_s = time.monotonic() - last.at_s
        if self._due and sent_bytes >= self._due[0][0] and (last is None or last.back_s is not None):
            _, manner = self._due.pop(0)
            self._report.cuts.append(Cut(manner, time.monotonic()))
            self._cut(manner)

    def ended(self, work: HostWork, result: HostResult) -> None:
        self._report.outcome = result.outcome

    @property
    def _last(self) -> Cut | None:
        return self._report.cuts[-1] if self._report.cuts else None


class Counting:
    """A channel that remembers which bytes of the payload are handed to it, whether they get through or not."""

    def __init__(self, channel: Any, report: Report) -> None:
        self._channel = channel
        self._report = report
        self._stretch: Stretch | None = None
        self.chunk_bytes = channel.chunk_bytes

    def write(self, data: bytes) -> None:
        if self._stretch is None:  # its line, and the first bytes with it
            head, _, content = data.partition(b"\n")
            at = int(decode(head)["offset"])
            self._stretch = Stretch(at, at + len(content))
            self._report.stretches.append(self._stretch)
        else:
            self._stretch.end += len(data)
        self._channel.write(data)


@contextmanager
def counted(report: Report) -> Iterator[None]:
    """Count what is sent of the payload while this holds."""
    real = contact.send

    def send(channel: Any, file: Any, wish: Any, size_bytes: int, progress: Any) -> None:
        counting = Counting(channel, report) if size_bytes == report.size_bytes else channel
        real(counting, file, wish, size_bytes, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contact, "send", send)
        yield


def push(
    lab: Lab, host: Host, folder: Path, *, size_bytes: int, manners: Sequence[str], away_s: float, dead_after_s: float
) -> Report:
    """Give the order; the line is cut as often as there are manners, at even distances.

    Args:
        lab: of the computer.
        host: it has nothing of ours yet.
        folder: a new one, for the order's own files.
        size_bytes: of the payload.
        manners: those of the forwarder, and `CABLE`; with nothing but `CABLE` there is no forwarder.
        away_s: how long the cable is pulled; longer than `dead_after_s`.
        dead_after_s: after what silence either side gives a line up.
    """
    folder.mkdir(parents=True)
    payload = folder / "besar.bin"
    payload.write_bytes(os.urandom(size_bytes))
    report = Report(size_bytes)
    is_direct = set(manners) <= {CABLE}
    with nullcontext() if is_direct else forwarded(lab, [host]) as lines:

        def cut(manner: str) -> None:
            if manner == CABLE:
                host.cut_line()
                threading.Timer(away_s, host.restore_line).start()
            else:
                assert lines is not None
                lines.cut(manner)

        inventory = lab.write_inventory(folder / "inventory.yaml", [host] if lines is None else list(lines.items()))
        order = Order(
            "install",
            [load_playbook(str(_playbook(folder / "playbook", payload)))],
            load_inventory(inventory).select("all"),
            1,
        )
        settings = Settings(
            home=folder / "home", database_url=f"sqlite:///{folder}/home/records.sqlite3", language="en", playbooks=()
        )
        options = Options(known_hosts=lab.folder / "known_hosts", dead_after_s=dead_after_s)
        with counted(report), lab.inside():
            result = execute(order, settings, Watch(report, manners, cut), threading.Event(), options=options)
    report.seconds = result.seconds
    if result.observer_failure is not None:
        raise result.observer_failure
    there = host.root / TARGET
    report.is_whole = there.exists() and filecmp.cmp(there, payload, shallow=False)
    return report


def _playbook(folder: Path, payload: Path) -> Path:
    variant = {
        "when": {"os": "linux"},
        "install": [{"file": {"path": f"/{TARGET}", "payload": "besar"}}],
        "test": [{"file": {"path": f"/{TARGET}"}}],
    }
    return write_playbook(folder, name="besar", version="1", payloads={"besar": payload}, variants=[variant])


def table(report: Report) -> str:
    """What stands in docs/chaos.md."""
    lines = ["| the line | times | noticed after, s | bytes again after, s |", "| --- | ---: | ---: | ---: |"]
    for manner in dict.fromkeys(cut.manner for cut in report.cuts):
        mine = [cut for cut in report.cuts if cut.manner == manner]
        columns = [_spread([cut.noticed_s for cut in mine]), _spread([cut.back_s for cut in mine])]
        lines.append(" | ".join([f"| {SAYS[manner]}", str(len(mine)), *columns]) + " |")
    sent_mb = sum(stretch.end - stretch.begin for stretch in report.stretches) / 1e6
    times = sorted(report.times.items())
    often = ", ".join(f"{chunks} {HOW_OFTEN.get(count, f'{count} times')}" for count, chunks in times)
    end = f"{report.outcome}, {'whole' if report.is_whole else 'NOT WHOLE'}"
    lines += [
        "",
        f"{len(report.cuts)} cuts, {report.seconds:.0f} s, {end}. Of {report.size_bytes / 1e6:.0f} MB {sent_mb:.1f} MB"
        f" were sent; chunks of {CHUNK_BYTES // 1024} KiB: {often}.",
        "",
    ]
    return "\n".join(lines)


def _spread(seconds: Sequence[float | None]) -> str:
    known = sorted(s for s in seconds if s is not None)
    return f"{known[0]:.1f} to {known[-1]:.1f}" if known else "not at all"


def main() -> int:
    """Both ways of cutting; 1 where the payload did not arrive whole, or a chunk was sent more than twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.line", description=__doc__)
    parser.add_argument("--mb", type=int, default=200, help="of the payload")
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--dead-after", type=float, default=Options().dead_after_s, help="seconds of silence")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("it needs root: its computers are the lab's", file=sys.stderr)
        return 2
    mixed = [*MANNERS, CABLE] * options.cuts
    good = True
    with tempfile.TemporaryDirectory() as folder, temporary_lab([HostSpec("pc1"), HostSpec("pc2")]) as lab:
        for host, manners in zip(lab.hosts.values(), (mixed, [CABLE] * options.cuts), strict=True):
            report = push(
                lab, host, Path(folder) / host.name, size_bytes=options.mb * 1000 * 1000,
                manners=manners[: options.cuts], away_s=options.dead_after + 5, dead_after_s=options.dead_after,
            )  # fmt: skip
            print(table(report), flush=True)
            good = good and report.is_good(options.cuts)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
