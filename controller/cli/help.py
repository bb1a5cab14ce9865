"""``--help`` in the reader's language: the library that lays it out has English words of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from controller.cli.common import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer._click import Command
    from typer._click.formatting import HelpFormatter
else:
    HelpFormatter = typer.Context.formatter_class

WORDS = {
    "Arguments": say("Argumen", "Arguments"),
    "Options": say("Opsi", "Options"),
    "Commands": say("Perintah", "Commands"),
    "[OPTIONS]": say("[OPSI]", "[OPTIONS]"),
    "COMMAND [ARGS]...": say("PERINTAH [ARGUMEN]…", "COMMAND [ARGS]…"),
    "[default: ": say("[bawaan: ", "[default: "),
    "[required]": say("[wajib]", "[required]"),
    "<path>": say("<berkas>", "<file>"),
    "<str>": say("<teks>", "<text>"),
    "<int range>": say("<angka>", "<number>"),
    "Show this message and exit.": say("bantuan ini, lalu selesai", "this help, and exit"),
}
"""The library's words in the reader's language; what is not here stays as the library has it."""


def ours(words: str) -> str:
    """The library's words in a piece of help, in the reader's language."""
    return re.sub("|".join(map(re.escape, WORDS)), lambda found: WORDS[found[0]], words)


class Formatter(HelpFormatter):
    """Lays help out with our words."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """See the library's."""
        super().write_usage(prog, ours(args), prefix or say("Pemakaian: ", "Usage: "))

    def write_heading(self, heading: str) -> None:
        """See the library's."""
        super().write_heading(ours(heading))

    def write_dl(self, rows: Sequence[tuple[str, str]], *layout: Any, **more: Any) -> None:
        """See the library's."""
        super().write_dl([(ours(first), ours(second)) for first, second in rows], *layout, **more)


class Context(typer.Context):
    """Of a command, with our help."""

    formatter_class = Formatter


class Group(TyperGroup):
    """Commands with our help."""

    context_class = Context

    def get_command(self, ctx: Any, cmd_name: str) -> Command | None:
        """See the library's."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.context_class = Context
        return command


def family(help: str) -> typer.Typer:
    """A family of commands: without a word it shows its help."""
    return typer.Typer(
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help=help,
    )
