"""dpkg. Its codes hardly tell anything; what it prints does (``agent.debian.dpkg.reason_of``)."""

from __future__ import annotations

from agent.codes.kinds import FAILED, OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Table

PRINTED = ("Baca keluaran dpkg.", "Read what dpkg printed.")

# fmt: off
TABLE: Table = {
    "dpkg(1), EXIT STATUS": {
        0: (OK, "Selesai.", "Done."),
        1: (FAILED, "Pemeriksaan atau sebuah paket gagal.", "A check or a package failed.", PRINTED),
        2: (FAILED, "dpkg berhenti: cara pemakaian salah, atau basis datanya tidak dapat dipakai.",
            "dpkg gave up: used wrongly, or its database cannot be used.", PRINTED),
    },
}
