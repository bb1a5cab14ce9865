"""The command ``pasang``: one file a command family; they parse and print, and decide nothing."""

from __future__ import annotations

import sys


def main() -> None:
    """The entry point: run the command, say errors in the reader's language, exit with the code of ``errors.py``."""
    from controller.errors import PasangError
    from controller.text import language_of

    try:
        from controller.cli.app import app

        code = app(standalone_mode=False)
    except PasangError as error:
        sys.stderr.write(f"pasang: {error.say(language_of())}\n")
        code = error.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, the reader gets a sentence and a file, not a traceback
        from controller.cli.mishaps import explain

        code = explain(error, language_of())
    raise SystemExit(code or 0)


if __name__ == "__main__":
    main()
