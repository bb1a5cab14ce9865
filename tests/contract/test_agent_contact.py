"""The real agent on this computer, in a folder of its own: what is sent once, what is repaired, whose the lock is."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import VERSION
from controller import runtime
from controller.errors import AgentFault, Busy, HostError
from controller.run.contact import SILENCE, converse
from controller.transport import boot
from tests.contract.transports import Connection

PAYLOAD = b"isi yang dikirim\n" * 20_000
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()


@dataclass
class Talk:
    """One contact: what was said, what was sent."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    error: HostError | None = None
    pushed: dict[str, int] = field(default_factory=dict)
    """By digest: the bytes that went over the line."""
    sent_bytes: int = 0
    round_trips: int = 0

    @property
    def records(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if "seq" in frame]

    @property
    def end(self) -> dict[str, Any]:
        return self.records[-1]


class Computer:
    """This computer as a target: its agent's folder, and what is installed, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "agen"
        self.target = folder / "terpasang.txt"
        self.payload = folder / "isi.txt"
        self.payload.write_bytes(PAYLOAD)
        self.runtime = runtime.prepare(folder / "home")

    def blob(self, digest: str) -> Path:
        return self.runtime.path(digest) if self.runtime.owns(digest) else self.payload

    def talk(self, **job: Any) -> Talk:
        talk = Talk()
        starts: dict[str, int] = {}

        def progress(digest: str, sent_bytes: int, size_bytes: int) -> None:
            starts.setdefault(digest, sent_bytes)
            talk.pushed[digest] = sent_bytes

        said = {"do": "run", "id": "r1.salam", "owner": "ani@pusat", "root": str(self.root), "from": 0, **job}
        with boot(Connection("local", python=sys.executable)) as channel:
            try:
                for frame in converse(channel, said, runtime=self.runtime, blob=self.blob, progress=progress):
                    if frame is not SILENCE:
                        talk.frames.append(frame)
            except HostError as error:
                talk.error = error
            talk.sent_bytes, talk.round_trips = channel.sent_bytes, channel.round_trips
        return talk

    def facts(self, **job: Any) -> Talk:
        return self.talk(do="facts", **job)

    def install(self, name: str = "r1.salam", **job: Any) -> Talk:
        return self.talk(id=name, plan=self.plan(), **job)

    def plan(self, **changes: Any) -> dict[str, Any]:
        variant = {
            "when": {"os": "linux"},
            "requirements": {},
            "install": [{"kind": "file", "path": str(self.target), "payload": "isi", "state": "present"}],
            "run": [],
            "test": [{"kind": "file", "path": str(self.target), "exists": True}],
            "configure": {"actions": []},
            "verify": [],
            "watch": [],
        }
        return {
            "protocol": VERSION,
            "mode": "install",
            "run": "r1",
            "form": "FI-2026-000001",
            "software": {"name": "salam", "version": "1"},
            "location": "user",
            "payloads": {
                "isi": {"digest": DIGEST, "size_bytes": len(PAYLOAD), "file": "isi.txt", "format": "other", "meta": {}}
            },
            "variants": [variant],
            "decision": None,
            "policy": {"keep_days": 30},
            "secrets": [],
            "digest": "0" * 64,
            **changes,
        }

    @property
    def home(self) -> Path:
        return self.root / "agent" / self.runtime.agent

    def hold(self, **changes: Any) -> dict[str, Any]:
        """Write the lock as another run's agent would."""
        from agent.host.linux import boot_id
        from agent.lock import started_at

        pid = changes.get("pid", os.getpid())
        holder = {
            "run": "r9.lain",
            "owner": "rudi@loket",
            "since": "2026-11-22T03:00:00.000Z",
            "until": time.time() + 3600,
            "pid": pid,
            "began": started_at(pid),
            "boot": boot_id(),
            **changes,
        }
        self.root.mkdir(exist_ok=True)
        (self.root / "lock").write_text(json.dumps(holder))
        return holder


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def test_what_is_there_is_not_sent_again(computer: Computer) -> None:
    first = computer.install()
    assert first.error is None
    assert first.end["outcome"] == "installed"
    assert computer.target.read_bytes() == PAYLOAD
    assert set(first.pushed) == {computer.runtime.agent, DIGEST}
    assert first.round_trips <= 3
    again = computer.install("r2.salam")
    assert again.end["outcome"] == "already_installed"
    assert again.pushed == {}
    assert again.round_trips == 1
    assert again.sent_bytes < 8000


def test_the_journal_is_followed_from_any_record_on(computer: Computer) -> None:
    told = computer.install().records
    assert [r["seq"] for r in told] == list(range(1, len(told) + 1))
    for have in (0, 1, len(told) // 2, len(told) - 1, len(told), len(told) + 5):
        again = computer.talk(**{"from": have, "plan": None})
        assert again.error is None
        assert again.records == told[have:]


@pytest.mark.parametrize("damage", ["changed", "added", "removed", "cut"])
def test_a_damaged_agent_is_put_right_before_it_runs(computer: Computer, damage: str) -> None:
    computer.facts()
    victim = computer.home / "agent" / "lock.py"
    whole = victim.read_bytes()
    if damage == "changed":
        victim.write_bytes(whole + b"\nraise SystemExit(3)\n")
    elif damage == "added":
        (computer.home / "agent" / "json.py").write_text("raise SystemExit(3)\n")
    elif damage == "removed":
        victim.unlink()
    else:
        victim.write_bytes(whole[:100])
    talk = computer.facts()
    assert talk.error is None
    assert talk.frames[0]["facts"]["os"] == "linux"
    assert set(talk.pushed) == {computer.runtime.agent}
    assert victim.read_bytes() == whole
    assert not (computer.home / "agent" / "json.py").exists()
    assert computer.facts().pushed == {}


def test_an_agent_that_arrives_damaged_is_refused(computer: Computer) -> None:
    path = computer.runtime.path(computer.runtime.agent)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    talk = computer.facts()
    assert isinstance(talk.error, AgentFault)
    assert "damaged" in talk.error.say("en")
    assert not computer.home.exists()


def test_half_a_payload_is_gone_on_with(computer: Computer) -> None:
    computer.facts()
    (computer.root / "blobs" / f"{DIGEST}.part").write_bytes(PAYLOAD[:123_456])
    talk = computer.install()
    assert talk.end["outcome"] == "installed"
    assert talk.sent_bytes < len(PAYLOAD) - 123_456 + 16_000
    assert computer.target.read_bytes() == PAYLOAD
    assert not (computer.root / "blobs" / f"{DIGEST}.part").exists()


@pytest.mark.parametrize("half", [b"x" * 123_456, PAYLOAD + b"zu viel"])
def test_a_half_that_is_damaged_is_sent_anew(computer: Computer, half: bytes) -> None:
    computer.facts()
    (computer.root / "blobs" / f"{DIGEST}.part").write_bytes(half)
    talk = computer.install()
    assert talk.end["outcome"] == "installed"
    assert computer.target.read_bytes() == PAYLOAD


def test_a_payload_that_is_not_what_was_promised_is_not_installed(computer: Computer) -> None:
    computer.payload.write_bytes(PAYLOAD[:-1] + b"!")
    talk = computer.install()
    assert talk.end["outcome"] == "rolled_back"
    assert "damaged" in talk.end["reason"]["en"]
    assert not computer.target.exists()
    assert list((computer.root / "blobs").glob(f"{DIGEST}*")) == []


def test_a_kept_payload_that_was_changed_is_not_used(computer: Computer) -> None:
    computer.facts()
    (computer.root / "blobs" / DIGEST).write_bytes(PAYLOAD[:-1] + b"!")
    talk = computer.install()
    assert talk.end["outcome"] == "installed"
    assert talk.pushed == {DIGEST: len(PAYLOAD)}, "it is had again"
    assert computer.target.read_bytes() == PAYLOAD


def test_the_lock_of_a_living_run_says_whose_and_since_when(computer: Computer) -> None:
    computer.hold()
    talk = computer.install()
    assert isinstance(talk.error, Busy)
    assert "rudi@loket" in talk.error.say("en")
    assert "2026-11-22T03:00:00" in talk.error.say("id")
    assert talk.records == []
    assert not computer.target.exists()
    holder = computer.facts().frames[0]["holder"]
    assert (holder["run"], holder["owner"]) == ("r9.lain", "rudi@loket")


def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize("why", ["process gone", "number used again", "other boot", "handed to nobody", "torn"])
def test_the_lock_of_a_dead_run_is_taken(computer: Computer, why: str) -> None:
    if why == "process gone":
        computer.hold(pid=ended_pid(), began="1")
    elif why == "number used again":
        computer.hold(began="1")
    elif why == "other boot":
        computer.hold(boot="11111111-2222-3333-4444-555555555555")
    elif why == "handed to nobody":
        computer.hold(pid=ended_pid(), began="1", handed_until=time.time() - 1)
    else:
        computer.root.mkdir()
        (computer.root / "lock").write_bytes(b'{"run": "r9.la')
    assert computer.install().end["outcome"] == "installed"
    assert computer.facts().frames[0]["holder"] == {}


def test_a_run_at_work_is_followed_by_whoever_comes(computer: Computer) -> None:
    """A second controller, or the same after a lost line, while the detached agent works."""
    slow = computer.plan()
    slow["variants"][0]["run"] = [
        {"kind": "command", "argv": ["sleep", "1"], "timeout_s": 30, "undo": {"argv": ["true"]}}
    ]
    said = {"do": "run", "id": "r1.salam", "owner": "ani@pusat", "root": str(computer.root), "plan": slow}
    with boot(Connection("local", python=sys.executable)) as channel:
        frames = converse(channel, said, runtime=computer.runtime, blob=computer.blob, progress=lambda *_: None)
        first = []
        for frame in frames:
            first.append(frame)
            if frame.get("type") == "intent" and frame["section"] == "run":
                break
    talk = computer.talk(plan=slow, **{"from": len([f for f in first if "seq" in f])})
    assert talk.error is None
    assert talk.end["outcome"] == "installed"
    told = [f for f in first if "seq" in f] + talk.records
    assert [r["seq"] for r in told] == list(range(1, len(told) + 1))
    assert sum(r["type"] == "agent_started" for r in told) == 2, "the one that looked and the one that worked"


def test_a_run_that_is_not_here(computer: Computer) -> None:
    talk = computer.talk(plan=None)
    assert isinstance(talk.error, AgentFault)
    assert talk.error.outcome == "not_started"


def test_another_protocol_is_refused_in_words(computer: Computer) -> None:
    talk = computer.facts(protocol=VERSION + 1)
    assert isinstance(talk.error, AgentFault)
    assert f"protocol {VERSION + 1}" in talk.error.say("en")


def test_a_folder_that_cannot_be_written(computer: Computer) -> None:
    (computer.folder / "berkas").write_text("")
    computer.root = computer.folder / "berkas" / "agen"
    talk = computer.facts()
    assert isinstance(talk.error, AgentFault)
    assert talk.error.outcome == "not_eligible"
    assert str(computer.root) in talk.error.say("id")
    assert "tidak dapat ditulis" in talk.error.say("id")


@pytest.fixture
def small(computer: Computer) -> Iterator[Computer]:
    """A computer whose agent has 32 MB of disk."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a small file system")
    computer.root.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", computer.root], capture_output=True)
    if made.returncode:
        pytest.skip(f"no mounting here: {made.stderr.decode()}")
    try:
        yield computer
    finally:
        subprocess.run(["umount", "--lazy", computer.root], check=True)


def fill(folder: Path, *, leave_bytes: int) -> Path:
    ballast = folder / "penuh"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ballast.write_bytes(b"\0" * (free - leave_bytes))
    return ballast


def test_a_disk_too_full_for_the_agent(small: Computer) -> None:
    ballast = fill(small.root, leave_bytes=16384)
    talk = small.facts()
    assert isinstance(talk.error, AgentFault)
    assert talk.error.outcome == "not_eligible"
    assert "No space left" in talk.error.say("en")
    ballast.unlink()
    assert small.facts().error is None


def test_a_disk_too_full_for_the_payload(small: Computer) -> None:
    small.facts()
    ballast = fill(small.root, leave_bytes=320_000)
    talk = small.install()
    if talk.error is not None:  # the line may end while the payload is still being sent; the journal tells
        talk = small.talk(plan=None)
    assert talk.end["outcome"] in ("rolled_back", "not_eligible")
    assert "No space left" in json.dumps(talk.end["reason"])
    assert not small.target.exists()
    assert list((small.root / "blobs").glob("*.part")) == []
    ballast.unlink()
    assert small.install("r2.salam").end["outcome"] == "installed"


USE = """\
import json, os, sys
sys.path.insert(0, sys.argv[1])
from agent.host.linux import LinuxHost
host = LinuxHost(sys.argv[2])
host.psutil_digest = sys.argv[3]
module = host.psutil()
print(json.dumps(None if module is None else [module.__file__, module.virtual_memory().total]))
"""


def test_psutil_is_sent_once_unpacked_and_used(computer: Computer) -> None:
    (wheel,) = computer.runtime.psutil.values()
    assert wheel in computer.facts(psutil=computer.runtime.psutil).pushed
    assert computer.facts(psutil=computer.runtime.psutil).pushed == {}

    def used() -> Any:
        argv = [sys.executable, "-I", "-S", "-c", USE, str(computer.home), str(computer.root), wheel]
        return json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)

    path, total_bytes = used()
    assert path.startswith(str(computer.root / "psutil" / wheel))
    assert total_bytes > 1e6


def test_a_damaged_wheel_is_not_used(computer: Computer) -> None:
    (wheel,) = computer.runtime.psutil.values()
    computer.facts(psutil=computer.runtime.psutil)
    kept = computer.root / "blobs" / wheel
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    argv = [sys.executable, "-I", "-S", "-c", USE, str(computer.home), str(computer.root), wheel]
    assert json.loads(subprocess.run(argv, check=True, capture_output=True).stdout) is None
    assert wheel in computer.facts(psutil=computer.runtime.psutil).pushed, "and it is had again"


def test_cleaning_leaves_what_the_way_back_needs(computer: Computer) -> None:
    computer.install()
    talk = computer.talk(do="clean", id="clean")
    assert talk.frames[0]["removed_bytes"] > len(PAYLOAD)
    assert (computer.root / "installed").is_dir()
    assert (computer.root / "runs" / "r1.salam" / "journal.ndjson").exists()
    assert computer.install("r2.salam").end["outcome"] == "already_installed"
    computer.hold()
    assert isinstance(computer.talk(do="clean", id="clean").error, Busy)
    (computer.root / "lock").unlink()
    computer.talk(do="clean", id="clean", all=True)
    assert sorted(p.name for p in computer.root.iterdir()) == ["lock"]
