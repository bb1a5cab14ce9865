"""rpm: its exit code is the number of packages that failed, 254 at most, whether it began with them or not."""

from __future__ import annotations

from agent.codes.kinds import FAILED, OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.codes.kinds import Row, Table

SOURCE = "rpm, lib/rpminstall.c (numFailed); seen with rpm 4.18"
MOST = 254
"""255 is special to xargs(1), says rpm."""
PRINTED = ("Baca keluaran rpm.", "Read what rpm printed.")

# fmt: off
TABLE: Table = {
    SOURCE: {
        0: (OK, "Selesai.", "Done."),
        1: (FAILED, "Satu paket gagal, atau rpm tidak dapat mulai.",
            "One package failed, or rpm could not begin.", PRINTED),
    },
}
# fmt: on


def beyond(code: int) -> Row | None:
    """More than one: so many packages failed."""
    if not 1 < code <= MOST:
        return None
    least = ("sedikitnya ", "at least ") if code == MOST else ("", "")
    return FAILED, f"Gagal: {least[0]}{code} paket.", f"Failed: {least[1]}{code} packages.", PRINTED
