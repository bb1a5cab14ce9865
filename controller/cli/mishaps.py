"""What ends a command otherwise than by our own errors: a word mistyped, a mistake of ours."""

from __future__ import annotations

import os
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controller.text import Language, Text

CRASHED = 70
"""Exit code of a mistake of ours. Source: sysexits.h, EX_SOFTWARE."""


def explain(error: Exception, language: Language) -> int:
    """Say on stderr what happened and what to do; returns the exit code."""
    kind = type(error).__name__
    if kind == "Abort":
        sys.stderr.write(Text("dibatalkan", "cancelled").say(language) + "\n")
        return 1
    if kind == "NoArgsIsHelpError":
        error.show()  # type: ignore[attr-defined]
        return 2
    if hasattr(error, "format_message"):  # the command-line library's own errors; it exports no common class
        sys.stderr.write(f"pasang: {usage(error).say(language)}\n{see(error).say(language)}\n")
        return 2
    place = keep(error)
    said = mask(f"{type(error).__name__}: {error}")[:300]
    where = Text(f"Rinciannya: {place}", f"The details: {place}") if place else Text("", "")
    sorry = Text(
        f"pasang: maaf, ada kesalahan di Pasang sendiri ({said}).\n"
        "  → Yang sedang dikerjakan di komputer selesai sendiri; lihat hasilnya dengan `pasang resume`. "
        "Laporkan kesalahan ini.",
        f"pasang: sorry, this is a mistake of Pasang's own ({said}).\n"
        "  → What is at work on computers finishes by itself; see how with `pasang resume`. Please report this.",
    )
    sys.stderr.write(f"{sorry.say(language)} {where.say(language)}\n")
    return CRASHED


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
        indonesian = f"nilai untuk {name} tidak sah: {error.message}"
    elif kind == "BadOptionUsage":
        indonesian = f"opsi {error.option_name} salah dipakai: {error.message}"
    return Text(indonesian, english[:1].lower() + english[1:])


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
    path = home / f"crash-{datetime.now(UTC):%Y%m%d-%H%M%S}.txt"
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
