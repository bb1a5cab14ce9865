r"""From cmd.exe to our own Python: the command lines that a Windows computer is given.

Python lies in ``%ProgramFiles%\Pasang\python``, each in a folder of its own that begins with its package's digest:
below there only administrators may write, whoever made which folder before us, so that what runs from there is ours.
A folder counts once ``whole`` is in it. What is written here is read by cmd.exe, so that only what it takes as it is
may be put in: no quote, no percent sign, nothing that begins another command.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from importlib.resources import files

from agent.protocol import MARK
from controller.errors import InventoryError
from controller.text import Text

HOME = r"%ProgramFiles%\Pasang"
PYTHONS = rf"{HOME}\python"
NO_PYTHON = MARK.strip() + b" nopython"
"""Then follow the processor, as Windows calls it, and ``tar`` or ``notar``, and no end of the line."""
LEFT = MARK.strip() + b" left"
"""What was to be removed is still there."""
FAILED = b"failed"
_SENTENCE = MARK.decode().strip()
_POLLS = 900
"""How often it is looked whether a Python has come, with a second between: as long as a slow line may take."""
_TOO_OLD = 99
_LINE_LIMIT = 8000
"""cmd.exe takes lines of 8191 characters. Source: learn.microsoft.com, "Command prompt line string limitation"."""
_ABSOLUTE = re.compile(r"[A-Za-z]:\\.*", re.DOTALL)
_INTERPRETER = re.compile(r"[A-Za-z]:\\[^\"%<>|*?/\x00-\x1f]*\.exe", re.IGNORECASE)
"""Within quotes cmd.exe reads percent signs alone."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FOLDER = re.compile(r"[0-9a-f]{64}\.[0-9a-f]+")
_EMPTIED = rf'rd "{PYTHONS}" 2>NUL & rd "{HOME}" 2>NUL'
"""These go where nothing else is in them."""
_WAIT = "ping -n 2 127.0.0.1 >NUL"

# No double quote and no percent sign: it stands within quotes. The mark goes out with the first answer, or with the
# end: it is written, and not flushed.
_PYTHON = (
    f"import sys;sys.version_info<(3,8)and sys.exit({_TOO_OLD});m=sys.argv[1].encode();i=sys.stdin.buffer;"
    "sys.stdout.buffer.write(m+b'\\n');any(l.strip()==m for l in i)or sys.exit();"
    "n=list(eval(i.readline()or sys.exit()).values())[0];s=i.read(n);len(s)==n and exec(s)"
)
_ISOLATED = "-I -S -X utf8"
STOPPED = 3
"""The line ends so where a Python that had begun was ended by something else, and Python itself can start."""
FROM_OUTSIDE = (1, STOPPED)
"""With nothing said. Source: taskkill and the task manager end a process with code 1; Python's own 1 has a reason."""
_ENDED_WELL = "(if errorlevel 0 (if not errorlevel 2 exit))"
"""0 and 1 are ends of our own; everything else may be a Python that cannot even start."""


def boot_command(digests: Iterable[str], *, python: str | None = None) -> str:
    """The line that finds a Python and runs our first stage in it.

    It waits for one where one can be brought. One that does not run any more is passed over from then on; one that is
    not wanted any more goes when it has ended, since it cannot remove itself.

    Args:
        digests: of the packages that can be brought; empty: whatever Python was brought is taken.
        python: a path that the inventory names, tried first; anything that is none on Windows is not used.

    Raises:
        InventoryError: cmd.exe would read it otherwise.
    """
    known = list(digests)
    if not all(_DIGEST.fullmatch(digest) for digest in known):
        raise ValueError(f"not for a command line: {known!r}")
    run = f'{_ISOLATED} -c "{_PYTHON}" "{_SENTENCE}"'
    tidy = (
        r"if exist %f\unwanted (rmdir /s /q %f & (if exist %f (" + _WAIT + r" & rmdir /s /q %f)) & "
        f"(if exist %f echo {LEFT.decode()}) & set gone=1)"
    )
    attempt = (
        rf"%f\python.exe {run} & ({tidy}) & (if not defined gone ({_ENDED_WELL} & "
        rf'%f\python.exe {_ISOLATED} -c "0" & (if errorlevel 0 (if not errorlevel 1 exit {STOPPED})) & del %f\whole))'
    )
    wanted = " ".join(f"{digest}.*" for digest in known) or "*"
    search = (  # the word that is no pattern is always gone through: Wine's cmd.exe stops where there is nothing at all
        f'cd /d "{PYTHONS}" 2>NUL & (for /d %f in (none {wanted}) do '
        rf"(if exist %f\whole (if not exist %f\unwanted ({attempt}))))"
        rf' & cd /d "%SystemRoot%" & (if defined gone ({_EMPTIED} & exit 0))'
    )
    lacks = f'set /p "={NO_PYTHON.decode()} %PROCESSOR_ARCHITECTURE%'  # prints, and no end of line that came by itself
    say = f'(if %i==0 (if exist "%SystemRoot%\\System32\\tar.exe" ({lacks} tar" <NUL) else ({lacks} notar" <NUL)))'
    waits = f"for /L %i in (0,1,{_POLLS if known else 0}) do ({search} & {say}{f' & {_WAIT}' if known else ''})"
    named = _interpreter(python)
    own = f'(if exist "{named}" ("{named}" {run} & {_ENDED_WELL})) & ' if named else ""
    return _short(f"echo off& {own}{waits}")


def bring_command(folder: str, listed: str, *, has_tar: bool = True) -> str:
    """The line that takes a Python from its input into a folder of its own, and has it looked at.

    It says ``failed`` where nothing came of it, and then leaves nothing.

    Args:
        folder: the package's digest, a full stop, and what nobody else has chosen.
        listed: the SHA-256 of the list that comes along.
        has_tar: whether Windows' own tar.exe is there; PowerShell does it where it is not.
    """
    if not (_FOLDER.fullmatch(folder) and _DIGEST.fullmatch(listed)):
        raise ValueError(f"not for a command line: {folder!r}, {listed!r}")
    into = rf"{PYTHONS}\{folder}"
    unpack = (
        rf'"%SystemRoot%\System32\tar.exe" -xzf - -C "{into}"' if has_tar else f'set "PASANG_INTO={into}"& {shell()}'
    )
    return _short(
        rf'mkdir "{into}" & {unpack} & "{into}\python.exe" {_ISOLATED} "{into}\arrival.py" {listed} & '
        rf'(if not exist "{into}\whole" (rmdir /s /q "{into}" & {_EMPTIED} & echo {FAILED.decode()}))'
    )


def shell() -> str:
    """The line that runs ``bootstrap.ps1``."""
    rows = (files("controller.transport.winrm") / "bootstrap.ps1").read_text(encoding="utf-8").splitlines()
    script = "\n".join(row.strip() for row in rows if row.strip() and not row.lstrip().startswith("#"))
    said = base64.b64encode(script.encode("utf-16-le")).decode()
    return (
        r'"%SystemRoot%\System32\WindowsPowerShell\v1.0\powershell.exe" -NoLogo -NoProfile -NonInteractive '
        f"-ExecutionPolicy Bypass -EncodedCommand {said}"
    )


def _interpreter(python: str | None) -> str:
    """The same where it is a path of Windows; empty where it is meant for others: an inventory may name one for all."""
    if python is None or not _ABSOLUTE.fullmatch(python):
        return ""
    if not _INTERPRETER.fullmatch(python):
        raise InventoryError(
            Text(f"{python!r} tidak dapat dipakai", f"{python!r} cannot be used"),
            where="ansible_python_interpreter",
            hint=Text("tulis jalur sebuah .exe, tanpa %", "write the path of an .exe, without %"),
        )
    return python


def _short(line: str) -> str:
    if len(line) > _LINE_LIMIT:
        raise ValueError(f"a line of {len(line)} characters")
    return line
