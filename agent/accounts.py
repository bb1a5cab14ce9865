"""Users and groups, in the computer's own files: read by name, and put back by name.

Many accounts share a file, and somebody may add one while we work: the file as a whole says nothing about an account,
and is never put back as a whole.

Source: passwd(5), shadow(5), group(5), gshadow(5), subuid(5), subgid(5); lckpwdf(3) for the lock.
"""

from __future__ import annotations

import io
import os

from agent import files
from agent.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FILES = {
    "user": ("/etc/passwd", "/etc/shadow", "/etc/subuid", "/etc/subgid"),
    "group": ("/etc/group", "/etc/gshadow"),
}
"""The first has one line for each account."""
ALL_FILES = frozenset(path for paths in FILES.values() for path in paths)
LOCK = "/etc/.pwd.lock"


def read(kind: str) -> dict[str, str]:
    """Users or groups by name: the number, a colon, and a digest of all that their files say of them."""
    first, *others = FILES[kind]
    accounts = {name: [line] for name, line in lines_of(read_file(first))}
    for path in others:
        for name, line in lines_of(read_file(path)):
            if name in accounts:
                accounts[name].append(line)
    return {
        os.fsdecode(name): f"{os.fsdecode(lines[0].split(b':')[2])}:{sha256(b''.join(lines)).hexdigest()[:16]}"
        for name, lines in accounts.items()
        if lines[0].count(b":") > 2
    }


def put_back(kind: str, names: Collection[str], former: Callable[[str], bytes | None]) -> None:
    """Let the lines of some accounts be as they were; those of all others stay as they are.

    Args:
        kind: user or group.
        names: the accounts.
        former: what a file held; None where that was not kept.
    """
    import fcntl

    wanted = {os.fsencode(name) for name in names}
    with open(LOCK, "ab") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        for path in FILES[kind]:
            then, now = former(path), read_file(path)
            if then is None:
                continue
            merged = merge(now, then, wanted)
            found = files.describe(path)
            if merged != now and found["is"] == "file":
                files.write(path, io.BytesIO(merged), mode=found["mode"], owner=found["owner"], former=found)


def merge(now: bytes, then: bytes, names: Collection[bytes]) -> bytes:
    """The file of now, with the lines of ``names`` as they were then: in their places, or behind who stood before."""
    former: dict[bytes, list[bytes]] = {}
    for name, line in lines_of(then):
        former.setdefault(name, []).append(line)
    result: list[tuple[bytes, bytes]] = []
    placed: set[bytes] = set()
    for name, line in lines_of(now):
        if name not in names:
            result.append((name, line))
        elif name not in placed:
            placed.add(name)
            result += [(name, old) for old in former.get(name, ())]
    order = list(former)
    for place, name in enumerate(order):
        if name in names and name not in placed:
            before = set(order[:place])
            index = max((i + 1 for i, (other, _) in enumerate(result) if other in before), default=0)
            result[index:index] = [(name, old) for old in former[name]]
    return b"".join(line for _, line in result)


def lines_of(content: bytes) -> list[tuple[bytes, bytes]]:
    """Lines with the name that each begins with."""
    return [(line.split(b":", 1)[0], line) for line in content.splitlines(keepends=True)]


def read_file(path: str) -> bytes:
    """What a file holds; nothing where there is none, or it is not for our eyes."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
