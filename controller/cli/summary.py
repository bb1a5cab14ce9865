"""The end of a run for people: a row a computer, numbers that add up, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text as Styled

from controller.cli.common import LANGUAGE, say
from controller.cli.tables import console as as_seen
from controller.cli.tables import print_whole
from controller.form.wording import CHANGES, OUTCOMES, RESIDUE_KINDS, duration, rollback, tone, word
from controller.run.work import count
from controller.text import said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from controller.records import Record
    from controller.run.opening import RunResult
    from controller.run.work import HostResult, HostWork


COLOURS = {"good": "green", "open": "yellow", "bad": "red"}
"""Of tones."""
REMARK_LENGTH = 300
"""Characters of a line among the remarks; ten failed probes quote themselves at ten times that."""


def print_summary(result: RunResult, looked: Mapping[str, Sequence[Record]]) -> None:
    """Print the table, the counts and the next step on stdout; of commands that only look, first what they found."""
    console = as_seen()
    if result.results and result.results[0][0].mode in ("check", "plan", "verify"):
        from controller.cli.looked import print_looked

        print_looked(console, result, looked)
    several = len({work.software for work, _ in result.results}) > 1
    title = f"{result.run} · {duration(result.seconds).say(LANGUAGE)}"
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column(say("Komputer", "Computer"))
    if several:
        table.add_column(say("Perangkat lunak", "Software"))
    table.add_column(say("Hasil", "Outcome"))
    table.add_column("Form", no_wrap=True)
    table.add_column(say("Keterangan", "Remarks"), overflow="fold")
    for work, host_result in result.results:
        outcome = shown(host_result.outcome)
        software = [work.software] if several else []
        table.add_row(work.host.name, *software, outcome, host_result.form, Styled(remark(host_result)))
    print_whole(console, table)
    counts = count([r for _, r in result.results])
    parts = ", ".join(f"{number} {word(OUTCOMES, outcome).say(LANGUAGE)}" for outcome, number in counts.items())
    console.print(
        say(f"{len(result.results)} diminta: {parts}", f"{len(result.results)} asked for: {parts}"),
        highlight=False,
        soft_wrap=True,
    )
    for line in next_steps(result):
        console.print(f"→ {line}", highlight=False, soft_wrap=True)  # commands are there to be copied: in one piece


def shown(outcome: str) -> Styled:
    """An outcome in words, in its colour."""
    return Styled(word(OUTCOMES, outcome).say(LANGUAGE), style=COLOURS[tone(outcome)])


def remark(result: HostResult) -> str:
    """Why, how the computer was left, and what to do."""
    parts = []
    if result.reason:
        step = say(f"langkah {result.step}: ", f"step {result.step}: ") if result.step else ""
        parts.append(step + said(result.reason, LANGUAGE))
    if result.rollback:
        is_foreign = result.outcome == "uninstalled" and bool(result.reason)
        parts.append(rollback(result.rollback.get("verdict"), is_foreign=is_foreign).say(LANGUAGE))
        parts.extend(left_behind(item) for item in result.rollback.get("residue", [])[:5])
    if result.hint:
        parts.append(said(result.hint, LANGUAGE))
    return "\n".join(shortened(line, result.form) for part in parts for line in part.split("\n"))


def shortened(line: str, form: str) -> str:
    """A line of a remark, cut where it would make a page of the row and the form has all of it."""
    if len(line) <= REMARK_LENGTH or not form:
        return line
    return f"{line[:REMARK_LENGTH].rstrip()}… {say('selengkapnya', 'the rest')}: pasang form show {form}"


def left_behind(item: Mapping[str, str]) -> str:
    """Something that is not as it was before."""
    kind, change = word(RESIDUE_KINDS, item["kind"]), word(CHANGES, item["change"])
    return f"{kind.say(LANGUAGE)} {item['name']}: {change.say(LANGUAGE)}"


def next_steps(result: RunResult) -> list[str]:
    """What the person does next."""
    outcomes = {r.outcome for _, r in result.results}
    lines = []
    done = [work for work, r in result.results if r.outcome in ("installed", "already_installed") and not r.had_ended]
    first = next((work for work in done if work.form), None)
    if first is not None:
        role = "staf_ti" if first.location == "data_center" else "user"
        lines.append(
            say(f"lihat formnya: pasang form show {first.form}", f"see the form: pasang form show {first.form}")
        )
        lines.append(
            say(
                f"tanda tangan: pasang form sign {first.form} --as {role}",
                f"sign it: pasang form sign {first.form} --as {role}",
            )
        )
    if "unreachable" in outcomes:
        lines.append(
            say(
                "perbaiki yang tidak terjangkau, lalu ulangi perintah ini",
                "mend what is unreachable, then do this again",
            )
        )
    if "running" in outcomes:
        lines.append(
            say(
                f"komputer yang berjalan menyelesaikan sendiri; hasilnya: pasang resume {result.run}",
                f"computers at work finish by themselves; for how it ended: pasang resume {result.run}",
            )
        )
    if "awaiting_reboot" in outcomes:
        lines.append(
            say(
                f"yang menunggu jam nyala ulang melanjutkan sendiri; hasilnya: pasang resume {result.run}",
                f"what waits for its time to reboot goes on by itself; for how it ended: pasang resume {result.run}",
            )
        )
    waiting = next((w for w, r in result.results if r.outcome == "awaiting_decision"), None)
    if waiting is not None:
        lines.append(decide_hint(waiting))
    return lines


def decide_hint(work: HostWork) -> str:
    """How step 9 is decided."""
    command = f'pasang form decide {work.form} --configure --reason "…"'
    return say(f"putuskan langkah 9: {command}, lalu pasang resume", f"decide step 9: {command}, then pasang resume")
