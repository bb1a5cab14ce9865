"""What exit codes come down to: eight kinds, what each means for whoever started the program, and what to do next."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Tuple, Union

    Pair = Tuple[str, str]
    """A sentence in Indonesian and in English."""
    Row = Union[Tuple[str, str, str], Tuple[str, str, str, Pair]]
    """A kind, what the code means in Indonesian and in English, and what to do next where one can do something."""
    Table = Dict[str, Dict[int, Row]]
    """By source, the codes that it documents. A code is written as its source writes it: signed, or not."""

OK = "ok"
SOFT_REBOOT = "soft_reboot"
"""Done; a reboot, whenever it may be, completes it."""
HARD_REBOOT = "hard_reboot"
"""Done; the program itself has begun to reboot the computer."""
BUSY = "busy"
CANCELLED = "cancelled"
"""By a person. Most makers take back what they had begun, and none promises it."""
DID_NOTHING = "did_nothing"
"""It refused before it began, or there was nothing to do."""
HALF_DONE = "half_done"
FAILED = "failed"
"""Somewhere on its way: it may have changed something, and may have taken it back."""

KINDS = (OK, SOFT_REBOOT, HARD_REBOOT, BUSY, CANCELLED, DID_NOTHING, HALF_DONE, FAILED)
SUCCESS = frozenset((OK, SOFT_REBOOT, HARD_REBOOT))
REBOOT = frozenset((SOFT_REBOOT, HARD_REBOOT))
UNCHANGED = frozenset((BUSY, DID_NOTHING))
"""The computer is said to be as it was; after every other kind something may have changed."""
WAIT = frozenset((BUSY,))
"""The same call may succeed later, without anybody doing anything."""

LOG = ("Baca log pemasang.", "Read the installer's log.")
PUBLISHER = ("Laporkan kepada penerbit perangkat lunak.", "Report it to the software's publisher.")
PACKAGE = ("Ambil lagi berkas pemasang dari penerbitnya.", "Take the installer from its publisher again.")
FITTING = ("Pilih pemasang yang cocok untuk komputer ini.", "Choose the installer that fits this computer.")
ARGUMENTS = ("Periksa argumen di playbook.", "Check the arguments in the playbook.")
SPACE = ("Kosongkan ruang disk, lalu ulangi.", "Free disk space, then try again.")
MEMORY = ("Tutup aplikasi lain, lalu ulangi.", "Close other applications, then try again.")
CLOSE = ("Tutup aplikasi yang memakainya, lalu ulangi.", "Close the application that uses it, then try again.")
REBOOT_FIRST = ("Nyalakan ulang komputer, lalu ulangi.", "Reboot the computer, then try again.")
LATER = ("Tunggu, lalu ulangi.", "Wait, then try again.")
NETWORK = ("Periksa jaringan komputer ini, lalu ulangi.", "Check this computer's network, then try again.")
RIGHTS = ("Jalankan dengan hak administrator.", "Run it with administrator rights.")
POLICY = ("Hubungi pengelola kebijakan komputer ini.", "Ask whoever keeps this computer's policies.")
REPAIR = ("Perbaiki Windows: DISM /Online /Cleanup-Image /RestoreHealth.",
          "Repair Windows: DISM /Online /Cleanup-Image /RestoreHealth.")  # fmt: skip
SIGN_IN = ("Masuk ke komputer itu, lalu ulangi.", "Sign in to that computer, then try again.")
REMOVE_FIRST = ("Lepas versi itu lebih dahulu, atau biarkan.", "Remove that version first, or leave it.")
