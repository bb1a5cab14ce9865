"""What the agent needs on a computer: the agent itself, and psutil for the computer's platform.

The agent is an archive of sources for an operating system, byte for byte the same for the same sources; a computer
whose Python is of the same version as the controller's gets them compiled instead. All is made of what is installed
here and kept by digest under ``PASANG_HOME/runtime``, so that it is made once.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import agent
from controller.errors import InputError
from controller.text import Text

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive: the same sources give the same bytes."""
ENTRY = b"from agent.__main__ import main\n\nmain()\n"
NOT_SENT = ("agent/stage.py", "agent/windows/stage.py", "agent/windows/arrival.py")
"""What goes by itself: the first stage, and what looks at a Python that arrives."""
ONLY = {
    "linux": (
        "agent/debian/",
        "agent/host/",
        "agent/accounts.py",
        "agent/actions/deb.py",
        "agent/leftovers.py",
        "agent/requirements/busy.py",
    ),
    "windows": ("agent/windows/", "agent/codes/", "agent/uninstallers.py"),
}
"""By operating system, what the others are not sent."""
ALL_THE_SAME = ("agent/host/__init__.py",)
"""Of these, what every one is sent."""
OWN = "linux"
"""The operating system of a controller, and of most of its computers."""
PYTHON = "python:"
"""Before the platform, where added files are listed: a Python, not psutil."""
KEPT_S = 30 * 86400
"""For how long the agent of another version of Pasang is kept, which may be at work here too."""


@dataclass(frozen=True)
class Agent:
    """The agent for one operating system."""

    archive: str
    """SHA-256 of the archive of its sources."""
    compiled: dict[str, str]
    """By magic number of Python's compiled files, in hexadecimal: what is sent instead of the sources to a computer
    with such a Python. Of the controller's own alone."""
    system: str
    """One of ``ONLY``."""

    @property
    def stage(self) -> bytes:
        """The first stage's source."""
        return stage_for(self.system)

    @property
    def digests(self) -> set[str]:
        """Of all its shapes."""
        return {self.archive, *self.compiled.values()}


@dataclass(frozen=True)
class Runtime:
    """The agent as it is sent: digests to ask for, and where their bytes are."""

    agents: dict[str, Agent]
    """By operating system: ``linux``, ``windows``."""
    psutil: dict[str, str]
    """By platform (``linux-x86_64-glibc``, ``windows-x86_64``): the wheel's SHA-256."""
    python: dict[str, str]
    """By platform, of archives that were added: what is brought to a computer without a Python. Look whether it is
    whole (``is_whole``) before it is sent: it is large, and seldom needed."""
    folder: Path

    def path(self, digest: str) -> Path:
        """Where the bytes of one of our digests are."""
        return self.folder / digest

    def owns(self, digest: str) -> bool:
        """Whether a digest is of the runtime, rather than a payload."""
        return self.is_agent(digest) or digest in self.psutil.values()

    def is_agent(self, digest: str) -> bool:
        """Whether a digest is the agent's, in one shape or another."""
        return any(digest in made.digests for made in self.agents.values())


def prepare(home: Path) -> Runtime:
    """The runtime for this version of Pasang, made where it is not there yet.

    Args:
        home: ``PASANG_HOME``.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = home / "runtime"
    index = folder / f"agent-{sources_mark()}.json"
    files_added = added(folder)
    given = {name: d for name, d in files_added.items() if not name.startswith(PYTHON) and is_whole(folder / d)}
    pythons = {name.removeprefix(PYTHON): d for name, d in files_added.items() if name.startswith(PYTHON)}
    compiled = [system for system in ONLY if system in {OWN, *(name.partition("-")[0] for name in pythons)}]
    known = agents_of(read_json(index), folder, compiled)
    if known is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            known = make(folder, index, compiled)
            drop_old(folder)
        except OSError as error:
            raise InputError(
                Text(f"folder ini tidak dapat ditulis: {error.strerror}", f"cannot be written: {error.strerror}"),
                where=str(folder),
                hint=Text(
                    "periksa PASANG_HOME, hak tulis, dan ruang disknya", "check PASANG_HOME, its rights and its disk"
                ),
            ) from error
    agents, wheels = known
    return Runtime(agents, {**wheels, **given}, pythons, folder)


def agents_of(
    index: dict[str, Any], folder: Path, compiled: Sequence[str]
) -> tuple[dict[str, Agent], dict[str, str]] | None:
    """What an index says was made, and the wheels of psutil; None where it is not all there, or not for us.

    Args:
        index: as it was read.
        folder: of what was made.
        compiled: the operating systems for which it must be there compiled as well.
    """
    agents, wheels = index.get("agents"), index.get("psutil")
    if not (isinstance(agents, dict) and isinstance(wheels, dict) and agents.keys() == ONLY.keys()):
        return None
    made = {}
    for system, row in agents.items():
        shapes = row.get("compiled") if isinstance(row, dict) else None
        if not isinstance(shapes, dict) or (system in compiled and MAGIC_NUMBER.hex() not in shapes):
            return None
        made[system] = Agent(str(row.get("archive")), shapes, system)
    digests = {digest for agent_ in made.values() for digest in agent_.digests}.union(wheels.values())
    return (made, wheels) if all(is_whole(folder / str(digest)) for digest in digests) else None


def make(folder: Path, index: Path, wanted: Sequence[str]) -> tuple[dict[str, Agent], dict[str, str]]:
    """Make the agent for each operating system, for those ``wanted`` compiled as well, keep it, and write the index."""
    agents, sources = {}, agent_sources()
    for system in ONLY:
        archive = keep(folder, pack(agent_files(system, sources)))
        compiled = {}
        if system in wanted:  # it takes a second, and most controllers have computers of one system
            compiled = {MAGIC_NUMBER.hex(): keep(folder, compile_agent(folder / archive))}
        agents[system] = Agent(archive, compiled, system)
    wheels = {name: keep(folder, data) for name, data in own_psutil().items()}
    rows = {system: {"archive": made.archive, "compiled": made.compiled} for system, made in agents.items()}
    write(index, json.dumps({"agents": rows, "psutil": wheels}).encode())
    return agents, wheels


def drop_old(folder: Path) -> None:
    """Remove what was made for versions of Pasang that nobody has made anything for in a while."""
    oldest = time.time() - KEPT_S
    used = set(added(folder).values())
    for index in (*folder.glob("agent-*.json"), *folder.glob("python-*.json")):
        if index.stat().st_mtime < oldest:
            index.unlink()
        else:
            used.update(re.findall(r"\b[0-9a-f]{64}\b", index.read_text(encoding="utf-8", errors="replace")))
    for path in folder.iterdir():
        if re.fullmatch(r"[0-9a-f]{64}", path.name) and path.name not in used and path.stat().st_mtime < oldest:
            path.unlink()


def added(folder: Path) -> dict[str, str]:
    """The files that were added by hand: wheels by platform, Pythons by ``PYTHON`` and platform; their SHA-256."""
    return {str(platform): str(digest) for platform, digest in read_json(folder / "added.json").items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of ours; an empty one where it is not there or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_whole(path: Path) -> bool:
    """Whether a file is there and is what its name, its SHA-256, says."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    except OSError:
        return False


def agent_sources() -> dict[str, bytes]:
    """All of the agent's sources by their path in an archive, sorted."""
    base = Path(agent.__file__).parent
    found = {"__main__.py": ENTRY}
    for path in sorted(base.rglob("*.py")):
        found[f"agent/{path.relative_to(base).as_posix()}"] = path.read_bytes()
    return dict(sorted(found.items()))


def agent_files(system: str = "linux", sources: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """Of the sources, what computers with an operating system are sent; sorted."""
    elsewhere = tuple(path for other, paths in ONLY.items() if other != system for path in paths)

    def is_sent(path: str) -> bool:
        return path in ALL_THE_SAME or not path.startswith((*NOT_SENT, *elsewhere))

    return {path: data for path, data in (sources or agent_sources()).items() if is_sent(path)}


@cache
def stage_for(system: str) -> bytes:
    """The first stage for an operating system: Windows has functions of its own in the place of some."""
    base = Path(agent.__file__).parent
    source = (base / "stage.py").read_text(encoding="utf-8")
    if system != "linux":
        own = functions_in((base / system / "stage.py").read_text(encoding="utf-8"))
        for name, common in functions_in(source).items():
            source = source.replace(common, own.get(name, common))
    return squeeze(source.encode())


def functions_in(source: str) -> dict[str, str]:
    """The functions of a module, by name, as they are written."""
    import ast

    rows = source.splitlines(keepends=True)
    found = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return {node.name: "".join(rows[node.lineno - 1 : node.end_lineno]) for node in found}


def sources_mark() -> str:
    """What the agent's sources are known by before they are read: names, sizes, and when each was written.

    With the time of the last change of its entry (ctime), which nothing sets back: packages may give all their files
    one date.
    """
    found, folders = [], [str(Path(agent.__file__).parent)]
    while folders:
        with os.scandir(folders.pop()) as entries:  # pathlib takes six times as long, of every command
            for entry in entries:
                if entry.name.endswith(".py"):
                    kept = entry.stat()
                    found.append(f"{entry.path} {kept.st_size} {kept.st_mtime_ns} {kept.st_ctime_ns}\n")
                elif entry.is_dir() and entry.name != "__pycache__":
                    folders.append(entry.path)
    return hashlib.sha256("".join(sorted(found)).encode(errors="surrogateescape")).hexdigest()


def compile_agent(archive: Path) -> bytes:
    """The agent compiled for this Python, squeezed for its way.

    By a Python of its own, since only there the columns of tracebacks can be left out, a third of it all. Where none
    can be started, with them.
    """
    import subprocess
    import zlib

    argv = [sys.executable, "-I", "-S", "-X", "no_debug_ranges", str(Path(agent.__file__).parent / "bundle.py")]
    try:
        made = subprocess.run([*argv, str(archive)], check=True, capture_output=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError):
        from agent.bundle import bundle

        made = bundle(str(archive))
    return zlib.compress(made, 9)


def pack(files: dict[str, bytes]) -> bytes:
    """A zip archive, with the list of its files as ``FILES``."""
    import zipfile  # only where something is made, as below: a start has a budget

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**files, "FILES": "\n".join(files).encode()}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, compresslevel=9)
    return buffer.getvalue()


def own_psutil() -> dict[str, bytes]:
    """The psutil installed here as a wheel for computers like this one: ``{platform: bytes}``; empty where it is none.

    The Linux wheel is built against the stable ABI of Python 3.6 and an old glibc: it fits every Python the agent does.
    Source: psutil's wheel tags (``cp36-abi3-manylinux…``).
    """
    import importlib.metadata
    import platform

    distribution = importlib.metadata.distribution("psutil")
    if not sys.platform.startswith("linux") or "cp36-abi3" not in (distribution.read_text("WHEEL") or ""):
        return {}
    files = {}
    for file in distribution.files or []:
        if file.parts[0] == "psutil" and file.suffix in (".py", ".so") and "tests" not in file.parts:
            files[file.as_posix()] = Path(str(file.locate())).read_bytes()
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else "other"
    return {f"{sys.platform}-{os.uname().machine}-{libc}": pack(dict(sorted(files.items())))} if files else {}


def squeeze(source: bytes) -> bytes:
    """Source without comments and blank lines, indented by one: the rest would only travel.

    None of its strings may have more than one line, or what looks like a comment.
    """
    rows = (line.partition(b"  # ")[0] for line in source.split(b"\n"))
    rows = (row for row in rows if row.strip() and not row.lstrip().startswith(b"#"))
    return b"\n".join(b" " * ((len(row) - len(row.lstrip())) // 4) + row.lstrip() for row in rows) + b"\n"


def keep(folder: Path, data: bytes) -> str:
    """Store bytes under their SHA-256, whole or not at all."""
    digest = hashlib.sha256(data).hexdigest()
    if not is_whole(folder / digest):
        write(folder / digest, data)
    return digest


def write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
