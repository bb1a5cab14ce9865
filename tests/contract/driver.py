"""Runs one verb of an action on the computer it is started on: for tests, on any Python that the agent runs on.

``python3 driver.py '{"verb": …}'`` prints one line of JSON. With ``die_at`` the process ends without a word at its
n-th call that changes the disk or starts a program, as a computer does when its plug is pulled.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CHANGES = (
    *("chmod", "chown", "fchmod", "fchown", "fork", "link", "mkdir", "mknod", "posix_spawn"),
    *("rename", "replace", "rmdir", "setxattr", "symlink", "sync", "unlink", "utime"),
)
DIED = 86


def perform(job: dict[str, Any]) -> dict[str, Any]:
    """Run ``verb`` of ``kind``; ``failed`` stands in the answer where it raised ActionFailed."""
    from agent.actions import ActionFailed, action
    from agent.host import this_host

    host = this_host(job["root"])
    for name, value in job.get("instead", {}).items():
        module, _, attribute = name.rpartition(".")
        setattr(__import__(module, fromlist=["_"]), attribute, stand_in(value))
    host.payloads = job.get("payloads", {})
    module = action(job["kind"])
    given = job["given"]
    host.stall_s = given.get("stall_s")  # as the run says it to the host while an action is at work
    try:
        if job["verb"] in ("detect", "verify"):
            found = getattr(module, job["verb"])(given, host)
            return {"state": found.state, "found": found.found, "reason": found.reason}
        if job["verb"] == "missing_dependencies":
            return {"missing": module.missing_dependencies(given, host)}
        if job["verb"] == "title":
            return {"title": module.title(given)}
        if job["verb"] == "capture":
            os.makedirs(job["keep"], exist_ok=True)
            return {"entry": module.capture(given, host, job["keep"])}
        return {"evidence": getattr(module, job["verb"])(given, host)}
    except ActionFailed as failure:
        return {"failed": failure.reason, "evidence": failure.evidence}


def stand_in(value: Any) -> Any:
    """What stands for a number, or for a function that says where a program is."""
    return (lambda: value) if isinstance(value, str) else value


ROUND = ("detect", "capture", "apply", "verify", "apply", "detect", "undo", "detect", "undo", "detect")


def round_trips(job: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Each of several actions there and back, everything twice; what each verb of ``ROUND`` answered."""
    found = []
    for spec in job["given"]["specs"]:
        answers: list[dict[str, Any]] = []
        for verb in ROUND:
            given = answers[1]["entry"] if verb == "undo" else spec
            answers.append(perform({**job, "verb": verb, "given": json.loads(json.dumps(given))}))
        found.append(answers)
    return found


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Put one question of a probe."""
    from agent.host import this_host
    from agent.probes import probe

    return probe(job["given"], this_host(job["root"]), {"at": 0, "mono": 0, "logs": {}})


def die_at(count: int) -> None:
    """Let the ``count``-th change be the last thing this process was about to do."""
    left = [count]

    def patched(original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os._exit(DIED)
            return original(*args, **kwargs)

        return call

    for name in CHANGES:
        setattr(os, name, patched(getattr(os, name)))
    plain_open = os.open

    def guarded_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
        if flags & os.O_CREAT:
            left[0] -= 1
            if left[0] == 0:
                os._exit(DIED)
        return plain_open(path, flags, *args, **kwargs)

    os.open = guarded_open


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    the_job = json.loads(sys.argv[1])
    if the_job.get("die_at"):
        die_at(the_job["die_at"])
    by_verb = {"ask": ask, "round trips": round_trips}
    print(json.dumps(by_verb.get(the_job["verb"], perform)(the_job)))
