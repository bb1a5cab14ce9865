"""Burn, the bundles of WiX: msiexec's codes and errors of Windows, with a few of its own."""

from __future__ import annotations

from agent.codes.kinds import DID_NOTHING, FAILED, FITTING, OK, REBOOT_FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

# fmt: off
TABLE: Table = {
    "WiX Toolset, burn/engine and api/burn (BootstrapperEngineTypes.h, balutil.h)": {
        0: (OK, "Selesai.", "Done."),
        0x81F40001: (DID_NOTHING, "Komputer ini tidak memenuhi syarat paket.",
                     "The computer does not meet a condition of the bundle.", FITTING),
        0x81F403EA: (FAILED, "Prasyarat paket tidak kunjung terpenuhi setelah dipasang.",
                     "The bundle's prerequisite is still missing after it was installed.", REBOOT_FIRST),
        0x81F407D0: (FAILED, "Berkas pemasang diubah saat dipakai, tampaknya oleh antivirus.",
                     "Files of the installer changed in use, it seems by an antivirus.",
                     ("Kecualikan folder pemasang dari antivirus, lalu ulangi.",
                      "Exclude the installer's folder from the antivirus, then try again.")),
    },
}
