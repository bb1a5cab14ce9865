"""The disk of a Windows computer, built once: Wine's own, curl.exe and tar.exe, and what WinRM starts commands with."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.bases import cache_folder, locked, run
from tests.lab.windows import wine
from tests.lab.windows.programs import SOURCES, compile_c, ensure_compilers, ensure_packages, ensure_program

NAME = "windows"
_HERE = Path(__file__).parent
_PACKAGES = {"/usr/lib/wine/wine64": "wine64", "/usr/bin/wine": "wine"}

# Windows open without a display; programs are told of Windows 10.
_REGISTRY = r"""REGEDIT4

[HKEY_CURRENT_USER\Software\Wine]
"Version"="win10"

[HKEY_CURRENT_USER\Software\Wine\Drivers]
"Graphics"="null"
"Audio"=""
"""
_OWN = ("winrshost",)


def key() -> str:
    """Changes whenever the recipe changes."""
    parts: list[object] = [_PACKAGES, _REGISTRY, wine.PERSON, _version(), 3]
    parts += [(name, (_HERE / f"{name}.c").read_text()) for name in _OWN]
    parts += [(source.name, source.key) for source in SOURCES]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def ensure_base() -> Path:
    """Return the Wine prefix that all computers share and nobody writes to, building it where it is not kept yet."""
    ensure_packages(_PACKAGES)
    root = cache_folder() / "bases" / f"{NAME}-{key()}"
    if root.is_dir():
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    programs = [ensure_program(source) for source in SOURCES]
    with locked(root.with_name(f"{NAME}.lock")):
        if not root.is_dir():
            _build(root, programs)
    return root


def write_passwd(path: Path) -> Path:
    """Write the /etc/passwd by which Wine calls its person."""
    path.write_text(f"{wine.PERSON}:x:0:0::/nonexistent:/bin/sh\n")
    return path


def _version() -> str:
    return run(["dpkg-query", "-W", "-f", "${Version}", "wine64"])


def _build(root: Path, programs: list[Path]) -> None:
    ensure_compilers()
    temporary = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=root.parent))
    try:
        prefix = temporary / "prefix"
        prefix.mkdir()
        settings = temporary / "settings.reg"
        settings.write_text(_REGISTRY)
        passwd = write_passwd(temporary / "passwd")
        script = (
            f"mount --bind '{passwd}' /etc/passwd\n"
            f"{wine.LOADER} wineboot.exe --init\n{wine.SERVER} --wait\n"
            f"{wine.LOADER} regedit.exe /S '{wine.unix_path(settings)}'\n"
            f"{wine.SERVER} --wait\n"
        )
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script]
        null = subprocess.DEVNULL
        subprocess.run(
            argv, env=wine.environment(prefix), check=True, timeout=300, stdin=null, stdout=null, stderr=null, cwd="/"
        )
        _furnish(prefix, programs)
        prefix.rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _furnish(prefix: Path, programs: list[Path]) -> None:
    """Shut the computer off from this machine's files, and give it what Windows has and Wine has not."""
    for drive in (prefix / "dosdevices").iterdir():
        if drive.name != "c:":
            drive.unlink()
    (prefix / "wineserver").unlink()  # the name of a folder that is gone
    home = prefix / "drive_c/users" / wine.PERSON
    for link in home.iterdir():
        if link.is_symlink():  # Wine shows the home of its Unix owner as Desktop, Documents …
            link.unlink()
            link.mkdir()
    system = prefix / "drive_c/windows/system32"
    for program in programs:
        shutil.copyfile(program, system / program.name)
    for name in _OWN:
        compile_c(_HERE / f"{name}.c", system / f"{name}.exe", "-municode")
