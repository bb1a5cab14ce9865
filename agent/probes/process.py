"""Does it run: processes counted by name or command line, as a user, and whether they stay."""

from __future__ import annotations

import time

from agent.host import processes as running
from agent.probes import Answer, CannotTell, judged
from agent.probes.patterns import search, short
from agent.protocol import text
from agent.words import comma, line, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.host.processes import Process
    from agent.words import Words

LOOK_AGAIN_S = 0.1


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    what = spec.get("name") or short(spec.get("cmdline", ""))
    return text(f"Proses {what} berjalan", f"Process {what} runs")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Count the processes; where they must stay, wait until they are old enough.

    This process and those it descends from do not count: the software's name stands in their command line too.
    """
    at_least, at_most = limits(spec)
    try:
        user = running.user_number(spec.get("user"))
        found = [process for process in running.processes() if is_meant(process, spec)]
        family = running.own_family() if found else set()
        found = [process for process in found if process.pid not in family]
        if user is not None:
            found = [process for process in found if running.user_of(process) == user]
    except running.Unreadable as error:
        reason = text(f"daftar proses tidak dapat dibaca: {error}", f"processes cannot be listed: {error}")
        raise CannotTell(reason, final=True) from error
    except KeyError:
        return judged("0", text(f"pengguna {spec['user']} tidak ada", f"there is no user {spec['user']}"))
    if len(found) < at_least:
        return judged(listed(found), text("prosesnya tidak berjalan", "it does not run"))
    if at_most is not None and len(found) > at_most:
        return judged(listed(found), text("prosesnya terlalu banyak", "too many of it run"))
    stable_for_s = float(spec.get("stable_for_s") or 0)
    left = staying(found, at_least, stable_for_s) if stable_for_s and at_least else found
    reason = text(
        f"prosesnya berakhir sebelum berjalan {comma(f'{stable_for_s:g}')} detik",
        f"it ended before it had run for {stable_for_s:g} s",
    )
    return judged(listed(left), reason if len(left) < at_least else None)


def is_meant(process: Process, spec: dict[str, Any]) -> bool:
    """Whether a process is one of those asked for, by name or by command line."""
    name = spec.get("name")
    if name is not None:
        # The kernel keeps 15 characters of a name; the rest stands only in the command line.
        return name in process.names
    return bool(process.argv) and search(spec["cmdline"], " ".join(process.argv)) is not None


def limits(spec: dict[str, Any]) -> tuple[int, int | None]:
    """How many there must be at least, and at most (None: any number)."""
    count = spec.get("count") or {}
    at_most = count.get("at_most")
    usual = 1 if at_most is None else min(1, int(at_most))
    return int(count.get("at_least", usual)), None if at_most is None else int(at_most)


def staying(found: list[Process], at_least: int, stable_for_s: float) -> list[Process]:
    """Those that are still the same after enough of them have run for ``stable_for_s``; gives up when too few are left.

    What is old enough already needs no waiting: its age is a better proof than any we could wait for.
    """
    began = time.monotonic()
    ages = sorted((running.age_s(process) or 0.0 for process in found), reverse=True)
    until = began + max(0.0, stable_for_s - ages[at_least - 1])
    left = found
    while True:
        pause_s = until - time.monotonic()
        if pause_s <= 0:
            return left
        time.sleep(min(pause_s, LOOK_AGAIN_S))
        left = [process for process in left if is_same(process)]
        if len(left) < at_least:
            return left


def is_same(process: Process) -> bool:
    """Whether it still runs, and is not a later one with its number."""
    now = running.process_of(process.pid)
    return now is not None and now.started == process.started


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    at_least, at_most = limits(spec)
    parts: list[Words] = [
        f"≥ {at_least}" if at_most is None else f"{at_least}–{at_most}" if at_most != at_least else f"= {at_most}"
    ]
    if spec.get("user") is not None:
        parts.append(text(f"pengguna {spec['user']}", f"user {spec['user']}"))
    if spec.get("stable_for_s"):
        parts.append(seconds(f"{float(spec['stable_for_s']):g}"))
    return line(*parts)


def listed(found: list[Process]) -> str:
    """How many, and the first few by name and number."""
    if not found:
        return "0"
    some = ", ".join(f"{process.name} {process.pid}" for process in sorted(found)[:4])
    return f"{len(found)} ({some}{' …' if len(found) > 4 else ''})"
