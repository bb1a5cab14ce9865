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
    from agent.host.linux import LinuxHost

    host = LinuxHost(job["root"])
    host.payloads = job.get("payloads", {})
    module = action(job["kind"])
    given = job["given"]
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
    print(json.dumps(perform(the_job)))
