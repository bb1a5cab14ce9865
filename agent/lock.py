"""One run at a time on a computer: a lock that says whose it is, since when, and for how long yet.

The file holds the holder; a lock on it only guards the moment of changing it. A holder counts for as long as its
process lives, or the program that it has started for an action; besides, for a moment, while one process of a run
leaves the computer to the next; and for some minutes after a boot where the run is one that goes on with the computer.
A run that waits for a person's decision keeps nobody away, and still stands there: so that people know of it.

The file is written in place, over blocks that it has had since it was made: a full disk can take nothing from it.
"""

from __future__ import annotations

import os

from agent.host import native
from agent.journal import mono, now
from agent.light import json
from agent.light.contexts import contextmanager, suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

boot_id, started_at = native.boot_id, native.started_at
SIZE_BYTES = 4096
HANDING_OVER_S = 30
"""How long the computer is kept for a process that has been started and has not taken the lock yet."""
RETURNING_S = 600
"""How long after a boot it is kept for a run that goes on by itself."""
WORK, REBOOT, DECISION = "work", "reboot", "decision"
"""What a run has the computer for, or waits for."""


class Held(Exception):
    """Somebody else holds the computer; ``holder`` says who."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__("the computer is held")
        self.holder = holder


def alive(holder: dict[str, Any]) -> bool:
    """Whether the holder's process still lives."""
    return (
        holder.get("boot") == boot_id()
        and holder.get("began") is not None
        and started_at(holder["pid"]) == holder["began"]
    )


def is_ours(holder: dict[str, Any]) -> bool:
    """Whether this very process holds."""
    return holder.get("pid") == os.getpid() and alive(holder)


def returns(holder: dict[str, Any]) -> bool:
    """Whether the computer was just booted, and the holder is a run that goes on by itself."""
    return bool(holder.get("returns")) and holder["boot"] != boot_id() and mono() < RETURNING_S


def attended(holder: dict[str, Any]) -> bool:
    """Whether a process carries the holder's run out, or is about to."""
    return alive(holder) or (holder.get("boot") == boot_id() and mono() < holder.get("handed_until", 0))


def current(content: dict[str, Any]) -> dict[str, Any]:
    """The holder that counts, of what stands in the lock; empty where none does."""
    return content if attended(content) or returns(content) or leader(content.get("program")) else {}


def leader(program: dict[str, Any] | None) -> int:
    """The process of a program that stands in the lock, where it is still at work; 0 where it is not."""
    if not program or program["boot"] != boot_id():
        return 0
    from agent.host import trees  # who finds a lock free does without

    return trees.leader_of(program["pid"], program["mark"], program["since"])


@contextmanager
def changing(root: str) -> Iterator[dict[str, Any]]:
    """What stands in the lock, changed by nobody else meanwhile; what is in the dict at the end is written.

    Raises:
        OSError: there is no room for a lock where there was none before.
    """
    fd = os.open(os.path.join(root, "lock"), os.O_RDWR | os.O_CREAT | native.OWN, 0o600)
    try:
        native.lock(fd)
        content = parse(os.read(fd, 65536))
        before = dict(content)
        yield content
        if content != before:
            size_bytes = os.fstat(fd).st_size
            data = json.dumps(content).encode()
            data = data.ljust(max(size_bytes, -(-len(data) // SIZE_BYTES) * SIZE_BYTES))
            if size_bytes < len(data):
                native.allocate(fd, len(data))
            native.write_at(fd, data, 0)
            if bool(content.get("returns")) != bool(before.get("returns")):
                os.fsync(fd)  # after a power cut it is to be known, or to be gone; that is twice in a run
    finally:
        os.close(fd)


def parse(data: bytes) -> dict[str, Any]:
    """The bytes of the lock's file; nothing where they were torn or are not ours."""
    try:
        content = json.loads(data.rstrip(b"\0") or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def take(
    root: str,
    run: str,
    owner: str,
    *,
    host: str = "",
    lasts_s: float | None = None,
    why: str = WORK,
    goes_on: bool = False,
) -> None:
    """Hold the computer for a run; the same run may take it again, in the same process or a later one.

    Args:
        root: the agent's folder.
        run: the run's name.
        owner: whose it is.
        host: under which name the computer is worked on.
        lasts_s: how long the run takes at most by its plan; None where nobody knows.
        why: what for.
        goes_on: after a reboot it goes on by itself.

    Raises:
        Held: another run holds it, or another process of this run is at work.
    """
    with changing(root) as content:
        held = current(content)
        if held and not is_ours(held) and (held["run"] != run or alive(held)):
            raise Held(dict(held))
        waits = content.get("waits") or {}
        program = content.get("program") if content.get("run") == run else None
        since = {key: content.get(key) for key in ("since", "since_mono", "since_boot")}
        if content.get("run") != run:
            since = {"since": now(), "since_mono": mono(), "since_boot": boot_id()}
        if waits.get("run") == run:
            since = {key: waits[key] for key in since}
            waits = {}
        content.clear()
        content.update(
            since,
            run=run,
            owner=owner,
            host=host,
            why=why,
            ends=None if lasts_s is None else mono() + lasts_s,
            returns=goes_on,
            pid=os.getpid(),
            began=started_at(os.getpid()),
            boot=boot_id(),
            program=program,
            waits=waits,
        )


def note_program(root: str, program: dict[str, Any] | None) -> None:
    """Tell in the lock which program is at work for this run's action; None: none is. Only a holder's are told.

    On a disk that is full in spite of it, it goes without.

    Args:
        root: the agent's folder.
        program: ``pid`` (0 before it is known), ``mark`` and ``since`` as ``agent.host.trees.Tree`` takes them,
            ``timeout_s`` and ``stall_s`` as they were allowed to it.
    """
    with suppress(OSError), changing(root) as content:
        if is_ours(content):
            content["program"] = program and {**program, "boot": boot_id()}


def program_of(root: str) -> dict[str, Any] | None:
    """The program that was at work for this run's action when its last process died; None where none was."""
    with changing(root) as content:
        found: dict[str, Any] | None = content.get("program") if is_ours(content) else None
        return found


def hand_over(root: str) -> None:
    """Leave the computer to a process of the same run that is about to start: nobody else gets in between."""
    with changing(root) as content:
        if is_ours(content):
            content.update(began=None, handed_until=mono() + HANDING_OVER_S)


def release(root: str, *, waits_s: float | None = None, waits: bool = False) -> None:
    """Let go of the computer, where this process holds it.

    Args:
        root: the agent's folder.
        waits: the run now waits for a decision; it stays in the lock, and keeps nobody away.
        waits_s: for how long, before it decides by itself; None: until a person does.
    """
    with changing(root) as content:
        if not is_ours(content):
            return
        left = content.get("waits") or {}
        if waits:
            left = {k: content[k] for k in ("run", "owner", "host", "since", "since_mono", "since_boot", "boot")}
            left.update(why=DECISION, ends=None if waits_s is None else mono() + waits_s)
        content.clear()
        if left:
            content["waits"] = left


def read(root: str) -> dict[str, Any]:
    """Who holds the computer, or an empty dict."""
    with changing(root) as content:
        return dict(current(content))


def is_at_work(root: str, run: str) -> bool:
    """Whether a process of this run other than ours holds the computer, or is about to."""
    holder = read(root)
    return holder.get("run") == run and not is_ours(holder) and attended(holder)


def known(root: str) -> dict[str, Any]:
    """Whose the computer is, also where that keeps nobody away: as ``told``; empty where it is nobody's."""
    with changing(root) as content:
        waits = content.get("waits") or {}
        is_there = waits and os.path.isdir(os.path.join(root, "runs", waits["run"]))
        return told(current(content) or (waits if is_there else {}))


def told(holder: dict[str, Any]) -> dict[str, Any]:
    """A holder as others are told of it; empty where there is none.

    Returns:
        ``run``, ``owner``, ``host``, ``why`` (``work``, ``reboot`` or ``decision``), ``since`` (by the clock here),
        ``since_s`` (how long ago; None where only that clock could tell) and ``left_s``: for how long yet at most, None
        where nobody knows, less than nothing where it takes longer.
    """
    if not holder:
        return {}
    left_s = None
    if returns(holder):
        left_s = RETURNING_S - mono()
    elif holder.get("ends") is not None and holder.get("boot") == boot_id():
        left_s = holder["ends"] - mono()
    since_s = mono() - holder["since_mono"] if holder.get("since_boot") == boot_id() else None
    return {
        "run": holder["run"],
        "owner": holder["owner"],
        "host": holder.get("host") or "",
        "why": REBOOT if returns(holder) else holder.get("why") or WORK,
        "since": holder["since"],
        "since_s": None if since_s is None else round(since_s, 1),
        "left_s": None if left_s is None else round(left_s, 1),
    }
