"""Many computers at once: a thread each, up to a limit; one bad computer never stops the others."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from controller.errors import RecordError
from controller.run.host import Listener, end, not_started, run_host
from controller.run.work import GOOD, Desk, HostResult, HostWork
from controller.text import Text

FORKS = 50
"""Computers worked on at once. Each costs the controller two threads and some milliseconds; the targets do the work."""


def run_fleet(
    queues: Sequence[Sequence[HostWork]],
    desk: Desk,
    leave: threading.Event,
    *,
    forks: int = FORKS,
    seen: dict[str, int] | None = None,
) -> list[tuple[HostWork, HostResult]]:
    """Carry out each computer's works in order; a computer that fails one does not begin the next.

    Args:
        queues: one sequence a computer.
        desk: what they share.
        leave: set it (Ctrl-C does) to leave: nothing new begins, what runs is left to finish by itself.
        forks: how many computers at once.
        seen: by form, how many of the agent's records we have.

    Returns:
        A result for every work, in the order given.

    Raises:
        RecordError: the record cannot be kept; nothing new was begun after that.
    """
    broken: list[RecordError] = []

    def carry(queue: Sequence[HostWork]) -> list[tuple[HostWork, HostResult]]:
        results: list[tuple[HostWork, HostResult]] = []
        for work in queue:
            earlier = results[-1][1].outcome if results else "installed"
            if leave.is_set() or broken:
                result = not_started(work, Text("dihentikan sebelum dimulai", "stopped before it began"))
            elif earlier not in GOOD:
                result = end(
                    Listener(desk, work), not_started(work, Text("yang sebelumnya gagal", "the one before it failed"))
                )
            else:
                result = run_host(work, desk, leave, seen=(seen or {}).get(work.form, 0))
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
                if isinstance(error, RecordError):
                    broken.append(error)
                    leave.set()
                elif error is not None:
                    leave.set()
                    raise error
    if broken:
        raise broken[0]
    return [pair for future in futures for pair in future.result()]
