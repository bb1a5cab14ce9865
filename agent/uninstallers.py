"""What stands in the registry under ``UninstallString``: which program it is, and how it is made to ask nobody.

Whoever writes there keeps to no rule: with and without quotes, with variables, short names, nothing but a name. What is
found is a program and the rest of the line as it stands, because every program takes its own line apart.
"""

from __future__ import annotations

import ntpath
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Mapping, NamedTuple

    class Line(NamedTuple):
        """A command line in its two parts."""

        program: str
        """A whole path, wherever one could be made out."""
        rest: str
        """What the program is given, untouched."""

else:
    from agent.light.tuples import namedtuple

    Line = namedtuple("Line", "program rest")

ENDINGS = (".exe", ".com", ".bat", ".cmd")
CODE = r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}"
INNO = "/VERYSILENT /SUPPRESSMSGBOXES /NORESTART"
BURN = "/quiet /norestart"
MSIEXEC = "/qn /norestart"


def split(line: str, variables: Mapping[str, str], is_file: Callable[[str], bool]) -> Line:
    """The program of a line, and the rest.

    Where nothing is quoted Windows itself tries every beginning, ``C:\\Program.exe`` first: whoever may write there
    would be run as the administrator that we are. So only a beginning counts that is a program's name and is there;
    without an ending, a bare name or one of the system's folder. Else there is no program.

    Source: https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-createprocessw.

    Args:
        line: as it stands in the registry.
        variables: of the environment, for ``%NAME%``; ``SystemRoot`` is where bare names are looked for.
        is_file: whether there is a file at a path.
    """
    line = re.sub(r"%([^%]+)%", lambda found: value_of(found[1], variables) or found[0], line).strip().strip("\0")
    if line.startswith('"'):
        program, _, rest = line.lstrip('"').partition('"')
        return Line(whole(program.strip(), variables), rest.strip())
    ends = [found.end() for found in re.finditer(r"\S+", line)]
    named = [end for end in ends if line[:end].lower().endswith(ENDINGS)]
    there = [end for end in named if is_file(line[:end])]
    system = (value_of("SystemRoot", variables) or "C:\\Windows").lower() + "\\"
    safe = [end for end in ends[:1] if not ntpath.dirname(line[:end]) or line.lower().startswith(system)]
    for end in [*there, *named, *safe][:1]:
        return Line(whole(line[:end], variables), line[end:].strip())
    return Line("", "")


def silent(line: Line, *, maker: str = "") -> Line | None:
    """The same removal without a question; None where nobody knows how, and it must not be guessed.

    Args:
        line: of ``UninstallString``. What stands under ``QuietUninstallString`` is used as it is.
        maker: of the installer, as ``controller.depot`` recognised it; empty where it is not known.
    """
    name, folder = ntpath.basename(line.program).lower(), ntpath.dirname(line.program)
    if name in ("msiexec.exe", "msiexec"):
        code = re.search(CODE, line.rest)  # often after /I, which asks whether to repair
        return Line(line.program, f"/X{code[0]} {MSIEXEC}") if code else None
    if re.fullmatch(r"unins\d{3}\.exe", name):
        return Line(line.program, with_words(line.rest, INNO))
    if maker == "burn" or ("\\package cache\\" in folder.lower() and has_word(line.rest, "/uninstall")):
        return Line(line.program, with_words(line.rest, f"/uninstall {BURN}"))
    if maker == "nsis":
        # Without the last word it copies itself, and the copy is what works on while it has ended. Source:
        # https://nsis.sourceforge.io/Docs/Chapter3.html, 3.2.2. The folder is never quoted, and stands last.
        return Line(line.program, with_words(re.sub(r"\s*_\?=.*", "", line.rest), f"/S _?={folder}"))
    if name == "update.exe" and has_word(line.rest, "--uninstall"):  # Squirrel
        return Line(line.program, with_words(line.rest, "-s"))
    return None


def command_line(line: Line) -> str:
    """As a process is created with it."""
    return f'"{line.program}" {line.rest}'.rstrip()


def value_of(name: str, variables: Mapping[str, str]) -> str:
    """A variable's value, whatever the case of its name; empty where there is none."""
    return next((value for key, value in variables.items() if key.lower() == name.lower()), "")


def whole(program: str, variables: Mapping[str, str]) -> str:
    """A bare name is of the system's folder, never of the one we are in; a path stays."""
    if ntpath.dirname(program) or not program:
        return program
    ending = "" if program.lower().endswith(ENDINGS) else ".exe"
    return ntpath.join(value_of("SystemRoot", variables) or "C:\\Windows", "System32", program + ending)


def has_word(rest: str, word: str) -> bool:
    """Whether a word stands among the arguments."""
    return word.lower() in rest.lower().split()


def with_words(rest: str, more: str) -> str:
    """The arguments with others behind them, but for those that stand there already."""
    return " ".join([rest, *(word for word in more.split(" ") if not has_word(rest, word))]).strip()
