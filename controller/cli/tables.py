"""Tables for people: they fit the terminal, and no name or number in them is broken; elsewhere a row is a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNSEEN_WIDTH = 10_000
"""Of what is no terminal: programs that search it want rows in one piece."""
PROSE_WIDTH = 20
"""With less room than this for its last column a table is no table any more."""
GAP = 2


def console() -> Console:
    """Stdout as a person sees it; what is printed is never markup, and ``:bug:`` no picture."""
    seen = Console(markup=False, emoji=False, highlight=False)
    return seen if seen.is_terminal else Console(markup=False, emoji=False, highlight=False, width=UNSEEN_WIDTH)


def print_whole(shown: Console, table: Table) -> None:
    """Print a table; where nobody sees it, without the blanks that fill up its last column."""
    if shown.is_terminal:
        shown.print(table)
        return
    with shown.capture() as captured:
        shown.print(table)
    for line in captured.get().splitlines():
        shown.file.write(line.rstrip() + "\n")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their heads; where they do not fit, each row as a paragraph that names its values.

    Args:
        heads: of the columns. Only the last may be broken over lines.
        rows: as long as the heads; a list is shown with commas, None as nothing.
    """
    shown, cells = console(), [[_cell(value) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    needed = sum(widths[:-1]) + GAP * len(widths[:-1]) + min(widths[-1], PROSE_WIDTH)
    if needed > shown.width:
        for first, *others in cells:
            values = [f"{head}: {value}" for head, value in zip(heads[1:], others, strict=True) if value]
            shown.print(first, overflow="fold")
            shown.print(Padding(" · ".join(values), (0, 0, 0, GAP)))
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, GAP, 0, 0))
    for place, head in enumerate(heads):
        table.add_column(head, no_wrap=place < len(heads) - 1, overflow="fold")
    for row in cells:
        table.add_row(*row)
    print_whole(shown, table)


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
