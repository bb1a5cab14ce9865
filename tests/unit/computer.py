"""A computer as step 4 asks it, and the rows of the answers."""

from __future__ import annotations

from agent import requirements
from agent.redact import NOTHING

MB, MIB, GIB = 10**6, 2**20, 2**30
FACTS = {
    "os": "linux",
    "distribution": "debian",
    "version": "12",
    "arch": "x86_64",
    "ram_bytes": 4 * GIB,
    "cpu_count": 2,
    "kernel": "6.1.0-18-amd64",
}


class Host:
    os = "linux"
    secrets = NOTHING
    is_administrator = True

    def __init__(self, root="/agent", sockets=(), stored=()):
        self.root = root
        self.sockets = list(sockets)
        self.stored = stored

    def listening(self):
        return self.sockets

    def blob(self, digest):
        return self.stored[digest] if digest in self.stored else "/nowhere/" + digest


def rows(wanted, host=None, facts=None, **more):
    variant = {"requirements": wanted, **more.pop("variant", {})}
    return list(requirements.check({}, variant, host or Host(), {**FACTS, **(facts or {})}, **more))


def verdicts(*args, **more):
    return [row["verdict"] for row in rows(*args, **more)]
