"""What probes are asked of in tests: a clock that only sleep moves, a /proc made of files, programs with one answer."""

from __future__ import annotations

from agent.host import processes
from agent.program import Result
from agent.redact import NOTHING

SINCE = {"at": 1_000_000.0, "logs": {}}
MISSING = FileNotFoundError(2, "No such file or directory")


class Clock:
    """Time that passes only in sleep; what is to happen meanwhile happens then."""

    def __init__(self):
        self.now = 0.0
        self.events = []

    def monotonic(self):
        return self.now

    def time(self):
        return SINCE["at"] + 60 + self.now

    def sleep(self, seconds):
        self.now += seconds
        for at, happen in list(self.events):
            if at <= self.now:
                self.events.remove((at, happen))
                happen()


class Computer:
    """Processes as files of /proc."""

    def __init__(self, folder, monkeypatch, clock):
        self.folder = folder
        self.clock = clock
        monkeypatch.setattr(processes, "PROC", str(folder))
        monkeypatch.setattr(processes, "age_s", lambda one: self.clock.now - int(one.started) / 100)
        monkeypatch.setattr(processes.os, "getpid", lambda: 1000)

    def start(self, pid, name, argv=(), *, state="S", parent=1, uid=0, started_s=0.0):
        folder = self.folder / str(pid)
        folder.mkdir()
        ticks = int(started_s * 100)
        (folder / "stat").write_text(f"{pid} ({name}) {state} {parent} " + "0 " * 17 + f"{ticks} 0 0\n")
        (folder / "cmdline").write_text("".join(word + "\0" for word in argv))
        (folder / "status").write_text(f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")

    def end(self, pid):
        for file in (self.folder / str(pid)).iterdir():
            file.unlink()
        (self.folder / str(pid)).rmdir()


class Programs:
    """A host whose programs all answer alike."""

    secrets = NOTHING

    def __init__(self, code=0, out="", err="", trouble=None, packages=()):
        self.answer = (code, out, err)
        self.trouble = trouble
        self.asked = []
        self.known = dict(packages)

    def run(self, argv, **words):
        self.asked.append((argv, words))
        if self.trouble:
            raise self.trouble
        return Result(argv, *self.answer, 0.5)

    def packages(self):
        return self.known
