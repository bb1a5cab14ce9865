"""The agent's two lives: ``contact`` on the controller's line, and ``run`` in a process that outlives it.

A contact works by itself for as long as it only looks. Before the first effect it hands the run to a detached process
and follows that one's journal; whoever comes later does the same from any record on.
"""

from __future__ import annotations

import json
import os
import sys
import time

from agent import lock
from agent.host import this_host
from agent.inbox import Inbox, Outbox
from agent.journal import Journal, ended, read_lines
from agent.ledger import Ledger
from agent.procedure import Procedure
from agent.protocol import VERSION, ProtocolError, encode, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from agent.host import Host

POLL_S = 0.01
"""How often a follower looks for new records at first: a read, some 10 µs."""
LONGEST_POLL_S = 0.1
"""… and when nothing has come for two seconds."""
PATIENCE_S = 15.0
"""How long a detached process may take to show itself."""
FULL_BYTES = 64 * 1024
"""With less the journal cannot go on."""


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
        {"run": do_run, "facts": do_facts, "clean": do_clean, "stop": do_facts}[job["do"]](
            job, host, Inbox(stream, outbox, job["root"]), outbox
        )
    except lock.Held as held:
        who = held.holder
        reason = text(
            f"komputer sedang dikerjakan oleh {who.get('owner')} (proses {who.get('run')}) sejak {who.get('since')}",
            f"{who.get('owner')} has been at work on this computer since {who.get('since')} (run {who.get('run')})",
        )
        outbox.send({"answer": "fault", "code": "busy", "holder": who, "reason": reason})
    except (BrokenPipeError, ConnectionError, KeyboardInterrupt):
        return
    except ProtocolError as error:
        reason = text(
            f"pengendali dan agen tidak saling mengerti: {error}", f"controller and agent do not agree: {error}"
        )
        outbox.send({"answer": "fault", "code": "protocol", "reason": reason})
    except OSError as error:
        reason = text(f"penyimpanan agen: {error}", f"the agent's storage: {error}")
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
    """The computer's facts, and who holds it."""
    outbox.send({"answer": "facts", "facts": host.facts(), "holder": lock.read(host.root)})


def do_clean(job: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """Remove what is kept here; what installed software needs for its way back only where ``all`` is asked for."""
    from agent.cleaning import clean

    lock.take(host.root, job["id"], job["owner"])
    removed_bytes = clean(host.root, keep_days=0, everything=bool(job.get("all")))
    lock.release(host.root)
    outbox.send({"answer": "cleaned", "removed_bytes": removed_bytes})


def do_run(job: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """Carry out a plan as far as nothing is changed, hand the rest over, and follow."""
    folder = os.path.join(host.root, "runs", job["id"])
    path = os.path.join(folder, "journal.ndjson")
    is_known = os.path.exists(path)
    if job.get("plan") is not None and not is_known and not job["from"]:
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
    records = [record for _, record in read_lines(path)] if os.path.exists(path) else []
    if ended(records) or holder_runs(host.root, job["id"]):
        follow(host, job, outbox, inbox)
        return
    if Ledger(records).effects:
        detach(host, folder, job)
        follow(host, job, outbox, inbox, after=len(records))
        return
    lock.take(host.root, job["id"], job["owner"])
    for record in records[job["from"] :]:
        outbox.send(record)
    journal = Journal(path, secrets=plan.get("secrets", ()), on_append=outbox.line)

    def gate() -> None:
        if plan["mode"] == "install":
            inbox.fetch_payloads(plan, procedure.variant, host)
        raise Detach

    procedure = Procedure(plan, host, journal, folder=folder, gate=gate)
    procedure.note("agent_started", **about(host, detached=False, resumed=bool(records)), agent=job["agent"])
    try:
        procedure.carry_out()
    except Detach:
        procedure.note("detached", cpu_seconds=round(time.process_time(), 3))
        job["from"] = len(journal.records)
        journal.close()
        lock.hand_over(host.root)
        outbox.flush()
        detach(host, folder, job)
        follow(host, job, outbox, inbox, after=job["from"])
        return
    journal.close()
    tidy(host, plan)
    lock.release(host.root)


def run(folder: str) -> None:
    """The detached life: take the lock, go on from the journal, end."""
    root = os.path.dirname(os.path.dirname(folder))
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    host = this_host(root)
    host.psutil_digest = job.get("psutil")
    plan = read_plan(folder)
    lock.take(root, job["id"], job["owner"])
    journal = Journal(os.path.join(folder, "journal.ndjson"), secrets=plan.get("secrets", ()))
    try:
        if ended(journal.records):
            return
        procedure = Procedure(plan, host, journal, folder=folder, gate=lambda: None)
        again = any(r["type"] == "agent_started" and r["detached"] for r in journal.records)
        procedure.note("agent_started", **about(host, detached=True, resumed=again), agent=job["agent"])
        procedure.carry_out()
    finally:
        journal.close()
        lock.release(root)
    tidy(host, plan)


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
    }


def write_plan(folder: str, plan: dict[str, Any], job: dict[str, Any]) -> None:
    """Keep the plan and what a later process must know of the job, before anything is done by them."""
    kept = {key: job.get(key) for key in ("id", "owner", "agent", "psutil")}
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


def holder_runs(root: str, run_id: str) -> bool:
    """Whether a living process of this run is at work."""
    holder = lock.read(root)
    return bool(holder) and holder["run"] == run_id


def detach(host: Host, folder: str, job: dict[str, Any]) -> None:
    """Start ``run`` in a process that outlives this line: a unit of systemd's where we may, else a new session."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # One expression: systemd (252 at least) writes a semicolon in an argument as "\\;" and reads that back, after any
    # daemon-reload, with its backslash, so that the unit could never start again.
    code = f"__import__('sys').path.insert(0,{home!r}) or __import__('agent.__main__').__main__.main()"
    argv = [sys.executable, "-I", "-S", "-c", code, "run", folder]
    if host.is_administrator and os.path.isdir("/run/systemd/system"):
        unit = "pasang-" + "".join(c if c.isalnum() or c in "-." else "-" for c in job["id"])
        options = ["--quiet", "--no-block", "--collect", "--unit=" + unit, "--description=Pasang " + job["id"]]
        # Daemons that an installer leaves running are not ours to kill; an agent that is killed comes back. One that
        # ends again and again stays down, and whoever follows it is told so.
        options += ["--property=KillMode=process", "--property=Restart=on-failure", "--property=RestartSec=2"]
        options += ["--property=StartLimitIntervalSec=120", "--property=StartLimitBurst=5"]
        if host.run(["systemd-run", *options, *argv], timeout_s=30).ok:
            return
    new_session(argv, os.path.join(folder, "agent.log"))


def new_session(argv: list[str], log: str) -> None:
    """Start a program in a session of its own, twice forked, so that nothing of ours is its parent."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        with open(os.devnull, "rb") as nothing, open(log, "ab") as output:
            os.dup2(nothing.fileno(), 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir("/")
        os.execv(argv[0], argv)  # noqa: S606 - no shell is what we want
    finally:
        os._exit(127)


def follow(host: Host, job: dict[str, Any], outbox: Outbox, inbox: Inbox, *, after: int = 0) -> None:
    """Send the journal from ``job["from"]`` on, until the run has ended or waits, or the controller has gone.

    Args:
        host: this computer.
        job: the first frame.
        outbox: to the controller.
        inbox: from it; its end is looked for.
        after: a process was just started that goes on after so many records: that the run waited before it is past.
    """
    path = os.path.join(host.root, "runs", job["id"], "journal.ndjson")
    count, last, rest = 0, "", b""
    seen_at = time.monotonic()
    with open(path, "rb") as file:
        while True:
            data = file.read()
            if data:
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    count += 1
                    if count > job["from"]:
                        outbox.line(line + b"\n")
                    last = line.decode("utf-8", "replace")
                outbox.flush()
                seen_at = time.monotonic()
                if '"type":"run_ended"' in last:
                    return
                continue
            if inbox.is_closed():
                return
            if time.monotonic() - seen_at > 1 and not holder_runs(host.root, job["id"]):
                if count > after and '"type":"waiting"' in last:
                    return
                if time.monotonic() - seen_at > PATIENCE_S:
                    reason = why_stopped(host.root)
                    outbox.send({"answer": "fault", "code": "agent_stopped", "reason": reason})
                    return
            time.sleep(min(LONGEST_POLL_S, POLL_S + (time.monotonic() - seen_at) / 20))


def why_stopped(root: str) -> dict[str, str]:
    """What can be said of an agent that is gone without a last word: on a full disk it cannot leave one."""
    disk = os.statvfs(root)
    if disk.f_bavail * disk.f_frsize < FULL_BYTES:
        return text(
            f"agen berhenti di tengah pekerjaan: disk tempat {root} penuh; kosongkan, lalu jalankan pasang resume",
            f"the agent stopped in the middle: the disk of {root} is full; make room, then run pasang resume",
        )
    return text(
        "agen berhenti di tengah pekerjaan; jalankan pasang resume",
        "the agent stopped in the middle; run pasang resume",
    )


def tidy(host: Host, plan: dict[str, Any]) -> None:
    """Remove what is older than the plan wants kept."""
    keep_days = (plan.get("policy") or {}).get("keep_days", 30)
    stamp = os.path.join(host.root, "tidied")
    if os.path.exists(stamp) and time.time() - os.path.getmtime(stamp) < 86400:
        return
    from agent.cleaning import clean

    clean(host.root, keep_days=keep_days, everything=False)
    with open(stamp, "wb"):
        os.utime(stamp)


def main() -> None:
    """``run FOLDER``: the detached life, by hand or by systemd."""
    if len(sys.argv) != 3 or sys.argv[1] != "run":
        sys.stderr.write("usage: run FOLDER\n")
        raise SystemExit(2)
    os.umask(0o077)
    run(sys.argv[2])


if __name__ == "__main__":
    main()
