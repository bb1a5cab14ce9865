"""The real agent on this computer, in a folder of its own: what is sent once, what is repaired, whose the lock is."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.journal import mono
from agent.protocol import VERSION
from controller.errors import AgentFault, Busy, LineLost
from controller.run.contact import converse
from controller.text import Text
from controller.transport import boot
from tests.contract.agents import DIGEST, PAYLOAD, Computer, Talk
from tests.contract.transports import Connection


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def test_what_is_there_is_not_sent_again(computer: Computer) -> None:
    first = computer.install()
    assert first.error is None
    assert first.end["outcome"] == "installed"
    assert computer.target.read_bytes() == PAYLOAD
    assert set(first.pushed) == {computer.compiled, DIGEST}
    assert first.round_trips <= 3
    again = computer.install("r2.salam")
    assert again.end["outcome"] == "already_installed"
    assert again.pushed == {}
    assert again.round_trips == 1
    assert again.sent_bytes < 8000


def test_the_journal_is_followed_from_any_record_on(computer: Computer) -> None:
    told = computer.install().records
    assert [r["seq"] for r in told] == list(range(1, len(told) + 1))
    for have in (0, 1, len(told) // 2, len(told) - 1, len(told)):
        again = computer.talk(**{"from": have, "plan": None})
        assert again.error is None
        assert again.records == told[have:]


@pytest.mark.parametrize("damage", ["changed", "removed", "cut", "emptied"])
def test_a_damaged_agent_is_put_right_before_it_runs(computer: Computer, damage: str) -> None:
    computer.facts()
    whole = computer.agent.read_bytes()
    if damage == "removed":
        computer.agent.unlink()
    else:
        changed = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
        computer.agent.write_bytes({"changed": changed, "cut": whole[:-1], "emptied": b""}[damage])
    talk = computer.facts()
    assert talk.error is None
    assert talk.frames[0]["facts"]["os"] == "linux"
    assert set(talk.pushed) == {computer.compiled}
    assert computer.agent.read_bytes() == whole
    assert computer.facts().pushed == {}


def test_a_computer_with_another_python_compiles_the_agent_itself(computer: Computer) -> None:
    made = computer.runtime
    other = dataclasses.replace(made.agents["linux"], compiled={"00000d0a": computer.compiled})
    computer.runtime = dataclasses.replace(made, agents={**made.agents, "linux": other})
    talk = computer.facts()
    assert talk.error is None
    assert set(talk.pushed) == {made.agents["linux"].archive}
    assert computer.facts().pushed == {}


def test_an_agent_that_arrives_damaged_is_refused(computer: Computer) -> None:
    path = computer.runtime.path(computer.compiled)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    talk = computer.facts()
    assert isinstance(talk.error, AgentFault)
    assert "damaged" in talk.error.say("en")
    assert not computer.agent.exists()


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
    assert "staf@loket" in talk.error.say("en")
    assert "2026-11-22T03:00:00" in talk.error.say("id")
    assert talk.records == []
    assert not computer.target.exists()
    holder = computer.facts().frames[0]["holder"]
    assert (holder["run"], holder["owner"]) == ("r9.lain", "staf@loket")


def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "why", ["process gone", "number used again", "other boot", "handed to nobody", "handed before a reboot", "torn"]
)
def test_the_lock_of_a_dead_run_is_taken(computer: Computer, why: str) -> None:
    if why == "process gone":
        computer.hold(pid=ended_pid(), began="1")
    elif why == "number used again":
        computer.hold(began="1")
    elif why == "other boot":
        computer.hold(boot="11111111-2222-3333-4444-555555555555")
    elif why == "handed to nobody":
        computer.hold(pid=ended_pid(), began=None, handed_until=mono() - 1)
    elif why == "handed before a reboot":
        computer.hold(began=None, handed_until=mono() + 3600, boot="11111111-2222-3333-4444-555555555555")
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


def test_a_line_of_which_only_one_side_knows_that_it_is_lost(computer: Computer) -> None:
    """The first contact waits for bytes that never come; the next one of the same run waits until it has noticed."""
    computer.facts()
    said = {"do": "run", "id": "r1.salam", "owner": "ani@pusat", "root": str(computer.root), "plan": computer.plan()}

    def stay(digest: str) -> Path:
        assert digest == DIGEST
        waiting.append(computer.install(silence_s=2))
        raise LineLost(Text("putus", "lost"))

    waiting: list[Talk] = []
    with boot(Connection("local", python=sys.executable)) as channel:
        frames = converse(
            channel, {**said, "silence_s": 2}, runtime=computer.runtime, blob=stay, progress=lambda *_: None
        )
        first = []
        with pytest.raises(LineLost):
            first.extend(frames)
    (talk,) = waiting
    assert talk.error is None
    assert talk.end["outcome"] == "installed"
    assert computer.target.read_bytes() == PAYLOAD
    starts = [r["seq"] for r in talk.records if r["type"] == "agent_started" and not r["detached"]]
    assert len(starts) == 2, "the one that waited in vain, and the one that came after it"
    assert [r["seq"] for r in talk.records] == list(range(1, len(talk.records) + 1))


def test_a_contact_that_does_not_go_is_not_waited_for_for_ever(computer: Computer) -> None:
    computer.facts()
    computer.hold(run="r1.salam", owner="ani@pusat")
    talk = computer.install(silence_s=-4.5)  # of which half a second of grace is left
    assert isinstance(talk.error, Busy)
    assert "ani@pusat" in talk.error.say("en")


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
import marshal
with open(sys.argv[1], "rb") as file:
    exec(marshal.loads(file.read()[16:]), {"__name__": "bundle", "__file__": sys.argv[1]})
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
        argv = [sys.executable, "-I", "-S", "-c", USE, str(computer.agent), str(computer.root), wheel]
        return json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)

    path, total_bytes = used()
    assert path.startswith(str(computer.root / "psutil" / wheel))
    assert total_bytes > 1e6


def test_a_damaged_wheel_is_not_used(computer: Computer) -> None:
    (wheel,) = computer.runtime.psutil.values()
    computer.facts(psutil=computer.runtime.psutil)
    kept = computer.root / "blobs" / wheel
    kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    argv = [sys.executable, "-I", "-S", "-c", USE, str(computer.agent), str(computer.root), wheel]
    assert json.loads(subprocess.run(argv, check=True, capture_output=True).stdout) is None
    assert wheel in computer.facts(psutil=computer.runtime.psutil).pushed, "and it is had again"


def test_a_computer_that_knows_less_than_it_told_needs_a_person(computer: Computer) -> None:
    told = computer.install().end["seq"]
    journal = computer.root / "runs" / "r1.salam" / "journal.ndjson"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-4]))
    before = journal.read_bytes()
    talk = computer.talk(plan=None, **{"from": told})
    assert isinstance(talk.error, AgentFault)
    assert talk.error.outcome == "needs_person"
    assert f"({told - 4}) than what was received of it ({told})" in talk.error.what.en
    assert talk.frames == []
    assert journal.read_bytes() == before, "two stories under the same numbers would be one too many"


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


def test_one_run_is_carried_out_under_one_name(computer: Computer) -> None:
    """The computer stands in the inventory twice: its second form is not filled with the work of the first."""
    assert computer.install(host="pc1").end["outcome"] == "installed"
    again = computer.install(host="pc-lama")
    assert isinstance(again.error, AgentFault)
    assert again.error.outcome == "not_started"
    assert "pc1" in again.error.say("id")
    assert again.records == []
    assert computer.facts().frames[0]["holder"] == {}
    assert computer.talk(plan=None, host="pc1").end["outcome"] == "installed"
    assert computer.install("r2.salam", host="pc-lama").end["outcome"] == "already_installed"


def test_a_run_that_waits_for_a_person_is_known_and_in_nobodys_way(computer: Computer) -> None:
    asking = computer.plan()
    more = {"kind": "file", "path": f"{computer.target}.2", "content": "halo", "state": "present"}
    asking["variants"][0]["configure"] = {"decision": "ask", "actions": [more]}
    assert computer.talk(plan=asking, host="pc1", lasts_s=60).end["type"] == "waiting"

    def holder() -> tuple[Any, ...]:
        told = computer.facts().frames[0]["holder"]
        return tuple(told.get(key) for key in ("run", "owner", "host", "why"))

    assert holder() == ("r1.salam", "ani@pusat", "pc1", "decision")
    assert computer.install("r2.salam").end["outcome"] == "already_installed"
    assert holder() == ("r1.salam", "ani@pusat", "pc1", "decision")
    decision = {"configure": True, "by": "ani", "reason": {"id": "perlu", "en": "needed"}}
    assert computer.talk(plan=None, host="pc1", decision=decision).end["outcome"] == "installed"
    assert holder() == (None,) * 4
