"""Who else holds a computer, as it is told: owner, since when, and for how long yet; whichever layer found it out.

Times come as durations, counted where the clock is that they were measured by (the computer's, or the database's), and
are told by ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.errors import Busy
from controller.form.wording import duration
from controller.records import Lease
from controller.text import Text, joined


@dataclass(frozen=True)
class Holder:
    """A run that holds a computer."""

    run: str
    """Its name on the computer: ``HostWork.id``."""
    owner: str
    since: str
    """RFC 3339 in UTC."""
    host: str = ""
    """Under which name the computer is worked on; empty where that is not known."""
    why: str = "work"
    """``work``, ``reboot`` or ``decision``: what it holds it for."""
    left_s: float | None = None
    """For about how long yet at most, by its own plan; None: nobody knows; less than nothing: it takes longer."""
    expires_s: float | None = None
    """When the record lets go of it, should its controller have died; None where the computer itself told us."""

    def told(self) -> Text:
        """The sentence for people."""
        as_host = Text(f", sebagai {self.host}", f", as {self.host}") if self.host else Text("", "")
        since = self.since.partition(".")[0].rstrip("Z") + "Z"
        what = WHY.get(self.why, WHY["work"])
        who = Text(
            f"{self.owner} memegang komputer ini sejak {since} (proses {self.run}{as_host.id}): {what.id}",
            f"{self.owner} has held this computer since {since} (run {self.run}{as_host.en}): {what.en}",
        )
        return joined([who, *self._how_long()], ", ")

    def _how_long(self) -> list[Text]:
        told = [Text("selesainya belum diketahui", "nobody knows for how long")]
        if self.left_s is not None and self.left_s > 0:
            left = duration(self.left_s)
            told = [Text(f"paling lama sekitar {left.id} lagi", f"for about {left.en} more at most")]
        elif self.left_s is not None:
            told = [Text("lebih lama daripada rencananya", "longer than its plan allows for")]
        if self.expires_s is not None:
            left = duration(max(1.0, self.expires_s))
            told.append(Text(f"bila pengendalinya mati: {left.id} lagi", f"should its controller have died: {left.en}"))
        return told

    def hint(self) -> Text:
        """What to do."""
        if self.why == "decision":
            return Text(
                "putuskan langkah 9 form itu: pasang form decide, lalu pasang resume",
                "decide step 9 of that form: pasang form decide, then pasang resume",
            )
        return Text(
            "ulangi nanti, atau tunggu dengan --wait 10m", "do it again later, or let it be waited for with --wait 10m"
        )

    def error(self) -> Busy:
        """What it means for who wants the computer too."""
        return Busy(self.told(), hint=self.hint(), holder=self.as_json())

    def as_json(self) -> dict[str, Any]:
        """For records and programs; ``until`` is None where nobody knows."""
        until = None
        if self.left_s is not None:
            until = (datetime.now(UTC) + timedelta(seconds=self.left_s)).isoformat(timespec="seconds")
        return {
            "owner": self.owner,
            "run": self.run,
            "host": self.host or None,
            "since": self.since,
            "why": self.why,
            "until": until and until.replace("+00:00", "Z"),
        }


WHY = {
    "work": Text("sedang dikerjakan", "it is being worked on"),
    "reboot": Text("menunggu komputer menyala kembali", "it waits for the computer to come back from a restart"),
    "decision": Text("menunggu keputusan langkah 9", "it waits for the decision of step 9"),
}


def of_computer(told: Mapping[str, Any]) -> Holder:
    """The holder that a computer's agent tells of (``agent.lock.told``)."""
    since_s, left_s = told.get("since_s"), told.get("left_s")
    return Holder(
        run=str(told.get("run", "")),
        owner=str(told.get("owner", "")),
        since=ago(float(since_s)) if isinstance(since_s, (int, float)) else str(told.get("since", "")),
        host=str(told.get("host") or ""),
        why=str(told.get("why", "work")),
        left_s=float(left_s) if isinstance(left_s, (int, float)) else None,
    )


def of_lease(lease: Lease) -> Holder:
    """The holder that the record tells of."""
    return Holder(
        run=lease.run,
        owner=lease.owner,
        since=ago(lease.since_s),
        host=lease.host,
        left_s=lease.left_s,
        expires_s=lease.expires_s,
    )


def ago(seconds: float) -> str:
    """The moment so many seconds before now, RFC 3339 in UTC."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
