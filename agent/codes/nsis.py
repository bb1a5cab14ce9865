"""NSIS. Its uninstaller goes on in a copy of itself and ends with 0 at once, unless ``_?=`` tells it its place."""

from __future__ import annotations

from agent.codes.kinds import CANCELLED, FAILED, LOG, OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

# fmt: off
TABLE: Table = {
    "NSIS Users Manual, D.1 Error Levels": {
        0: (OK, "Selesai.", "Done."),
        1: (CANCELLED, "Dibatalkan oleh pengguna.", "A user cancelled it."),
        2: (FAILED, "Dihentikan oleh skrip pemasang.", "The installer's script aborted it.", LOG),
    },
}
