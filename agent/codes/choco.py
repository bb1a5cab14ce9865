"""Chocolatey. Its packages may end with codes of their own, which it then hands on (feature usePackageExitCodes)."""

from __future__ import annotations

from agent.codes.kinds import DID_NOTHING, FAILED, HALF_DONE, HARD_REBOOT, LOG, OK, REBOOT_FIRST, SOFT_REBOOT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

# fmt: off
TABLE: Table = {
    "Chocolatey Documentation, choco install: Exit Codes": {
        0: (OK, "Selesai.", "Done."),
        -1: (FAILED, "Terjadi kesalahan.", "An error has occurred.", LOG),
        1: (FAILED, "Terjadi kesalahan.", "An error has occurred.", LOG),
        350: (DID_NOTHING, "Tidak ada yang dikerjakan karena komputer menunggu nyala ulang.",
              "No action was taken because a reboot is pending.", REBOOT_FIRST),
        1604: (HALF_DONE, "Pemasangan terhenti dan belum lengkap.",
               "The installation was suspended, incomplete.", REBOOT_FIRST),
        1641: (HARD_REBOOT, "Selesai; komputer sedang dinyalakan ulang.", "Done; a reboot has begun."),
        3010: (SOFT_REBOOT, "Selesai; perlu nyala ulang untuk melengkapinya.", "Done; a reboot completes it."),
    },
}
REMOVING: Table = {
    "Chocolatey Documentation, choco uninstall: Exit Codes": {
        1605: (OK, "Perangkat lunak ini memang tidak terpasang.", "The software is not installed any more."),
        1614: (OK, "Perangkat lunak ini memang sudah dilepas.", "The software is already uninstalled."),
    },
}
