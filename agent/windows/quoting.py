"""Parts of a command line that a program reads in its own way; what others read, ``agent.windows.start`` quotes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDERS = ("/D=", "_?=")


class Raw(str):
    """A part of a command line that must stand there as it is."""

    __slots__ = ()


def property_word(name: str, value: str) -> Raw:
    """A property for msiexec, which reads quotes in the middle of a word and doubles those inside.

    Source: https://learn.microsoft.com/windows/win32/msi/command-line-options, "public properties".
    """
    return Raw(f'{name}="' + value.replace('"', '""') + '"')


def of_nsis(words: Sequence[str]) -> list[str]:
    """Words for a set-up of NSIS, or its uninstaller: a folder stands last and without quotes, whatever is in it.

    Source: https://nsis.sourceforge.io/Docs/Chapter3.html, 3.2.1 and 3.2.2 (``/D=``, ``_?=``).
    """
    folders = [Raw(word) for word in words if word.startswith(FOLDERS)]
    return [*(word for word in words if not word.startswith(FOLDERS)), *folders]
