"""The form on the terminal: Rich lays it out, and drops colours and boxes where there is no terminal."""

from __future__ import annotations

from datetime import tzinfo

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text as Styled

from controller.form.model import Form
from controller.form.sheet import Box, Line, Sheet, sheet
from controller.settings import WIB, Letterhead
from controller.text import Language

_FILE_WIDTH = 120
_STYLES = {"good": "green", "bad": "bold red", "open": "yellow", "plain": "dim"}


def to_text(
    form: Form,
    language: Language,
    *,
    letterhead: Letterhead | None = None,
    zone: tzinfo = WIB,
    annex: bool = True,
) -> RenderableType:
    """The form for ``rich.console.Console.print``.

    Args:
        form: as projected.
        language: of all words.
        letterhead: the office's; only its lines are shown.
        zone: the office's clock.
        annex: also the tables of requirements, tests and changes.
    """
    worded = sheet(form, language, letterhead=letterhead, zone=zone)
    parts: list[RenderableType] = [Styled(line, style="dim", justify="center") for line in worded.letterhead.lines]
    parts += [
        Styled(f"{worded.title.upper()}  {worded.number}", style="bold", justify="center"),
        _fields(worded),
        _outcome(worded),
        _rows(worded),
    ]
    if annex:
        parts += [_annex(table.heads, table.rows, table.tones, table.title) for table in worded.tables]
    parts += [
        _signatures(worded),
        Styled.assemble((worded.words["digest"] + ": ", "dim"), worded.digest),
    ]
    return Group(*(Padding(part, (0, 0, 1, 0)) for part in parts))


def print_form(form: Form, language: Language, *, letterhead: Letterhead | None = None, zone: tzinfo = WIB) -> None:
    """Prints the form on stdout; wide enough to be read where that is a file."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    console.print(to_text(form, language, letterhead=letterhead, zone=zone))


def _fields(worded: Sheet) -> Table:
    grid = Table.grid(padding=(0, 2))
    for caption, value in worded.fields[1:]:
        grid.add_row(Styled(caption, style="dim"), _words(value))
    return grid


def _outcome(worded: Sheet) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Styled(worded.words["outcome"], style="dim"), _words(worded.outcome, _STYLES[worded.tone]))
    for caption, sentence in worded.remarks:
        grid.add_row(Styled(caption, style="dim"), _words(sentence))
    return grid


def _rows(worded: Sheet) -> Table:
    number, activity, actor, standard, actual, result = worded.heads
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    table.add_column(number, justify="right")
    table.add_column(activity, ratio=4)
    table.add_column(actor, max_width=10)
    table.add_column(standard, max_width=12)
    table.add_column(actual, max_width=12, justify="right")
    table.add_column(result, ratio=6, overflow="fold")
    names = dict(worded.actors)
    for line in worded.lines:
        pale = "dim" if line.tone == "plain" else ""
        who = ", ".join(names[actor] for actor in line.actors)
        table.add_row(
            _words(str(line.no), pale),
            _words(line.activity, pale),
            _words(who, pale),
            _words(line.standard, pale),
            _words(line.actual, pale),
            _result(line),
        )
    caption, of_standard, of_actual = worded.total
    table.add_section()
    table.add_row("", Styled(caption, style="bold"), "", of_standard, of_actual, "")
    return table


def _result(line: Line) -> Styled:
    result = _words(line.result, _STYLES[line.tone])
    for note in line.notes:
        result.append("\n")
        result.append_text(_words(note, "dim"))
    return result


def _annex(
    heads: tuple[str, ...], rows: tuple[tuple[str, ...], ...], tones: tuple[str, ...], title: str
) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left", title_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row, tone in zip(rows, tones, strict=True):
        table.add_row(*(_words(cell) for cell in row[:-1]), _words(row[-1], _STYLES[tone]))
    return table


def _signatures(worded: Sheet) -> Table:
    grid = Table.grid(padding=(0, 2))
    for place in worded.boxes:
        grid.add_row(Styled(f"{place.caption} {place.role}", style="dim"), _signature(place, worded))
    return grid


def _signature(place: Box, worded: Sheet) -> Styled:
    if not place.name:
        return Styled("–", style="dim")
    if place.is_broken:
        return _words(f"{place.name} — {worded.words['broken']}", _STYLES["bad"])
    signed = f"{place.name} — {worded.words['signed']}, {place.signed_at}, {worded.words['key']} {place.fingerprint}"
    return _words(signed, _STYLES["good"])


def _words(value: str, style: str = "") -> Styled:
    """Words that a computer may have sent: their markup is not obeyed, their control characters reach no terminal."""
    return Styled("".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in value), style=style)
