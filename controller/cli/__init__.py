"""The command ``pasang``: one file a command family; they parse and print, and decide nothing."""

from __future__ import annotations

import atexit
import io
import os
import sys
from typing import NoReturn

LOST_OUTPUT = 120
"""Source: Py_FinalizeEx."""


def main() -> None:
    """The entry point: run the command; whatever ends it otherwise is said by ``mishaps``."""
    give_missing_streams()
    lose_letters_rather_than_fail()
    try:
        import gc

        # A start makes some hundred thousand objects that stay: to look for garbage among them is a tenth of its time.
        gc.set_threshold(50_000)
        from controller.cli.app import app, narrow

        narrow(app, sys.argv[1:])
        code = app(standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a sentence, not a traceback
        from controller.cli.mishaps import tell
        from controller.text import language_of

        code = tell(error, language_of(), as_json="--json" in sys.argv[1:])
    leave(code or 0)


def give_missing_streams() -> None:
    """The null device for each standard stream that was closed (``pasang … >&-``): who writes there need not ask.

    It also takes the number, which the next file opened would have: what a program of ours writes must not get into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for as long as we live


def lose_letters_rather_than_fail() -> None:
    """A ``?`` for each letter that an output's encoding lacks: what was done must not fail by being told."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def leave(code: int) -> NoReturn:
    """End with a code, and let the kernel take apart what a start has built: Python takes 30 ms to do it."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # whoever read it has gone, or its disk is full: as Python itself ends then
            code = code or LOST_OUTPUT
    os._exit(code)


if __name__ == "__main__":
    main()
