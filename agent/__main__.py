"""The agent's two lives: ``contact`` on the controller's line, and ``run`` in a process that outlives it.

A contact works by itself for as long as it only looks. Before the first effect it hands the run to a detached process
and follows that one's journal; whoever comes later does the same from any record on.
"""

from __future__ import annotations

import os
import sys
import time

from agent import alone, asleep, lock, reserve, stopping
from agent.host import boot, native, this_host
from agent.inbox import SILENCE_S, Inbox, Outbox
from agent.journal import Journal, ended, read_lines
from agent.ledger import Ledger
from agent.light import json
from agent.light.contexts import suppress
from agent.payloads import fetch
from agent.procedure import Procedure
from agent.protocol import VERSION, ProtocolError, encode, text
from agent.redact import Redactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from agent.host import Host

GRACE_S = 5.0
"""What an earlier contact may take to leave once it has noticed that its line is lost."""
WAIT_S = 0.1
TURN_S = 5.0
"""How often a run that goes on by itself looks whether another one has done its work here."""
FALLS_IN_VAIN = 6
"""After so many unasked boots nothing is gone on with by itself: even the way back brings the computer down."""


class Detach(BaseException):
    """The next thing is an effect: it belongs to a process that outlives the line."""


def contact(job: dict[str, Any], stream: BinaryIO) -> None:
    """One contact of a controller: begin or go on with a run, follow it to its end; or look, or clean up.

    Args:
        job: the first frame: ``do``, ``id``, ``root``, ``from`` (records the controller already has), ``plan`` …
        stream: what the controller sends after it.
    """
    outbox = Outbox(sys.stdout.buffer)
    try:
        check_version(job)
        host = this_host(job["root"])
        host.psutil_digest = job.get("psutil")
        {"run": do_run, "facts": do_facts, "clean": do_clean, "stop": do_stop}[job["do"]](
            job, host, Inbox(stream, job.get("silence_s", SILENCE_S)), outbox
        )
    except lock.Held as held:
        outbox.send({"answer": "fault", "code": "busy", "holder": lock.told(held.holder)})
    except (BrokenPipeError, ConnectionError, KeyboardInterrupt):
        return
    except ProtocolError as error:
        reason = text(
            f"pengendali dan agen tidak saling mengerti: {error}", f"controller and agent do not agree: {error}"
        )
        outbox.send({"answer": "fault", "code": "protocol", "reason": reason})
    except OSError as error:
        reason = text(f"penyimpanan agen: {error}", f"the agent's storage: {error}")
        outbox.sync = lambda: None  # it may be the very thing that fails
        outbox.send({"answer": "fault", "code": "storage", "reason": reason})
    outbox.send({"answer": "end"})


def check_version(job: dict[str, Any]) -> None:
    """Refuse what another version of the protocol asks.

    Raises:
        ProtocolError: it does.
    """
    if job.get("protocol") != VERSION:
        raise ProtocolError(f"protocol {job.get('protocol')}, this agent speaks {VERSION}")


def do_facts(job: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """The computer's facts, who holds it, and where we keep what and with how much room."""
    import shutil

    room = {"path": host.root, "free_bytes": shutil.disk_usage(host.root).free}
    outbox.send({"answer": "facts", "facts": host.facts(), "holder": lock.known(host.root), "room": room})


def do_clean(job: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """Remove what is kept here; what installed software needs for its way back only where ``all`` is asked for."""
    from agent.cleaning import clean

    lock.take(host.root, job["id"], job["owner"])
    removed_bytes = clean(host.root, keep_days=0, everything=bool(job.get("all")))
    lock.release(host.root)
    outbox.send({"answer": "cleaned", "removed_bytes": removed_bytes})


def do_stop(job: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """Leave a person's order to stop for whoever is at work on a run, or goes on with it; then follow it to its end."""
    folder = os.path.join(host.root, "runs", job["id"])
    os.makedirs(folder, exist_ok=True)
    stopping.leave(folder, job["stop"])
    holder = lock.read(host.root)
    if holder.get("run") == job["id"] and lock.alive(holder):
        stopping.wake(holder)
    do_run(job, host, inbox, outbox)


def do_run(job: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """Carry out a plan: as far as nothing is changed, by ourselves; then hand it over, and follow."""
    folder = os.path.join(host.root, "runs", job["id"])
    path = os.path.join(folder, "journal.ndjson")
    records, is_elsewhere = at_work(job, host, path)
    is_known = os.path.exists(path)
    is_new = job.get("plan") is not None and not is_known and not job["from"]
    if is_new:
        hold(host, job)  # before anything of ours is written there
    known = read_job(folder)
    if known.get("host", job.get("host")) != job.get("host"):
        lock.release(host.root)
        outbox.send({"answer": "fault", "code": "twice", "reason": twice(known["host"])})
        return
    job["lasts_s"] = job.get("lasts_s") or known.get("lasts_s")
    if is_new:
        os.makedirs(folder, exist_ok=True)
        write_plan(folder, job["plan"], job)
    if not os.path.exists(os.path.join(folder, "plan.json")) or (job["from"] and not is_known):
        outbox.send(
            {
                "answer": "fault",
                "code": "no_run",
                "reason": text("tidak ada pekerjaan ini di komputer", "this run is not on the computer"),
            }
        )
        return
    plan = read_plan(folder)
    if job.get("decision") and plan.get("decision") is None:
        plan["decision"] = job["decision"]
        write_plan(folder, plan, job)
    if job["from"] > len(records):
        told, here = job["from"], len(records)
        outbox.send(
            {
                "answer": "fault",
                "code": "rewound",
                "reason": text(
                    f"jurnal di komputer lebih pendek ({here}) daripada yang sudah diterima ({told}): disk komputer"
                    " dipulihkan ke keadaan lama, atau kehilangan isinya",
                    f"the journal on the computer is shorter ({here}) than what was received of it ({told}): its disk"
                    " was put back to an earlier state, or lost what it held",
                ),
            }
        )
        return
    waits = bool(records) and asleep.is_waiting(folder, records[-1], plan, host)
    is_elsewhere = is_elsewhere or asleep.is_there(folder)
    if not is_elsewhere and not waits and not Ledger(records).effects:
        records = look(job, host, inbox, outbox, plan=plan, records=records)
        if not records:
            return
        job["from"] = len(records)
    from agent import handover  # most contacts change nothing

    if not ended(records):
        alone.heard(folder, host.boot_id())
    if not is_elsewhere and (not waits or asleep.is_attended(records[-1])):
        if not (waits and asleep.is_between(records[-1])):
            hold(host, job)
            lock.hand_over(host.root)
        handover.detach(host, folder, job)
    handover.follow(host, job, outbox, inbox, after=0 if waits else len(records))


def at_work(job: dict[str, Any], host: Host, path: str) -> tuple[list[dict[str, Any]], bool]:
    """What the journal says, and whether nothing is left to us but to follow it.

    An earlier contact of this run that has the computer still is waited for: whoever comes again has lost his line to
    it, and it will notice that as well.

    Raises:
        Held: it is there after all.
    """
    deadline = time.monotonic() + job.get("silence_s", SILENCE_S) + GRACE_S
    while True:
        is_held = lock.is_at_work(host.root, job["id"])  # first, since it may write and go between two looks
        records = [record for _, record in read_lines(path)] if os.path.exists(path) else []
        lives = [r.get("detached", True) for r in records if r["type"] in ("agent_started", "detached")]
        if ended(records) or not is_held or lives[-1:] == [True]:
            return records, is_held or ended(records)
        if time.monotonic() > deadline:
            raise lock.Held(lock.read(host.root))
        time.sleep(WAIT_S)


def look(
    job: dict[str, Any],
    host: Host,
    inbox: Inbox,
    outbox: Outbox,
    *,
    plan: dict[str, Any],
    records: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Go on with a run as far as nothing is changed, telling the controller of each record.

    Args:
        job: the first frame.
        host: this computer, free for this run.
        inbox: from the controller.
        outbox: to it.
        plan: the run's plan.
        records: those of an earlier contact; without effects.

    Returns:
        The journal so far where the next thing is an effect: the payloads are here, and the computer is kept for the
        process that goes on. Empty where there is nothing more to do for now.

    Raises:
        Held: another run is at work.
    """
    folder = os.path.join(host.root, "runs", job["id"])
    hold(host, job)
    journal = Journal(
        os.path.join(folder, "journal.ndjson"), secrets=Redactor(plan.get("secrets", ())), on_append=outbox.line
    )
    outbox.sync = journal.sync
    for record in records[job["from"] :]:
        outbox.send(record)

    def gate() -> None:
        reserve.keep(folder)
        if plan["mode"] == "install":
            fetch(plan, procedure.variant, host, inbox, outbox)
        raise Detach

    procedure = Procedure(plan, host, journal, folder=folder, gate=gate)
    stopping.listen(folder)
    procedure.note("agent_started", **about(host, detached=False, resumed=bool(records)), agent=job["agent"])
    try:
        procedure.carry_out()
    except Detach:
        procedure.note("detached", cpu_seconds=round(time.process_time(), 3))
        journal.close()
        outbox.flush()  # a controller that has gone is noticed here, before the computer is kept for anybody
        lock.hand_over(host.root)
        return journal.records
    journal.close()
    tidy(host, plan)
    leave(host.root, folder, journal.records)
    return []


def run(folder: str, *, at_boot: bool = False) -> None:
    """The detached life: go on from the journal, sleep while the run waits, go on, to its end.

    Args:
        folder: the run's.
        at_boot: the service manager has started us with the computer, nobody asks.
    """
    root = os.path.dirname(os.path.dirname(folder))
    job = read_job(folder)
    host = this_host(root)
    host.psutil_digest = job.get("psutil")
    path = os.path.join(folder, "journal.ndjson")
    records = [record for _, record in read_lines(path)] if os.path.exists(path) else []
    if ended(records) or (at_boot and Ledger(records).falls >= FALLS_IN_VAIN):
        boot.forget(folder)
        return
    goes_on = boot.is_possible(host)
    if goes_on:
        from agent.handover import program

        with suppress(OSError):  # then the next contact goes on after a power cut; a reboot asks again, and says so
            boot.arrange(folder, program("boot", folder))
    while not ended(records):
        last = records[-1] if records else None
        try:
            if not asleep.is_between(last):
                hold(host, job, why=lock.REBOOT if last and last["type"] == "waiting" else lock.WORK, goes_on=goes_on)
            if not asleep.until_due(folder, host, last):
                return
            hold(host, job, goes_on=goes_on)
        except lock.Held as held:
            if held.holder["run"] == job["id"]:
                return  # another process of this run goes on with it
            time.sleep(TURN_S)
            continue
        records = go_on(folder, host, job)


def go_on(folder: str, host: Host, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Carry the plan out from where the journal ends, as far as that goes now, with the computer held for this run.

    Returns:
        The journal. The computer is still held where the run waits in the middle of something; a process that dies
        holds nothing.
    """
    plan = read_plan(folder)
    journal = Journal(os.path.join(folder, "journal.ndjson"), secrets=Redactor(plan.get("secrets", ())))
    try:
        if not ended(journal.records):
            with suppress(OSError):  # an earlier process may have used it up
                reserve.keep(folder)
            procedure = Procedure(plan, host, journal, folder=folder, gate=lambda: None)
            stopping.listen(folder)
            again = any(r["type"] == "agent_started" and r["detached"] for r in journal.records)
            procedure.note("agent_started", **about(host, detached=True, resumed=again), agent=job["agent"])
            tidy(host, plan)
            procedure.carry_out()
    finally:
        journal.close()
    if ended(journal.records) or asleep.is_between(journal.records[-1]):
        leave(host.root, folder, journal.records)
    return journal.records


def hold(host: Host, job: dict[str, Any], *, why: str = lock.WORK, goes_on: bool = False) -> None:
    """Take the computer for a run.

    Raises:
        Held: another run is at work.
    """
    lock.take(
        host.root,
        job["id"],
        job["owner"],
        host=job.get("host") or "",
        lasts_s=job.get("lasts_s"),
        why=why,
        goes_on=goes_on,
    )


def leave(root: str, folder: str, records: list[dict[str, Any]]) -> None:
    """Let go of the computer; that a run waits for a person is still known there."""
    if ended(records):
        reserve.let_go(folder)
    policy = records[-1].get("alone") or {}
    waits_s = policy["after_s"] if policy.get("then", "wait") != "wait" else None
    lock.release(root, waits=asleep.is_between(records[-1]), waits_s=waits_s)


def about(host: Host, *, detached: bool, resumed: bool) -> dict[str, Any]:
    """Who carries the run out: for its first record."""
    return {
        "protocol": VERSION,
        "python": ".".join(map(str, sys.version_info[:3])),
        "psutil": host.psutil_digest,
        "boot": host.boot_id(),
        "pid": os.getpid(),
        "detached": detached,
        "resumed": resumed,
        **host.notes(),
    }


def write_plan(folder: str, plan: dict[str, Any], job: dict[str, Any]) -> None:
    """Keep the plan and what a later process must know of the job, before anything is done by them."""
    kept = {key: job.get(key) for key in ("id", "owner", "host", "lasts_s", "agent", "psutil")}
    for name, content in (("job.json", kept), ("plan.json", plan)):
        path = os.path.join(folder, name)
        with open(path + ".part", "wb") as file:
            file.write(encode(content))
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".part", path)


def read_plan(folder: str) -> dict[str, Any]:
    """The plan of a run."""
    with open(os.path.join(folder, "plan.json"), encoding="utf-8") as file:
        plan: dict[str, Any] = json.load(file)
    return plan


def read_job(folder: str) -> dict[str, Any]:
    """What is kept of the job that a run was given with; empty where there is no such run."""
    try:
        with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
            job: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return {}
    return job


def twice(name: str) -> dict[str, str]:
    """Why a computer that stands in one order under two names is worked on under one of them."""
    return text(
        f"komputer ini sama dengan {name}, dan proses yang sama dikerjakan di sana dengan nama itu",
        f"this is the same computer as {name}, and the same run is carried out on it under that name",
    )


def tidy(host: Host, plan: dict[str, Any]) -> None:
    """Remove what is older than the plan wants kept; what cannot be removed now, can be later."""
    with suppress(OSError):
        remove_old(host, plan)


def remove_old(host: Host, plan: dict[str, Any]) -> None:
    """As ``tidy``, once a day."""
    keep_days = (plan.get("policy") or {}).get("keep_days", 30)
    stamp = os.path.join(host.root, "tidied")
    if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < 86400:
        return
    from agent.cleaning import clean

    clean(host.root, keep_days=keep_days, everything=False)
    with open(stamp, "wb"):
        os.utime(stamp)


def main() -> None:
    """``run FOLDER``: the detached life; ``boot FOLDER``: the same, when the computer starts it by itself."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("run", "boot"):
        sys.stderr.write("usage: run | boot FOLDER\n")
        raise SystemExit(2)
    os.umask(0o077)
    folder = sys.argv[2]
    native.live(lambda at_boot: run(folder, at_boot=at_boot), folder, at_boot=sys.argv[1] == "boot")


if __name__ == "__main__":
    main()
