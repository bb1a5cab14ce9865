"""What ends a command otherwise than by its result: our own errors, a word mistyped, a mistake of ours."""

from __future__ import annotations

import os
import re
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.cli.common import NOTHING, written
from controller.errors import FULL, InputError, PasangError, RecordError, disk_full
from controller.text import Language, Text

USAGE = InputError.exit_code
CRASHED = 70
"""Exit code of a mistake of ours. Source: sysexits.h, EX_SOFTWARE."""


def tell(error: Exception, language: Language, *, as_json: bool) -> int:
    """Say on stderr what happened and what to do; returns the exit code.

    Args:
        error: what ended the command.
        language: the reader's.
        as_json: also end stdout with a ``summary``, as a command that went well does.
    """
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return USAGE
    code, sentence = explained(error, language)
    sys.stderr.write(sentence + "\n")
    if as_json:
        so_far = error.so_far if isinstance(error, PasangError) else {}
        summary = {**NOTHING, **so_far, "error": {"code": code, "message": sentence.removeprefix("pasang: ")}}
        with suppress(BrokenPipeError):  # whoever read it has gone
            print(written(summary), flush=True)
    return code


def explained(error: Exception, language: Language) -> tuple[int, str]:
    """The exit code, and what to say. A full disk keeps no record, wherever it was met."""
    if isinstance(error, PasangError):
        return RecordError.exit_code if is_full(error) else error.exit_code, f"pasang: {error.say(language)}"
    if isinstance(error, OSError) and error.errno in FULL:
        return explained(disk_full(error), language)
    if type(error).__name__ == "Abort":
        return 1, Text("dibatalkan", "cancelled").say(language)
    if hasattr(error, "format_message"):  # the command-line library's own errors; it exports no common class
        return USAGE, f"pasang: {usage(error).say(language)}\n{see(error).say(language)}"
    place = keep(error)
    said = mask(f"{type(error).__name__}: {error}")[:300]
    where = Text(f"Rinciannya: {place}", f"The details: {place}") if place else Text("", "")
    sorry = Text(
        f"pasang: maaf, ada kesalahan di Pasang sendiri ({said}).\n"
        "  → Yang sedang dikerjakan di komputer selesai sendiri; lihat hasilnya dengan `pasang resume`. "
        f"Laporkan kesalahan ini. {where.id}",
        f"pasang: sorry, this is a mistake of Pasang's own ({said}).\n"
        "  → What is at work on computers finishes by itself; see how with `pasang resume`. "
        f"Please report this. {where.en}",
    )
    return CRASHED, sorry.say(language).rstrip()


def is_full(error: BaseException | None) -> bool:
    """Whether it came of a disk without room."""
    return error is not None and (getattr(error, "errno", None) in FULL or is_full(error.__cause__))


def usage(error: Any) -> Text:
    """A mistyped command line in both languages; what the library says is English only."""
    english = error.format_message()
    kind = type(error).__name__
    command = re.search(r"No such command '(.+?)'", english)
    near = re.findall(r"'([^']+)'", english.partition("Did you mean")[2]) or list(
        getattr(error, "possibilities", None) or ()
    )
    guess = f"; mungkin maksudnya {', '.join(near)}" if near else ""
    name = named(error)
    indonesian = english
    if command:
        indonesian = f"perintah '{command[1]}' tidak dikenal{guess}"
    elif kind == "NoSuchOption":
        indonesian = f"opsi {error.option_name} tidak dikenal{guess}"
    elif kind == "MissingParameter":
        indonesian = f"{name} belum diberikan"
    elif kind == "BadParameter":
        indonesian = f"nilai untuk {name} tidak sah: {refused(error.message)}"
    elif kind == "BadOptionUsage":
        indonesian = f"opsi {error.option_name} salah dipakai: {error.message}"
    return Text(indonesian, english[:1].lower() + english[1:])


def refused(english: str) -> str:
    """Why the library refuses a value, as far as we know its sentences."""
    for pattern, indonesian in (
        (r"(.+) is not a valid .*(integer|int).*", r"\1 bukan bilangan bulat"),
        (r"(.+) is not in the range (.+?)\.?", r"\1 di luar rentang \2"),
    ):
        if found := re.fullmatch(pattern, english):
            return found.expand(indonesian)
    return english


def named(error: Any) -> str:
    """The option or argument that an error is about, as it is written."""
    parameter = getattr(error, "param", None)
    if parameter is None:
        return str(getattr(error, "param_hint", None) or "")
    if parameter.param_type_name == "option":
        return " / ".join(parameter.opts)
    return str(parameter.metavar or parameter.name)


def see(error: Any) -> Text:
    """Where to read on."""
    path = error.ctx.command_path if getattr(error, "ctx", None) is not None else "pasang"
    return Text(f"  → lihat `{path} --help`", f"  → see `{path} --help`")


def keep(error: Exception) -> Path | None:
    """Write the traceback under ``PASANG_HOME``; None where that cannot be done. No values of variables are in it."""

    from controller import __version__
    from controller.settings import default_home

    home = Path(os.environ.get("PASANG_HOME") or default_home())
    path = home / f"crash-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.txt"
    content = f"pasang {__version__}, Python {sys.version}\n\n{''.join(traceback.format_exception(error))}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        path.write_text(mask(content), encoding="utf-8")
        path.chmod(0o600)
    except OSError:
        return None
    return path


def mask(content: str) -> str:
    """Text without the secrets that foreign errors are known to quote: passwords in URLs, and in ``name=value``."""
    content = re.sub(r"(\w+://[^\s/:@]*):[^\s@]*@", r"\1:***@", content)
    return re.sub(r"(?i)((?:password|passwd|secret|token)\w*\s*[=:]\s*)\S+", r"\1***", content)
