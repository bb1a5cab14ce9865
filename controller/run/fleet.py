"""Many computers at once: a thread each, up to a limit; one bad computer never stops the others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from controller.errors import RecordError
from controller.run.endings import end, not_started, stopped_before
from controller.run.host import run_host
from controller.run.listener import Listener
from controller.run.work import UNKNOWN, Desk, HostResult, HostWork, is_as_asked
from controller.text import Text

FORKS = 50
"""Computers worked on at once. Each costs the controller two threads and some milliseconds; the targets do the work."""


def run_fleet(
    queues: Sequence[Sequence[HostWork]],
    desk: Desk,
    leave: threading.Event,
    *,
    forks: int = FORKS,
) -> list[tuple[HostWork, HostResult]]:
    """Carry out each computer's works in order; a computer that fails one does not begin the next.

    Args:
        queues: one sequence a computer.
        desk: what they share.
        leave: set it (Ctrl-C does) to leave: nothing new begins, what runs is left to finish by itself.
        forks: how many computers at once.

    Returns:
        A result for every work, in the order given.

    Raises:
        RecordError: the record cannot be kept; nothing new was begun after that.
    """
    broken: list[RecordError] = []

    def carry(queue: Sequence[HostWork]) -> list[tuple[HostWork, HostResult]]:
        results: list[tuple[HostWork, HostResult]] = []
        for work in queue:
            before = results[-1] if results else None
            if leave.is_set() or broken:
                result = stopped_before(work)
                desk.observer.ended(work, result)
            elif before is None or work.earlier is not None or is_as_asked(*before):
                try:
                    result = run_host(work, desk, leave)
                except RecordError as error:
                    broken.append(error)
                    leave.set()
                    raise
            elif before[1].outcome in UNKNOWN:
                result = not_started(work, Text("yang sebelumnya belum selesai", "the one before it has not ended"))
                desk.observer.ended(work, result)
            else:
                reason = Text("yang sebelumnya gagal", "the one before it failed")
                result = end(Listener(desk, work), not_started(work, reason))
            results.append((work, result))
        return results

    with ThreadPoolExecutor(max_workers=max(1, min(forks, len(queues))), thread_name_prefix="host") as pool:
        futures: list[Future[list[tuple[HostWork, HostResult]]]] = [pool.submit(carry, queue) for queue in queues]
        pending = set(futures)
        while pending:
            try:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                leave.set()
                continue
            for future in done:
                error = future.exception()
                if error is not None and error not in broken:
                    leave.set()
                    raise error
    if broken:
        raise broken[0]
    return [pair for future in futures for pair in future.result()]
