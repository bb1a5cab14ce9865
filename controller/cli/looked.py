"""What commands that only look have found, for people: requirements, what would be changed, tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text as Styled

from controller.cli.common import LANGUAGE, say
from controller.cli.tables import print_whole
from controller.form.wording import VERDICTS, size, word
from controller.text import Text, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from controller.records import Record
    from controller.run.opening import RunResult

SHOWN_WHOLE = 5
"""So many computers are shown in full; of more, only what is not as it should be."""
WAYS_BACK = {
    "deb": Text("paket dibuang; versi lama dipasang kembali", "packages purged; the version before put back"),
    "archive": Text("tautan dikembalikan, folder dibuang", "link set back, folder removed"),
    "file": Text("isi semula dikembalikan", "former content put back"),
    "service": Text("keadaan layanan semula dikembalikan", "former state of the service put back"),
    "command": Text("perintah undo dari playbook", "the playbook's undo command"),
}
STATES = {
    "present": Text("sudah sesuai", "already so"),
    "absent": Text("akan dipasang", "would be put in place"),
    "different": Text("akan diubah", "would be changed"),
    "unknown": Text("tidak dapat dipastikan", "could not tell"),
}
GOOD = ("met", "passed", "present")


def print_looked(console: Console, result: RunResult, looked: Mapping[str, Sequence[Record]]) -> None:
    """A table a computer. Computers about which there is nothing to say are left out."""
    whole = len(result.results) <= SHOWN_WHOLE
    for work, _ in result.results:
        records = looked.get(work.host.name, ())
        table = Table(
            title=f"{work.host.name} · {work.software}", title_justify="left", show_edge=False, pad_edge=False
        )
        for name in (
            say("Yang diperiksa", "Looked at"),
            say("Diperlukan", "Needed"),
            say("Didapati", "Found"),
            say("Hasil", "Result"),
        ):
            table.add_column(name, overflow="fold")
        for title, needed, found, verdict, is_good in rows(records):
            if whole or not is_good:
                table.add_row(title, needed, found, Styled(verdict, style="green" if is_good else "red"))
        if table.row_count:
            print_whole(console, table)
        planned = [record for record in records if record["type"] == "planned"]
        if planned and work.plan is not None:
            console.print(to_send(planned[-1]), highlight=False)
            console.print(say("digest rencana: ", "the plan's digest: ") + work.plan.digest, highlight=False)
        if table.row_count or planned:
            console.print()


def rows(records: Sequence[Record]) -> Iterator[tuple[str, str, str, str, bool]]:
    """Title, needed, found, verdict, and whether it is good."""
    for record in records:
        title = said(record.get("title"), LANGUAGE)
        if record["type"] in ("requirement", "probe"):
            verdict = str(record["verdict"])
            shown = word(VERDICTS, verdict).say(LANGUAGE)
            needed, found = (said(record[name], LANGUAGE) for name in ("needed", "found"))
            yield title, needed, found, shown, verdict in GOOD
        elif record["type"] == "detected":
            state = str(record["state"])
            back = "" if state in GOOD else word(WAYS_BACK, record["kind"]).say(LANGUAGE)
            way_back = say(f"jalan kembali: {back}", f"way back: {back}") if back else ""
            yield title, way_back, said(record["found"], LANGUAGE), word(STATES, state).say(LANGUAGE), True


def to_send(planned: Mapping[str, Any]) -> str:
    """What would cross the line."""
    if not planned["changes"]:
        return say("tidak ada yang perlu diubah", "nothing would be changed")
    if not planned["send"]:
        return say("semua berkas sudah ada di komputer", "every file is on the computer already")
    amount = size(int(planned["send_bytes"])).say(LANGUAGE)
    return say("dikirim: ", "to be sent: ") + ", ".join(planned["send"]) + f" ({amount})"
