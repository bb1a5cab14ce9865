"""Services that wait: what a package's script would start, and a later action of ours does.

Debian asks ``/usr/sbin/policy-rc.d`` before a script of a package may start a service, and every package has to live
with its no: each image of a container is made that way. Ours is there only while packages are installed, refuses only
a *start* (an upgrade restarts) of the services named, and only while this process lives: what a power cut leaves behind
refuses nothing. A policy that the computer has already is left alone, and nothing waits.

Source: invoke-rc.d(8); deb-systemd-invoke(1p); README.policy-rc.d of invoke-rc.d: 101 no, 104 yes.
"""

from __future__ import annotations

import os

from agent.host.processes import process_of
from agent.light.contexts import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATH = "/usr/sbin/policy-rc.d"
MARK = "# Pasang: "
POLICY = """#!/bin/sh
{mark}a run starts these services itself, later. Refuses nothing any more when process {pid} has ended.
read -r life 2>/dev/null </proc/{pid}/stat || exit 104
case "$life" in *" {started} "*) ;; *) exit 104 ;; esac
while [ "${{1#--}}" != "$1" ]; do shift; done
[ "$2" = start ] || exit 104
case "${{1%.service}}" in {names}) exit 101 ;; esac
exit 104
"""


@contextmanager
def waiting(names: Sequence[str]) -> Iterator[bool]:
    """Let the scripts of packages start all but these services, as long as this lasts; whether they wait indeed."""
    put = bool(names) and _put(names)
    try:
        yield put
    finally:
        if put:
            withdraw()


def withdraw() -> None:
    """Take our policy away, where one of ours is left."""
    if _is_ours():
        os.unlink(PATH)


def _put(names: Sequence[str]) -> bool:
    me = process_of(os.getpid())
    if me is None or (os.path.lexists(PATH) and not _is_ours()):
        return False
    words = "|".join("'" + name.replace("'", "'\\''") + "'" for name in (_bare(name) for name in names))
    content = POLICY.format(mark=MARK, pid=me.pid, started=me.started, names=words)
    part = f"{PATH}.pasang"
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o755)
        try:
            os.write(handle, content.encode())
        finally:
            os.close(handle)
        os.rename(part, PATH)
    except OSError:  # it would only have spared a start
        return False
    return True


def _bare(name: str) -> str:
    return name[: -len(".service")] if name.endswith(".service") else name


def _is_ours() -> bool:
    try:
        with open(PATH, encoding="utf-8", errors="replace") as file:
            return file.read(200).partition("\n")[2].startswith(MARK)
    except OSError:
        return False
