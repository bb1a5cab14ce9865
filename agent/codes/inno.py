"""Inno Setup."""

from __future__ import annotations

from agent.codes.kinds import CANCELLED, DID_NOTHING, FAILED, HALF_DONE, LOG, OK, PACKAGE, REBOOT_FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

# fmt: off
TABLE: Table = {
    "Inno Setup Help, Setup Exit Codes": {
        0: (OK, "Selesai.", "Done."),
        1: (DID_NOTHING, "Pemasang gagal memulai.", "Setup failed to initialize.", PACKAGE),
        2: (CANCELLED, "Dibatalkan oleh pengguna sebelum pemasangan dimulai.",
            "A user cancelled before the installation began."),
        3: (FAILED, "Pemasang gagal saat akan memulai pemasangan.",
            "A fatal error occurred before the installation began.", LOG),
        4: (FAILED, "Pemasangan gagal karena kesalahan berat.", "A fatal error ended the installation.", LOG),
        5: (CANCELLED, "Dibatalkan di tengah pemasangan.", "It was cancelled during the installation.", LOG),
        6: (HALF_DONE, "Pemasang dihentikan paksa oleh pengawakutu.", "A debugger terminated Setup."),
        7: (DID_NOTHING, "Pemasang memutuskan bahwa pemasangan tidak dapat dilanjutkan.",
            "Setup decided that it cannot proceed.", LOG),
        8: (DID_NOTHING, "Pemasang memerlukan nyala ulang sebelum dapat melanjutkan.",
            "Setup needs a reboot before it can proceed.", REBOOT_FIRST),
    },
}
