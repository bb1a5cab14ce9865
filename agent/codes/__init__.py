"""What the makers of installers say an exit code means: one table a maker, one reading of all of them.

An exit code is evidence and never a verdict: this says what the maker claims, and whoever asks reads the computer
(``detect``, ``verify``) before believing it. What a kind means for the caller stands in ``agent.codes.kinds``.

The kind is our reading of the maker's sentence; where that leaves open whether anything was changed, it is ``failed``.
"""

from __future__ import annotations

import importlib

from agent.codes import kinds
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Row

MAKERS = {
    "msiexec": ("msiexec", "win32", "ntstatus"),
    "burn": ("burn", "msiexec", "win32", "ntstatus"),
    "wusa": ("wusa", "msiexec", "win32", "ntstatus"),
    "winget": ("winget", "ntstatus"),
    "inno": ("inno", "msiexec", "ntstatus"),
    "nsis": ("nsis", "msiexec", "ntstatus"),
    "installshield": ("installshield", "msiexec", "ntstatus"),
    "choco": ("choco", "msiexec", "ntstatus"),
    "dpkg": ("dpkg",),
    "rpm": ("rpm",),
}
"""By maker the tables that are asked; the first that knows a code answers. Who writes an installer may let it end with
any code, and takes Windows Installer's for reboots and the like; but a small number (5) is then no error of Windows, so
``win32`` is asked only for makers that pass its errors on."""
WIN32 = ("msiexec", "win32")
"""Asked for what an HRESULT carries of a plain error of Windows."""


class Meaning:
    """What a code is said to mean: its kind, a sentence in both languages, and who says so (empty: nobody)."""

    __slots__ = ("kind", "reason", "source")

    def __init__(self, kind: str, reason: dict[str, str], source: str = "") -> None:
        self.kind = kind
        self.reason = reason
        self.source = source

    @property
    def succeeded(self) -> bool:
        """Whether the maker claims that the computer is as was asked."""
        return self.kind in kinds.SUCCESS

    @property
    def reboots(self) -> bool:
        """Whether it is done only after a reboot, which under ``hard_reboot`` is on its way."""
        return self.kind in kinds.REBOOT

    @property
    def unchanged(self) -> bool:
        """Whether the maker claims to have touched nothing."""
        return self.kind in kinds.UNCHANGED

    @property
    def waits(self) -> bool:
        """Whether the same call may succeed after a while."""
        return self.kind in kinds.WAIT


def meaning(maker: str, code: int, *, removing: bool = False) -> Meaning:
    """Look a code up.

    Args:
        maker: one of ``MAKERS``.
        code: as the system hands it over. On Windows signed and unsigned are the same 32 bits; on others a negative
            one is a signal's (``agent.program.Result``).
        removing: the program was to remove something, so that what is not there is what was asked for.

    Raises:
        KeyError: no such maker.
    """
    tables = MAKERS[maker]
    if len(tables) == 1 and code < 0:
        return killed(-code)
    number = code & 0xFFFFFFFF
    found = find(tables, number, removing=removing)
    if not found and number >> 16 == 0x8007 and len(tables) > 1:
        found = find(WIN32, number & 0xFFFF, removing=removing)
    if found:
        return found
    module = importlib.import_module("agent.codes." + maker)
    row = module.beyond(code) if hasattr(module, "beyond") else None
    return read(row, module.SOURCE) if row else unknown(maker, code)


def find(tables: tuple[str, ...], number: int, *, removing: bool) -> Meaning | None:
    """The first row for a number of 32 bits, in the order of the tables."""
    signed = number - (1 << 32) if number >> 31 else number
    for name in tables:
        module = importlib.import_module("agent.codes." + name)
        for table in (getattr(module, "REMOVING", {}) if removing else {}), module.TABLE:
            for source, rows in table.items():
                row = rows.get(number) or rows.get(signed)
                if row:
                    return read(row, source)
    return None


def read(row: Row, source: str) -> Meaning:
    """A row as a meaning: what happened, and what to do next."""
    advice = row[3] if len(row) == 4 else ("", "")
    return Meaning(row[0], text(f"{row[1]} {advice[0]}".strip(), f"{row[2]} {advice[1]}".strip()), source)


def unknown(maker: str, code: int) -> Meaning:
    """What is to be said of a code that nobody documents."""
    shown = f"{code} (0x{code & 0xFFFFFFFF:X})"
    return Meaning(
        kinds.FAILED,
        text(
            f"Kode keluar {shown} tidak tercantum dalam dokumen {maker}. {kinds.LOG[0]}",
            f"Exit code {shown} is not in the documents of {maker}. {kinds.LOG[1]}",
        ),
    )


def killed(signal: int) -> Meaning:
    """What is to be said of a program that a signal ended: nobody was asked whether it had finished."""
    reason = text(f"Dihentikan di tengah jalan oleh sinyal {signal}.", f"Ended on its way by signal {signal}.")
    return Meaning(kinds.HALF_DONE, reason, "waitpid(2)")
