"""Many computers at once: a thread each, up to a limit; one bad computer never stops the others."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from controller.errors import Busy, RecordError
from controller.records import OPEN_OUTCOMES
from controller.run.endings import end, not_started, stopped_before
from controller.run.host import run_host
from controller.run.listener import Listener
from controller.run.work import Desk, HostResult, HostWork, is_as_asked
from controller.text import Text

FORKS = 50
"""Computers worked on at once. Each costs the controller two threads and some milliseconds; the targets do the work."""
AGAIN_S = 5.0
"""How often a computer that is held is tried again."""


@dataclass
class Turn:
    """One computer's works, and how far they are."""

    queue: Sequence[HostWork]
    results: list[tuple[HostWork, HostResult]] = field(default_factory=list)
    held_at: float | None = None
    """Since when the next work has been waiting for somebody else's; None where it has not."""
    told: object = None
    """Whose work that is, as it was recorded."""
    due: float = 0.0
    """When it is tried again."""

    @property
    def is_over(self) -> bool:
        """Whether every work has its result."""
        return len(self.results) == len(self.queue)


def run_fleet(
    queues: Sequence[Sequence[HostWork]],
    desk: Desk,
    leave: threading.Event,
    *,
    forks: int = FORKS,
    wait_s: float = 0.0,
) -> list[tuple[HostWork, HostResult]]:
    """Carry out each computer's works in order; a computer that fails one does not begin the next.

    Args:
        queues: one sequence a computer.
        desk: what they share.
        leave: set it (Ctrl-C does) to leave: nothing new begins, what runs is left to finish by itself.
        forks: how many computers at once. Computers that are waited for do not count.
        wait_s: how long a computer that somebody else works on is waited for, while the others go on.

    Returns:
        A result for every work, in the order given.

    Raises:
        RecordError: the record cannot be kept; nothing new was begun after that.
    """
    turns = [Turn(queue) for queue in queues]
    fleet = _Fleet(desk, leave, wait_s)
    with ThreadPoolExecutor(max_workers=max(1, min(forks, len(queues))), thread_name_prefix="host") as pool:
        fleet.go_round(turns, pool)
    if fleet.broken:
        raise fleet.broken[0]
    return [pair for turn in turns for pair in turn.results]


class _Fleet:
    """What the turns of many computers share, and how they come up again."""

    def __init__(self, desk: Desk, leave: threading.Event, wait_s: float) -> None:
        self.desk = desk
        self.leave = leave
        self.wait_s = wait_s
        self.broken: list[RecordError] = []
        """Why the record cannot be kept: nothing new begins."""

    def go_round(self, turns: Sequence[Turn], pool: ThreadPoolExecutor) -> None:
        """Every turn to its end; those whose computer is held by somebody else again and again meanwhile."""
        later: list[Turn] = []
        pending = {pool.submit(self.carry, turn): turn for turn in turns}
        while pending or later:
            try:
                if not pending and not self.leave.is_set():
                    soonest = min(turn.due for turn in later)
                    self.desk.patience.pause(self.leave, max(0.0, soonest - self.desk.patience.monotonic()))
                done, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                self.leave.set()
                continue
            later += [turn for turn in self.ended(pending, done) if not turn.is_over]
            now = self.desk.patience.monotonic()
            for turn in [turn for turn in later if self.leave.is_set() or turn.due <= now]:
                later.remove(turn)
                pending[pool.submit(self.carry, turn)] = turn

    def ended(self, pending: dict[Future[None], Turn], done: Iterable[Future[None]]) -> Iterator[Turn]:
        """The turns whose threads have ended well.

        Raises:
            Exception: what nobody foresaw; nothing new begins.
        """
        for future in done:
            turn = pending.pop(future)
            error = future.exception()
            if error is None:
                yield turn
            elif error not in self.broken:
                self.leave.set()
                raise error

    def carry(self, turn: Turn) -> None:
        """Go on with a computer as far as that goes now."""
        try:
            self.go_on(turn)
            self.desk.let_go(turn.queue[0].host)
        except RecordError as error:
            self.broken.append(error)
            self.leave.set()
            raise

    def go_on(self, turn: Turn) -> None:
        """One work after the other, to the end or to one whose computer somebody else holds."""
        desk = self.desk
        for work in turn.queue[len(turn.results) :]:
            before = turn.results[-1] if turn.results else None
            if self.leave.is_set() or self.broken:
                result = stopped_before(work)
                desk.observer.ended(work, result)
            elif before is None or work.earlier is not None or is_as_asked(*before):
                now = desk.patience.monotonic()
                try:
                    result = run_host(work, desk, self.leave, waits=now < (turn.held_at or now) + self.wait_s)
                except Busy as busy:
                    self.put_off(turn, work, busy, now)
                    return
            elif before[1].outcome in OPEN_OUTCOMES:
                result = not_started(work, Text("yang sebelumnya belum selesai", "the one before it has not ended"))
                desk.observer.ended(work, result)
            else:
                reason = Text("yang sebelumnya gagal", "the one before it failed")
                result = end(Listener(desk, work), not_started(work, reason))
            turn.results.append((work, result))
            turn.held_at = None

    def put_off(self, turn: Turn, work: HostWork, busy: Busy, now: float) -> None:
        """Try a computer again later; whose work is waited for is recorded once."""
        turn.held_at = turn.held_at or now
        turn.due = min(now + AGAIN_S, turn.held_at + self.wait_s)
        if turn.told != busy.holder.get("run"):
            turn.told = busy.holder.get("run")
            self.desk.record("held", work, reason=busy.what.as_json(), holder=busy.holder, wait_s=self.wait_s)
